"""PNG files of 8 or 16 bits, grey or RGB, that state their display curve and say in words what they hold.

Pillow writes no colour with 16 bits, and reads no chunk that it does not know. The format: ISO/IEC 15948.
"""

import io
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np

from marigold.core.fields import Space
from marigold.core.files import whole_file

_START = b"\x89PNG\r\n\x1a\n"
_HEADER_END = 33
"""Bytes of the start and of the chunk IHDR, after which the others may stand."""
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
    extra = [_CURVES[curve]] if curve is not None else []
    extra += [(b"tEXt", _latin(keyword) + b"\0" + _latin(words)) for keyword, words in (text or {}).items()]
    # Each byte is stored as its difference to the byte above.
    whole = imagecodecs.png_encode(np.ascontiguousarray(levels), _COMPRESSION, filter=imagecodecs.PNG.FILTER.UP)
    with whole_file(path) as file:
        file.write(whole[:_HEADER_END])
        for kind, content in extra:
            check = zlib.crc32(content, zlib.crc32(kind))
            file.write(struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check))
        file.write(whole[_HEADER_END:])


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


def _latin(words: str) -> bytes:
    return words.encode("latin-1", "replace")
