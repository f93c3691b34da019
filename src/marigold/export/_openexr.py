"""OpenEXR files of float32 channels: scan lines, ZIP compression.

The format: openexr.com, "OpenEXR File Layout". Channels are named `layer.channel`; values are stored as they are.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from marigold.core.files import whole_file

_MAGIC, _VERSION, _LONG_NAMES = 20000630, 2, 0x400
_FLOAT, _ZIP, _INCREASING_Y = 2, 3, 0
_LINES = 16
"""Scan lines that are compressed together."""
_LEVEL = 4
_SHORT = 31
"""Longer names than this need a flag in the header."""


def write_openexr(path: str | Path, channels: Mapping[str, np.ndarray], words: Mapping[str, str]) -> None:
    """Writes channels [H, W], float32, by name, and words as string attributes. Raises `OutputError`."""
    ordered = {name: channels[name] for name in sorted(channels, key=_utf8)}
    pixels = np.stack([np.asarray(values, "<f4") for values in ordered.values()], axis=1)  # [H, channels, W]
    height, _, width = pixels.shape
    header = _header(list(ordered), width, height, words)
    blocks = [_block(pixels[start : start + _LINES]) for start in range(0, height, _LINES)]
    place = len(header) + 8 * len(blocks)
    with whole_file(path) as file:
        file.write(header)
        for block in blocks:
            file.write(struct.pack("<Q", place))
            place += 8 + len(block)
        for number, block in enumerate(blocks):
            file.write(struct.pack("<ii", number * _LINES, len(block)) + block)


def _header(names: list[str], width: int, height: int, words: Mapping[str, str]) -> bytes:
    window = struct.pack("<iiii", 0, 0, width - 1, height - 1)
    channel = struct.pack("<iB3xii", _FLOAT, 0, 1, 1)
    attributes = {name: ("string", _utf8(value)) for name, value in words.items()} | {
        "channels": ("chlist", b"".join(_text(name) + channel for name in names) + b"\0"),
        "compression": ("compression", bytes([_ZIP])),
        "dataWindow": ("box2i", window),
        "displayWindow": ("box2i", window),
        "lineOrder": ("lineOrder", bytes([_INCREASING_Y])),
        "pixelAspectRatio": ("float", struct.pack("<f", 1)),
        "screenWindowCenter": ("v2f", struct.pack("<ff", 0, 0)),
        "screenWindowWidth": ("float", struct.pack("<f", 1)),
    }
    longest = max(len(_utf8(name)) for name in (*names, *words))
    version = _VERSION | (_LONG_NAMES if longest > _SHORT else 0)
    return struct.pack("<ii", _MAGIC, version) + b"".join(_attributes(attributes)) + b"\0"


def _attributes(attributes: Mapping[str, tuple[str, bytes]]) -> Iterator[bytes]:
    for name, (kind, value) in attributes.items():
        yield _text(name) + _text(kind) + struct.pack("<i", len(value)) + value


def _text(words: str) -> bytes:
    return _utf8(words) + b"\0"


def _utf8(words: str) -> bytes:
    return words.encode("utf-8", "backslashreplace")


def _block(lines: np.ndarray) -> bytes:
    """Lines [at most 16, channels, W] as the format stores them: compressed where that is shorter.

    Before compression the even bytes come first, then the odd ones, each as its difference to the one before plus 128.
    """
    plain = np.ascontiguousarray(lines).view(np.uint8).ravel()
    parted = np.concatenate([plain[0::2], plain[1::2]])
    parted[1:] = parted[1:] - parted[:-1] + np.uint8(128)
    packed = zlib.compress(parted.data, _LEVEL)
    return packed if len(packed) < plain.size else plain.tobytes()
