"""A sample as the members of a tar, and back: files that `json`, any picture viewer and `numpy.load` open.

    sample.json       the key, the split, and the camera: fx, fy, cx, cy in pixels, or null
    image.png         the photo, 8-bit sRGB
    FIELD.npy         [C, H, W]: float32 for lengths, else float16, or float32 where a value is too large for that
    FIELD.valid.npy   [H, W / 8] uint8: where the field may be used, eight pixels a byte, the first in its highest bit

Nothing is compressed but the photo, so that a map is read in the time of a copy. The photo's height and width tell the
size and the header of each array: what differs is refused before it is read, or decoded.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import fields as attributes
from typing import Any

import imagecodecs
import numpy as np
import torch
from torch import Tensor

from marigold.core.documents import from_json
from marigold.core.fields import FIELDS, Field
from marigold.core.files import as_json
from marigold.core.sample import Camera, Sample

Size = tuple[int, int]
"""Height and width."""

FACTS, PHOTO = "sample.json", "image.png"
_COMPRESSION = 1
"""Higher levels take much longer and save a few hundredths."""
_MOST_FACTS = 1 << 14
_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_RGB = b"\x08\x02"
"""Of a PNG: 8 bits, three channels."""
_NPY = b"\x93NUMPY\x01\x00"
HEADER = 128
"""Bytes before the numbers of an array."""
MASK = ".valid.npy"
"""What the name of a mask ends with."""
_WIDE, _NARROW = "<f4", "<f2"
_LARGEST = float(np.finfo(np.float16).max)


def names(fields: tuple[str, ...]) -> tuple[str, ...]:
    """The members of a sample with these fields, in the order that they are stored in."""
    return FACTS, PHOTO, *(part for name in fields for part in (_map(name), mask(name)))


def largest(fields: tuple[str, ...], size: Size) -> tuple[int, ...]:
    """The most bytes that each of `names(fields)` has where the photo has this size."""
    pixels = math.prod(size)
    photo = 4 * pixels + (1 << 16)
    maps = (most for name in fields for most in (4 * FIELDS[name].channels * pixels, math.prod(_packed(size))))
    return _MOST_FACTS, photo, *(HEADER + most for most in maps)


def encode(sample: Sample, split: str, fields: tuple[str, ...]) -> dict[str, bytes]:
    """The members of a sample without a batch dimension, by name; its masks must hold only what is finite."""
    camera = sample.camera and [float(getattr(sample.camera, one.name)) for one in attributes(Camera)]
    parts = {FACTS: as_json({"key": sample.key, "split": split, "camera": camera}), PHOTO: _photo(sample.image)}
    for name in fields:
        valid = sample.valid[name].cpu().numpy()
        parts[_map(name)] = _npy(_stored(FIELDS[name], sample.maps[name].cpu().numpy(), valid))
        parts[mask(name)] = _npy(np.packbits(valid[0], axis=-1))
    return parts


def decode(key: str, parts: Mapping[str, np.ndarray], fields: tuple[str, ...], size: Size) -> Sample:
    """The sample in these members, uint8 [bytes] each. Raises `ValueError` for what is none of this size."""
    maps = {name: _values(FIELDS[name], parts[_map(name)], size) for name in fields}
    valid = {name: _valid(parts[mask(name)], size, name) for name in fields}
    return Sample(key, _pixels(parts[PHOTO], size), maps, valid, _camera(parts[FACTS]))


def _map(name: str) -> str:
    return f"{name}.npy"


def mask(name: str) -> str:
    """The member that holds a field's mask."""
    return f"{name}{MASK}"


def _photo(image: Tensor) -> bytes:
    levels = (image.detach().cpu().clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
    pixels = np.ascontiguousarray(levels.numpy())
    return bytes(imagecodecs.png_encode(pixels, _COMPRESSION, filter=imagecodecs.PNG.FILTER.UP))


def _pixels(content: np.ndarray, size: Size) -> Tensor:
    """The photo, [3, H, W] in 0 to 1."""
    height, width = size
    head = _PNG + struct.pack(">II", width, height) + _RGB
    if content[: len(head)].tobytes() != head:
        raise ValueError(f"{PHOTO} is no 8-bit photo of {width} x {height} pixels")
    pixels = imagecodecs.png_decode(content.tobytes())
    if pixels.shape != (height, width, 3):
        raise ValueError(f"{PHOTO} has other channels than red, green and blue")
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous().float().div_(255)


def _stored(field: Field, values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The numbers of a map in the type that it is stored with."""
    used = np.abs(values).max(initial=0, where=np.broadcast_to(valid, values.shape))
    wide = field.space == "metric" or used > _LARGEST
    with np.errstate(over="ignore"):  # of pixels that are not used
        return values.astype(_WIDE if wide else _NARROW)


def _values(field: Field, content: np.ndarray, size: Size) -> Tensor:
    """A map, [C, H, W] float32; directions of length one, which half precision keeps to a thousandth."""
    shape = field.channels, *size
    kind = next((kind for kind in (_WIDE, _NARROW) if _is_array(content, kind, shape)), None)
    if kind is None:
        raise ValueError(f"{_map(field.name)} is no array of {list(shape)}")
    values = torch.from_numpy(content[HEADER:].view(kind).reshape(shape).astype(np.float32))
    if field.resize != "unit":
        return values
    return values.div_(values.square().sum(dim=0, keepdim=True).sqrt_().clamp_(min=1e-12))


def _valid(content: np.ndarray, size: Size, name: str) -> Tensor:
    """A mask, [1, H, W] bool."""
    if not _is_array(content, "|u1", _packed(size)):
        raise ValueError(f"{mask(name)} is no mask of {size[1]} x {size[0]} pixels")
    bits = np.unpackbits(content[HEADER:].reshape(_packed(size)), axis=-1, count=size[1])
    return torch.from_numpy(bits.view(bool)[None])


def _packed(size: Size) -> tuple[int, int]:
    """The shape of a mask with eight pixels in a byte."""
    return size[0], math.ceil(size[1] / 8)


def _camera(content: np.ndarray) -> Camera | None:
    facts: Any = from_json(content.tobytes())
    numbers = facts.get("camera") if isinstance(facts, dict) else ()
    if numbers is None:
        return None
    floats = isinstance(numbers, list) and all(type(number) is float for number in numbers)
    if not floats or len(numbers) != 4 or not all(map(math.isfinite, numbers)) or min(numbers[:2]) <= 0:
        raise ValueError(f"{FACTS} has no camera of fx, fy, cx, cy in pixels")
    return Camera(*numbers)


def _npy(array: np.ndarray) -> bytes:
    """An array as the content of an NPY file, whose header is the same whatever NumPy writes it."""
    return _head(array.dtype.str, array.shape) + np.ascontiguousarray(array).tobytes()


def _is_array(content: np.ndarray, kind: str, shape: tuple[int, ...]) -> bool:
    size = HEADER + math.prod(shape) * np.dtype(kind).itemsize
    return len(content) == size and content[:HEADER].tobytes() == _head(kind, shape)


def _head(kind: str, shape: tuple[int, ...]) -> bytes:
    """The header of NPY version 1.0 (`numpy.lib.format`), filled with blanks up to `HEADER` bytes."""
    words = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    room = HEADER - len(_NPY) - 2
    return _NPY + struct.pack("<H", room) + words.ljust(room - 1) + b"\n"
