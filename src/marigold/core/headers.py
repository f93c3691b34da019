"""What is looked at in a file before a library opens it: its length, scans and boxes.

JPEG: ITU-T T.81; JPEG 2000: ISO/IEC 15444-1; AVIF: ISO/IEC 23000-22.
"""

import os
import re
from typing import BinaryIO

from marigold.core.errors import ImageError
from marigold.core.profiles import MOST_OF_PROFILE, Stated, coded

MOST_WHOLE = 1 << 29
"""Bytes of a file in a format that is read as a whole before its size is known."""
MOST_SCANS = 256
"""Scans of a JPEG, each of which passes over the whole picture; usual are 1 to 10."""
MOST_LABELS = 64
"""EXIF segments of a JPEG, of which there is one."""
MOST_MARKERS = 1 << 14

_WHOLE = re.compile(rb"RIFF|.{4}ftyp|.{4}jP  |\xff\x4f\xff\x51", re.DOTALL)
_JPEG = b"\xff\xd8\xff"
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_LABEL = b"Exif\0\0"
_SCAN, _END = 0xDA, 0xD9
_PNM, _COMMENT = re.compile(rb"P[0-9fy]"), re.compile(rb"#[^\r\n]*([\r\n]|$)")
_BLOCK = 1 << 16


def check_header(file: BinaryIO, head: bytes) -> None:
    """Raises `ImageError` for a file that is too long for its format, or takes too long to decode."""
    size = os.fstat(file.fileno()).st_size
    if _WHOLE.match(head) and size > MOST_WHOLE:
        raise ImageError(f"{size >> 20} MB, more than a photo in its format has; save it again")
    if head.startswith(_JPEG):
        check_scans(file)
    if _PNM.match(head) and len(_COMMENT.sub(b" ", head).split(None, 3)) < 3:
        raise ImageError("a header without an end; save it again")
    file.seek(0)


def check_scans(file: BinaryIO) -> None:
    """Raises `ImageError` for a JPEG that passes over its picture, or says how it was taken, too often."""
    place, scans, labels, block, start = 2, 0, 0, b"", 0
    for _ in range(MOST_MARKERS):
        while True:
            if not start <= place < start + len(block) - 4:
                file.seek(place)
                start, block = place, file.read(_BLOCK)
            if found := _MARKER.search(block, place - start):
                break
            if len(block) < _BLOCK:
                return
            place = start + len(block) - 1
        marker, place = found[0][1], start + found.start() + 2
        scans += marker == _SCAN
        if marker == _END:
            return
        if scans > MOST_SCANS or labels > MOST_LABELS:
            raise ImageError(f"a JPEG of more than {MOST_SCANS} scans or {MOST_LABELS} labels; save it again")
        file.seek(place)
        opening = file.read(8)
        labels += opening.endswith(_LABEL)
        place += max(2, int.from_bytes(opening[:2]))
    raise ImageError(f"a JPEG of more than {MOST_MARKERS} parts; save it again")


def boxed_profile(file: BinaryIO, head: bytes) -> bytes | Stated | None:
    """What the first `colr` box of an AVIF or JPEG 2000 file says of its colours; `head` is how the file starts."""
    place = head.find(b"colr")
    if place < 4 or head[4:8] not in (b"ftyp", b"jP  "):
        return None
    file.seek(place + 4)
    content = file.read(min(max(0, int.from_bytes(head[place - 4 : place]) - 8), MOST_OF_PROFILE + 4))
    if content.startswith(b"nclx"):
        return coded(int.from_bytes(content[4:6]), int.from_bytes(content[6:8]))
    return content[3:] if content.startswith(b"\2") else None
