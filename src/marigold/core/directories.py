"""The directories of a TIFF, walked before a library reads them: not too many, not too large, not in circles.

The format: TIFF 6.0; BigTIFF has the same parts with longer numbers.
"""

import os
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from marigold.core.errors import ImageError

MOST_PAGES = 1 << 12
"""Directories of a file."""
MOST_PARTS = 1 << 20
"""Strips or tiles of a picture; the smallest that the standard allows, 16 x 16, are 700 000 in 178 megapixels."""
MOST_VALUES = 1 << 18
"""Numbers of any other entry; the tables of 16-bit palettes have 196 608."""
MOST_ENTRIES = 1 << 12

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type."""
_PLACES = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_BYTES = (1, 2, 6, 7)
_PARTS = (273, 279, 324, 325)
_SHARED = 1 << 24
"""Bytes of values that several directories may share."""
_BELOW, _LABELS = 330, (34665, 34853, 40965)


def check_directories(file: BinaryIO) -> None:
    """Raises `ImageError` for directories that take more time or memory than those of a photo. Leaves at the start."""
    _Walk(file).run()
    file.seek(0)


@dataclass
class _Walk:
    file: BinaryIO
    seen: set[int] = field(default_factory=set)
    size: int = 0
    """Bytes of all values that stand outside of their entries."""
    parts: int = 0
    """Places and lengths of all strips and tiles."""

    def run(self) -> None:
        self.file.seek(0)
        head = self.file.read(16)
        self.order = "<" if head[:1] == b"I" else ">"
        self.large = head[2:4] in (b"\x2b\0", b"\0\x2b")
        self.most = os.fstat(self.file.fileno()).st_size
        place = self._number("Q" if self.large else "I", head[8:16] if self.large else head[4:8])
        while place:
            place, below = self._directory(place)
            while below:  # whose own links to others count for no one
                below.extend(self._directory(found)[1] if (found := below.pop()) else ())

    def _directory(self, place: int) -> tuple[int, list[int]]:
        """The directory behind the one at this place, and those below it; what is cut short leads nowhere."""
        if place in self.seen:
            raise ImageError("a TIFF whose directories lead in circles; save it again")
        self.seen.add(place)
        if len(self.seen) > MOST_PAGES:
            raise ImageError(f"a TIFF of more than {MOST_PAGES} pages; save the one that is the photo as a file")
        if place >= self.most:
            return 0, []
        self.file.seek(place)
        count = self._number("Q" if self.large else "H", self.file.read(8 if self.large else 2))
        if count > MOST_ENTRIES:
            raise ImageError(f"a TIFF with a directory of {count} entries, more than {MOST_ENTRIES}; save it again")
        entry = struct.Struct(self.order + ("HHQ8s" if self.large else "HHI4s"))
        table = self.file.read(count * entry.size)
        following = self._number("Q" if self.large else "I", self.file.read(8 if self.large else 4))
        whole = table[: len(table) // entry.size * entry.size]
        below = [place for row in entry.iter_unpack(whole) for place in self._entry(*row)]
        return following, below

    def _entry(self, code: int, kind: int, count: int, value: bytes) -> list[int]:
        """Checks an entry; the directories that it names."""
        most = MOST_PARTS if code in _PARTS else MOST_PAGES if code == _BELOW else MOST_VALUES
        if kind not in _BYTES and count > most:
            what = "strips or tiles" if code in _PARTS else f"numbers in the entry {code}"
            raise ImageError(f"a TIFF of {count} {what}, more than {most}; save it again")
        size = _SIZES.get(kind, 0) * count
        self.parts += count if code in _PARTS else 0
        self.size += size if size > len(value) else 0
        if self.parts > 4 * MOST_PARTS or size <= self.most < self.size - _SHARED:
            raise ImageError("a TIFF with more in its directories than a photo has; save it again")
        if code not in (_BELOW, *_LABELS) or kind not in _PLACES:
            return []
        if size > len(value):
            self.file.seek(min(self._number("Q" if self.large else "I", value), self.most))
            value = self.file.read(size)
        count = min(count, len(value) // _SIZES[kind])
        places = struct.unpack(f"{self.order}{count}{_PLACES[kind]}", value[: count * _SIZES[kind]])
        # Labels may be shared.
        return [place for place in places if place and (code == _BELOW or place not in self.seen)]

    def _number(self, kind: str, content: bytes) -> int:
        return struct.unpack(self.order + kind, content)[0] if len(content) == struct.calcsize(kind) else 0
