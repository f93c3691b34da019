"""PNG files of any depth, written here byte by byte, as no library that the readers use has a say in them."""

import struct
import zlib
from pathlib import Path

import numpy as np


def png(path: Path, samples: np.ndarray) -> None:
    """A PNG of [H, W] or [H, W, 3], uint8 or uint16 (PNG specification, sections 5 and 11.2.1)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = samples.shape[:2]
    colour = 2 if samples.ndim == 3 else 0
    head = struct.pack(">IIBBBBB", width, height, 8 * samples.itemsize, colour, 0, 0, 0)
    rows = samples.astype(f">u{samples.itemsize}")
    content = b"".join(b"\0" + row.tobytes() for row in rows)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(content)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
