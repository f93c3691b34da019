"""The content of data sets' files as arrays: PNG, JPEG, TIFF, OpenEXR, HDF5, MATLAB, NPY, PFM, Sintel's depth.

Each function takes the bytes of a file and `where`, what messages call it. A header is believed only as far as the
bytes and `MAX_PIXELS` go, and whatever a decoder says of damaged bytes becomes a `DataError` naming the file.
"""

import io
import math
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import BinaryIO

import imagecodecs
import numpy as np
import PIL.Image
import tifffile
import torch
from torch import Tensor

from marigold.core.console import printable
from marigold.core.directories import MOST_PARTS
from marigold.core.errors import DataError, MarigoldError, MissingExtraError
from marigold.core.pillow import without_warnings
from marigold.core.raster import MAX_PIXELS

_REMEDY = "copy or download it again"
_EXR = b"\x76\x2f\x31\x01"
"""The bytes that an OpenEXR file begins with."""
_SINTEL = 202021.25
"""The number that a depth or camera file of MPI Sintel begins with."""
_TIFF_COMPRESSIONS = (1, 5, 8, 32773, 32946, 50000)
"""None, LZW, Deflate, PackBits, Deflate by its old number, Zstandard: of each no more is unpacked than a part has."""
_HDF5 = b"\x89HDF\r\n\x1a\n"
"""The bytes with which the HDF5 part of a MATLAB 7.3 file begins, 512 bytes from the start."""
_UNPACKED = 1 << 29
"""Bytes that the variables of a MATLAB file may have, once unpacked."""
_PFM = re.compile(
    rb"(P[Ff])[ \t]*\r?\n(?:#[^\n]*\n)*[ \t]*(\d{1,6})[ \t]+(\d{1,6})[ \t]*\r?\n[ \t]*([-+.\deE]{1,30})[ \t]*\r?\n"
)


def photo(content: bytes, where: str) -> Tensor:
    """An 8- or 16-bit PNG or a JPEG as [3, H, W] float32 sRGB, 0 to 1; profiles and orientation are not looked at.

    Data sets store their photos in sRGB, upright. Raises `DataError`.
    """
    with _reading(where), PIL.Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as image:
        _check_size(image.width, image.height)
        deep = image.format == "PNG" and content[24:25] == b"\x10"
        samples = imagecodecs.png_decode(content) if deep else np.asarray(image.convert("RGB"))
    white = 65535 if samples.dtype == np.uint16 else 255
    samples = samples[..., None] if samples.ndim == 2 else samples
    colours = samples[..., :3] if samples.shape[-1] >= 3 else np.repeat(samples[..., :1], 3, axis=-1)
    return torch.from_numpy(np.ascontiguousarray(colours.transpose(2, 0, 1), np.float32)) / white


def integers(content: bytes, where: str) -> np.ndarray:
    """The samples of a PNG as they are stored: [H, W] or [H, W, C], uint8 or uint16. Raises `DataError`."""
    with _reading(where):
        if content[:8] != b"\x89PNG\r\n\x1a\n":
            raise ValueError("not a PNG")
        _check_size(*struct.unpack(">II", content[16:24]))
        return imagecodecs.png_decode(content)


def depth_png(content: bytes, where: str, per_metre: float) -> np.ndarray:
    """A grey 16-bit PNG of depth, `per_metre` units a metre, as metres [H, W], float32. Raises `DataError`."""
    stored = integers(content, where)
    if stored.dtype != np.uint16 or stored.ndim != 2:
        raise DataError(f"{where}: is not depth in 16 bits but {stored.dtype} {list(stored.shape)}; download it again")
    return stored.astype(np.float32) / np.float32(per_metre)


def openexr(content: bytes, where: str, channels: Sequence[str] = "RGB") -> np.ndarray:
    """These channels of the first part of an OpenEXR file, [H, W, len(channels)] float32.

    A file with a single channel, whatever its name, gives that one for each that is asked for. Raises `DataError`, and
    `MissingExtraError` without OpenEXR.
    """
    found = {name: values.astype(np.float32) for name, values in exr_channels(content, where).items()}
    if len(found) == 1:
        return np.repeat(next(iter(found.values()))[..., None], len(channels), axis=-1)
    if missing := [name for name in channels if name not in found]:
        there = printable(", ".join(sorted(found)))
        raise DataError(f"{where}: has no channel {printable(', '.join(missing))}, only {there}; choose among these")
    return np.stack([found[name] for name in channels], axis=-1)


