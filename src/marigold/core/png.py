"""PNG files of 8 or 16 bits, grey or RGB, that state their display curve and say in words what they hold.

Pillow writes no colour with 16 bits, and reads no chunk that it does not know. The format: ISO/IEC 15948.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from marigold.core.fields import Space
from marigold.core.files import whole_file

_START = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_UP = 2
"""The row filter that stores each byte's difference to the byte above."""
_COMPRESSION = 3
_LARGEST = 1 << 10
"""Bytes that are kept of a chunk."""
_CURVES = {"srgb": (b"sRGB", b"\0"), "linear": (b"gAMA", struct.pack(">I", 100_000))}


def write_png(
    path: str | Path, levels: np.ndarray, text: Mapping[str, str] | None = None, curve: Space | None = None
) -> None:
    """Writes levels [H, W] or [H, W, 3], uint8 or uint16, in 0 to 255 or 65535. Raises `OutputError`.

    `text` holds Latin-1 words by keyword; other characters become question marks. `curve` "srgb" or "linear" declares
    what light the levels stand for; None declares nothing, as is right for numbers that are no colours.
    """
    with whole_file(path) as file:
        file.write(_START)
        for kind, content in _chunks(levels, text or {}, curve):
            check = zlib.crc32(content, zlib.crc32(kind))
            file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check))


def read_chunks(file: BinaryIO) -> dict[bytes, bytes]:
    """What the chunks of a PNG hold, its pixels left out, by kind; nothing for any other file."""
    file.seek(0)
    found: dict[bytes, bytes] = {}
    if file.read(len(_START)) == _START:
        while len(start := file.read(8)) == 8 and (kind := start[4:]) != b"IEND":
            size = int.from_bytes(start[:4])
            found[kind] = file.read(min(size, _LARGEST)) if kind != b"IDAT" else b""
            file.seek(max(0, size - len(found[kind])) + 4, io.SEEK_CUR)
    return found


def _chunks(levels: np.ndarray, text: Mapping[str, str], curve: Space | None) -> Iterator[tuple[bytes, bytes]]:
    height, width = levels.shape[:2]
    depth, colour = 8 * levels.dtype.itemsize, _GREY if levels.ndim == 2 else _RGB
    yield b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    if curve is not None:
        yield _CURVES[curve]
    for keyword, words in text.items():
        yield b"tEXt", keyword.encode("latin-1", "replace") + b"\0" + words.encode("latin-1", "replace")
    yield b"IDAT", zlib.compress(_filtered(levels).data, _COMPRESSION)
    yield b"IEND", b""


def _filtered(levels: np.ndarray) -> np.ndarray:
    """The rows as bytes, big end first, each after its filter's number: [H, 1 + bytes of a row] uint8."""
    swapped = np.ascontiguousarray(levels, dtype=levels.dtype.newbyteorder(">"))
    rows = swapped.view(np.uint8).reshape(len(levels), -1)
    filtered = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered
