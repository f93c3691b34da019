"""The arrays of one sample, in an .npz file that `numpy.load` reads too.

Nothing is unpacked before its header says that it is what the photo asks for, so that no file, however it was made,
takes more memory than the photo's size explains. The formats: PKWARE's APPNOTE and `numpy.lib.format`.
"""

import io
import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal

import numpy as np

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.reading import open_file

Shape = tuple[int, ...]

MASK = ".valid"
"""What follows a field's name in that of its mask."""
_COMPRESSION = 1  # zlib levels above save nothing on float maps
_PIECE = 1 << 20
"""Bytes that are read at a time; the list of what is in a file must fit into as many."""
_HEADER = re.compile(
    rb"\x93NUMPY(?:\x01.(..)|[\x02\x03].(..)\0\0)"  # the header's length
    rb"\{'descr': ?'([<>|=]?[a-zA-Z?]\d{0,9})', ?'fortran_order': ?(True|False), ?"
    rb"'shape': ?\((\d{0,15}(?:, ?\d{1,15}){0,7},?)\),? ?\} *\n",
    re.DOTALL,
)
_MOST_HEADER = 1 << 12
_FLOAT, _BOOL = re.compile("[<>=]?f[248]"), re.compile(r"[<>|=]?(b1|\?)")


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes the file, compressed lightly: numpy itself has no setting for the level."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=_COMPRESSION) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


def load(path: Path, shapes: Mapping[str, Shape], remedy: str) -> dict[str, np.ndarray]:
    """Those arrays of these names that are in the file: masks as bool, maps as float32, rows of numbers as float64.

    Raises `DataError` with `remedy` for a file that is damaged or holds any of them with another shape or type.
    """
    with _Pieces(open_file(path, DataError, remedy).detach()) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                return _arrays(archive, {f"{name}.npy": shape for name, shape in shapes.items()})
        except Exception as error:  # decoders meet hostile bytes with errors of every type
            words = printable(" ".join(str(error).split())[:200]) or type(error).__name__
            raise DataError(f"{printable(path)}: damaged ({words}); {remedy}") from error


class _Pieces(io.BufferedReader):
    """A file of which no read takes more than a piece, whatever the lengths in it say."""

    def read(self, size: int | None = -1, /) -> bytes:
        content = super().read(_PIECE + 1 if size is None or not 0 <= size <= _PIECE else size)
        if len(content) > _PIECE:
            raise ValueError(f"its list of parts is longer than {_PIECE} bytes")
        return content


def _arrays(archive: zipfile.ZipFile, shapes: Mapping[str, Shape]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for member in archive.infolist():
        if member.filename not in shapes:
            continue
        name = member.filename.removesuffix(".npy")
        if name in found:
            raise ValueError(f"{name} is in it twice")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack without a bound
            raise ValueError(f"{name} is compressed in another way than by deflate")
        with archive.open(member) as stream:
            found[name] = _array(stream, name, shapes[member.filename])
    return found


def _array(stream: IO[bytes], name: str, wanted: Shape) -> np.ndarray:
    head = stream.read(_MOST_HEADER)
    kind, order, shape, start = _header(head, name)
    mask = name.endswith(MASK)
    if shape != wanted or not (_BOOL if mask else _FLOAT).fullmatch(kind):
        asked = f"{'bool' if mask else 'float'} {list(wanted)}"
        raise ValueError(f"{name} is {kind} {list(shape)}, the photo asks for {asked}")
    # A mask's byte of neither 0 nor 1 is no bool yet, and rows of numbers are few.
    stored, made = (np.uint8, bool) if mask else (kind, np.float64 if len(shape) == 1 else np.float32)
    values = np.empty(math.prod(shape), made)
    _fill(values, stream, head[start:], np.dtype(stored), name)
    return values.reshape(shape, order=order)


def _fill(values: np.ndarray, stream: IO[bytes], rest: bytes, stored: np.dtype, name: str) -> None:
    """Reads numbers of the type `stored`, the first of them in `rest`, and no more than there is room for."""
    filled, piece = 0, rest
    while piece:
        count = len(rest) // stored.itemsize
        if filled + count > len(values):
            raise ValueError(f"{name} has more bytes than its header says")
        if count:
            with np.errstate(over="ignore"):
                values[filled : filled + count] = np.frombuffer(rest, stored, count)
        filled += count
        piece = stream.read(_PIECE)
        rest = rest[count * stored.itemsize :] + piece
    if filled < len(values) or rest:
        raise ValueError(f"{name} has {'more' if filled == len(values) else 'fewer'} bytes than its header says")


def _header(head: bytes, name: str) -> tuple[str, Literal["C", "F"], Shape, int]:
    """The type, the order of axes, the shape, and where the numbers begin."""
    found = _HEADER.match(head)
    if found is None:
        raise ValueError(f"{name} has no header that can be read")
    short, long, kind, fortran, sides = found.groups()
    if (10 if short else 12) + int.from_bytes(short or long, "little") != found.end():
        raise ValueError(f"{name} has a header of another length than it says")
    shape = tuple(int(side) for side in sides.split(b",") if side.strip())
    return kind.decode(), "F" if fortran == b"True" else "C", shape, found.end()