def exr_channels(content: bytes, where: str) -> dict[str, np.ndarray]:
    """All channels of the first part of an OpenEXR file by their names, each [H, W] float32, or uint32 as it is stored.

    Raises `DataError`, and `MissingExtraError` without OpenEXR.
    """
    try:
        import OpenEXR
    except ImportError:
        raise MissingExtraError("OpenEXR", "data", f"reading {where}") from None
    with _reading(where), NamedTemporaryFile(suffix=".exr") as copy:
        if content[:4] != _EXR:
            raise ValueError("not an OpenEXR file")
        copy.write(content)
        copy.flush()
        with OpenEXR.File(copy.name, header_only=True) as head:
            low, high = head.header()["dataWindow"]
        _check_size(*(int(high[axis]) - int(low[axis]) + 1 for axis in (0, 1)))
        with OpenEXR.File(copy.name, separate_channels=True) as file:
            return {name: _numbers(channel.pixels) for name, channel in file.channels().items()}


def _numbers(pixels: np.ndarray) -> np.ndarray:
    """A copy of a channel, in float32 if it holds floats."""
    return np.array(pixels, np.uint32 if pixels.dtype.kind == "u" else np.float32)


def tiff(content: bytes, where: str) -> np.ndarray:
    """The samples of a TIFF's first picture as they are stored, [H, W] or [H, W, C]. Raises `DataError`."""
    with _reading(where), tifffile.TiffFile(io.BytesIO(content)) as file:
        page = file.pages.first
        _check_size(page.imagewidth, page.imagelength)
        parts = math.prod(page.chunked)
        if page.samplesperpixel > 4 or page.imagedepth != 1 or math.prod(page.chunks) > 4 * MAX_PIXELS:
            raise ValueError(f"{page.samplesperpixel} channels in parts of {page.chunks}")
        if page.compression not in _TIFF_COMPRESSIONS:
            raise ValueError(f"its compression {page.compression} is not read here: save it with LZW or Deflate")
        if len(page.dataoffsets) < parts or parts > MOST_PARTS:
            raise ValueError(f"{len(page.dataoffsets)} of {parts} strips or tiles")
        samples = page.asarray()
        return np.moveaxis(samples, 0, -1) if page.axes.startswith("S") else samples


def hdf5(content: bytes, where: str, name: str = "dataset") -> np.ndarray:
    """One array of an HDF5 file, as it is stored. Raises `DataError`, and `MissingExtraError` without h5py."""
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "data", f"reading {where}") from None
    with _reading(where), h5py.File(io.BytesIO(content), "r") as file:
        if not isinstance(found := file.get(name), h5py.Dataset):
            raise ValueError(f"has no array `{name}`, only {', '.join(file) or 'nothing'}")
        _check_count(math.prod(found.shape), len(content))
        return np.asarray(found)


def hdf5_entry(file: BinaryIO, where: str, name: str, index: int) -> np.ndarray:
    """One entry along the first axis of an array in an HDF5 file, of which no more is read.

    Raises `DataError`, also where there is no such entry, and `MissingExtraError` without h5py.
    """
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("h5py", "data", f"reading {where}") from None
    with _reading(where), h5py.File(file, "r") as opened:
        if not isinstance(found := opened.get(name), h5py.Dataset) or not found.shape:
            raise ValueError(f"has no array `{name}`, only {', '.join(opened) or 'nothing'}")
        if not 0 <= index < found.shape[0]:
            raise ValueError(f"its `{name}` has {found.shape[0]} entries, and not number {index + 1}")
        _check_count(math.prod(found.shape[1:]), math.prod(found.shape))
        return np.asarray(found[index])


def matlab(content: bytes, where: str, name: str) -> np.ndarray:
    """A variable of a MATLAB file, of version 5 or 7.3, by rows and columns as MATLAB shows it.

    A structure of version 5 is an array of records: its field F is `found["F"][0, 0]`. Raises `DataError`, and
    `MissingExtraError` without scipy, or h5py for version 7.3.
    """
    if content[512:520] == _HDF5:
        return hdf5(content, where, name).T
    try:
        import scipy.io
    except ImportError:
        raise MissingExtraError("scipy", "eval", f"reading {where}") from None
    with _reading(where):
        _check_unpacked(content)
        found = scipy.io.loadmat(io.BytesIO(content), variable_names=[name])
        if name not in found:
            raise ValueError(f"has no variable `{name}`")
        return found[name]


