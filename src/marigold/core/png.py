"""PNG files of 8 or 16 bits, grey or RGB, that state their display curve and say in words what they hold.

Pillow writes no colour with 16 bits, and reads no chunk that it does not know. The format: ISO/IEC 15948.
"""

import io
import struct
import zlib
from bisect import bisect_right
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np

from marigold.core.errors import ImageError
from marigold.core.fields import Space
from marigold.core.files import whole_file
from marigold.core.profiles import MOST_OF_PROFILE

_START = b"\x89PNG\r\n\x1a\n"
_COMPRESSION = 1
"""Of libdeflate; files are as small as zlib makes them with 3, in a third of the time."""
_UP = 2
"""The filter that stores each byte as its difference to the byte above."""
_COLOURS = {2: 0, 3: 2}
"""The colour type of levels [H, W] and [H, W, 3]."""
_PART = 1 << 24
"""Bytes of pixels in one chunk."""
_LARGEST = 1 << 10
"""Bytes that are kept of a chunk."""
_MOST_CHUNKS = 1 << 18
_MOST_OTHERS = 10_000
"""Chunks that hold no pixels."""
_MOST_WORDS = 1 << 20
"""Bytes that a label has when it is unpacked; Pillow refuses more."""
_MOST_LABELS = 8
_PIXELS = (b"IDAT", b"fdAT")
_LOOKS = {*_PIXELS, *(b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"eXIf", b"acTL", b"fcTL", b"IEND")}
"""Chunks that say how the picture looks."""
_WORDS = (b"tEXt", b"zTXt", b"iTXt")
_LABELS = (b"Raw profile type exif", b"exif", b"XML:com.adobe.xmp")
_CURVES = {"srgb": (b"sRGB", b"\0"), "linear": (b"gAMA", struct.pack(">I", 100_000))}


def write_png(
    path: str | Path, levels: np.ndarray, text: Mapping[str, str] | None = None, curve: Space | None = None
) -> None:
    """Writes levels [H, W] or [H, W, 3], uint8 or uint16, in 0 to 255 or 65535. Raises `OutputError`.

    `text` holds Latin-1 words by keyword; other characters become question marks. `curve` "srgb" or "linear" declares
    what light the levels stand for; None declares nothing, as is right for numbers that are no colours.
    """
    height, width = levels.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, 8 * levels.itemsize, _COLOURS[levels.ndim], 0, 0, 0)
    extra = [_CURVES[curve]] if curve is not None else []
    extra += [(b"tEXt", _latin(keyword) + b"\0" + _latin(words)) for keyword, words in (text or {}).items()]
    pixels = memoryview(imagecodecs.deflate_encode(_filtered(levels).tobytes(), _COMPRESSION, raw=False))
    parts = [(b"IDAT", pixels[start : start + _PART]) for start in range(0, len(pixels), _PART)]
    with whole_file(path) as file:
        file.write(_START)
        for kind, content in ((b"IHDR", header), *extra, *parts, (b"IEND", b"")):
            file.write(struct.pack(">I", len(content)) + kind)
            file.write(content)
            file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))))


def _filtered(levels: np.ndarray) -> np.ndarray:
    """Rows of bytes [H, 1 + bytes of a row], uint8: after the filter's number each byte's difference to that above."""
    wide = levels.astype(levels.dtype.newbyteorder(">"), copy=False).reshape(len(levels), -1)
    rows = np.ascontiguousarray(wide).view(np.uint8)
    filtered = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])
    return filtered


class Chunks(dict[bytes, bytes]):
    """What the chunks of a PNG hold, by kind: their first bytes, and of pixels none. Empty for any other file."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[int, int]] = []
        """Start and length of the parts that say how the picture looks."""
        self.place_of_profile: tuple[int, int] = (0, 0)

    def without_words(self, file: BinaryIO) -> BinaryIO:
        """The file without what says nothing of the picture, and without its profile; any other file itself."""
        file.seek(0)
        return io.BufferedReader(_Parts(file, self.kept)) if self.kept else file

    def profile(self, file: BinaryIO) -> bytes | None:
        """The ICC profile, of at most a byte more than is used of one; None when there is none or it is damaged."""
        file.seek(self.place_of_profile[0])
        _, _, content = file.read(min(self.place_of_profile[1], 2 * MOST_OF_PROFILE)).partition(b"\0")
        return _inflated(content[1:], MOST_OF_PROFILE + 1) or None


def read_chunks(file: BinaryIO) -> Chunks:
    """The chunks of a PNG. Raises `ImageError` for more than any photo has."""
    file.seek(0)
    found, others, words = Chunks(), 0, 0
    if file.read(len(_START)) != _START:
        return found
    place = len(_START)
    found.kept.append((0, place))
    for _ in range(_MOST_CHUNKS):
        if len(start := file.read(8)) < 8:
            return found
        size, kind = int.from_bytes(start[:4]), start[4:]
        others += kind not in _PIXELS
        found[kind] = file.read(min(size, _LARGEST)) if kind not in _PIXELS else b""
        if kind == b"iCCP":
            found.place_of_profile = place + 8, size
        is_label = kind in _WORDS and words < _MOST_LABELS and _is_label(file, place + 8, size, kind)
        words += is_label
        if kind in _LOOKS or is_label:
            found.kept.append((place, size + 12))
        if kind == b"IEND":
            found.pop(kind)
            return found
        if others > _MOST_OTHERS:
            break
        place += size + 12
        file.seek(place)
    raise ImageError("a PNG of more chunks than a photo has; save it again")


class _Parts(io.RawIOBase):
    """Parts of a file as one."""

    def __init__(self, file: BinaryIO, parts: list[tuple[int, int]]) -> None:
        self._file, self._parts = file, parts
        self._ends = list(accumulate(size for _, size in parts))
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._ends[-1]}[whence]
        self._place = max(0, base + offset)
        return self._place

    def readinto(self, buffer: Any) -> int:
        number = bisect_right(self._ends, self._place)
        if number == len(self._ends):
            return 0
        start, size = self._parts[number]
        left = self._ends[number] - self._place
        self._file.seek(start + size - left)
        content = self._file.read(min(len(buffer), left))
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)


def _is_label(file: BinaryIO, place: int, size: int, kind: bytes) -> bool:
    """Whether a chunk of words is one that says how the picture is to be turned, and no larger than such are."""
    if size > _MOST_WORDS:
        return False
    file.seek(place)
    name, _, content = file.read(size).partition(b"\0")
    if name not in _LABELS:
        return False
    if kind == b"iTXt":
        content = content[2:].split(b"\0", 2)[-1] if content[:1] == b"\1" else b""
    return kind == b"tEXt" or len(_inflated(content[1:] if kind == b"zTXt" else content, _MOST_WORDS)) < _MOST_WORDS


def _inflated(content: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(content, most)
    except zlib.error:
        return b""


def _latin(words: str) -> bytes:
    return words.encode("latin-1", "replace")