def _check_unpacked(content: bytes) -> None:
    """Raises `ValueError` for what is no MATLAB file of version 5, is cut short, or unpacks to too much.

    Behind 128 bytes of header lie the variables, each with its kind and number of bytes; 15 is one that is packed.
    """
    if content[126:128] not in (b"IM", b"MI"):
        raise ValueError("not a MATLAB file of version 5 or 7.3")
    place, total, order = 128, 0, "<" if content[126:128] == b"IM" else ">"
    while place < len(content):
        kind, size = struct.unpack(f"{order}II", content[place : place + 8])
        packed, place = content[place + 8 : place + 8 + size], place + 8 + size
        if len(packed) < size:
            raise ValueError("cut short")
        total += len(zlib.decompressobj().decompress(packed, _UNPACKED)) if kind == 15 else size
        if total >= _UNPACKED:
            raise ValueError(f"more than {_UNPACKED >> 20} MB of variables")


def npy(content: bytes, where: str) -> np.ndarray:
    """The array of an NPY file, as it is stored; objects are refused. Raises `DataError`."""
    with _reading(where):
        stream = io.BytesIO(content)
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(stream)
        if kind.hasobject or math.prod(shape) * kind.itemsize != len(content) - stream.tell():
            raise ValueError(f"has not the bytes of {kind} {list(shape)}")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False)


def sintel_depth(content: bytes, where: str) -> np.ndarray:
    """A `.dpt` of MPI Sintel: metres, [H, W] float32.

    A float32 tag, int32 width and height, then rows, all little-endian (its own `sintel_io.py`). Raises `DataError`.
    """
    with _reading(where):
        tag, width, height = struct.unpack("<fii", content[:12])
        if tag != _SINTEL:
            raise ValueError(f"begins with {tag:g}, not with {_SINTEL}")
        return _floats(content[12:], width, height, "<f4")


def sintel_camera(content: bytes, where: str) -> np.ndarray:
    """The intrinsic matrix of a `.cam` of MPI Sintel, [3, 3] float64, in pixels.

    A float32 tag, that matrix and the extrinsic one [3, 4], all little-endian (its own `sintel_io.py`). Raises
    `DataError`.
    """
    with _reading(where):
        (tag,) = struct.unpack("<f", content[:4])
        if tag != _SINTEL or len(content) != 4 + 21 * 8:
            raise ValueError(f"{len(content)} bytes that begin with {tag:g}, not 172 with {_SINTEL}")
        matrix = np.frombuffer(content, "<f8", 9, 4).reshape(3, 3)
        if not (np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0):
            raise ValueError("its focal lengths are not above 0")
        return matrix


def pfm(content: bytes, where: str) -> np.ndarray:
    """A PFM, whose rows are stored from the bottom up: [H, W] or [H, W, 3] float32, first row on top.

    Raises `DataError`.
    """
    with _reading(where):
        if (head := _PFM.match(content)) is None:
            raise ValueError("has no header of a PFM")
        width, height, order = int(head[2]), int(head[3]), "<f4" if float(head[4]) < 0 else ">f4"
        channels = 3 if head[1] == b"PF" else 1
        rows = _floats(content[head.end() :], width, height, order, channels)
        return np.ascontiguousarray(rows[::-1])


def floats(content: bytes, where: str, width: int, height: int) -> np.ndarray:
    """Little-endian float32 rows without a header, as ETH3D stores depth: [H, W]. Raises `DataError`."""
    with _reading(where):
        return _floats(content, width, height, "<f4")


def _floats(content: bytes, width: int, height: int, kind: str, channels: int = 1) -> np.ndarray:
    _check_size(width, height)
    needed = width * height * channels * 4
    if len(content) != needed:
        raise ValueError(f"{len(content)} bytes of numbers, where {width} x {height} pixels have {needed}")
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.frombuffer(content, kind).reshape(shape).astype(np.float32)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise ValueError(f"{width} x {height} pixels, where a sample has at most {MAX_PIXELS}")


def _check_count(count: int, size: int) -> None:
    """Raises `ValueError` for an array that no sample has: of more numbers than three for each pixel."""
    if count > 4 * MAX_PIXELS:
        raise ValueError(f"{count} numbers in {size} bytes")


@contextmanager
def _reading(where: str) -> Iterator[None]:
    """Decoders meet damaged bytes with errors of every type."""
    try:
        with without_warnings():
            yield
    except MarigoldError:
        raise
    except Exception as error:
        words = printable(" ".join(str(error).split())[:200]) or type(error).__name__
        raise DataError(f"{where}: damaged ({words}); {_REMEDY}") from error
