"""The files of a data set as it was downloaded: below a folder, or in one uncompressed tar that nobody has to unpack.

Names are relative to the root, with `/` between folders, and the same for both: a tar made with `tar -cf x.tar .`,
whose names begin with `./`, reads like one without.
"""

import os
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path

from marigold.core.console import printable
from marigold.core.errors import DataError, reason
from marigold.core.reading import open_file, read_bytes

MOST = 1 << 30
"""Bytes that one file of a sample may have."""
_REMEDY = "download it again, or give another --root"
_RESOURCES = "__MACOSX"
"""A folder that a Mac adds to archives."""
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")


class Tree(ABC):
    """Files and folders below a root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @abstractmethod
    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders directly in a folder, sorted; none where there is no such folder."""

    @abstractmethod
    def files(self, folder: str = "") -> list[str]:
        """The names of the files directly in a folder, sorted; none where there is no such folder."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """A file's content. Raises `DataError` naming it when it is missing, cut short or larger than `MOST`."""

    @abstractmethod
    def identity(self, name: str) -> str:
        """A text that changes when the file does, found without reading it. Raises `DataError` when it is missing."""

    @abstractmethod
    def wrapper(self) -> str:
        """The name of the only folder at the root, in which everything may lie; empty where there are none or more."""

    def source(self, name: str) -> "tuple[Tree, str]":
        """The tree that holds a file, and the name that it has there."""
        return self, name

    def where(self, name: str) -> str:
        """What messages call a file."""
        return printable(f"{self.root}/{name}" if name else str(self.root))


def opened(root: Path) -> Tree:
    """The tree at a root; a tar's list of files is read once in a process.

    Raises `DataError` where there is neither a folder nor a tar, and for one that is compressed or damaged.
    """
    if os.path.isdir(root):
        return FolderTree(root)
    with open_file(root, DataError, "give --root the data set's folder, or a tar of it") as file:
        state = os.fstat(file.fileno())
    return _tar(root, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _tar(root: Path, size: int, changed: int) -> "TarTree":
    return TarTree(root, f"{size} {changed}")


class FolderTree(Tree):
    """A tree on the disk."""

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders directly in a folder, sorted."""
        return sorted(entry.name for entry in self._entries(folder) if _is_folder(entry))

    def files(self, folder: str = "") -> list[str]:
        """The names of the files directly in a folder, sorted."""
        return sorted(entry.name for entry in self._entries(folder) if not _is_folder(entry))

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return os.path.isfile(self.root / name)

    def read(self, name: str) -> bytes:
        """A file's content. Raises `DataError`, also for a name that leads out of the folder."""
        if name.startswith("/") or ".." in name.split("/"):
            raise DataError(f"{self.where(name)}: leads out of the folder; correct the list that names it")
        return read_bytes(self.root / name, DataError, _REMEDY, MOST)

    def identity(self, name: str) -> str:
        """Its name, size and time of change. Raises `DataError`."""
        try:
            state = os.stat(self.root / name)
        except (OSError, ValueError) as error:
            words = reason(error) if isinstance(error, OSError) else str(error)
            raise DataError(f"{self.where(name)}: cannot be read ({words}); {_REMEDY}") from error
        return f"{name} {state.st_size} {state.st_mtime_ns}"

    def wrapper(self) -> str:
        """The name of the only folder at the root; looking ends with a second one, as there may be thousands."""
        return _only(entry.name for entry in self._entries("") if entry.name != _RESOURCES and _is_folder(entry))

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            with os.scandir(self.root / folder) as entries:
                yield from (entry for entry in entries if _visible(entry.name))
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError) as error:
            words = reason(error) if isinstance(error, OSError) else str(error)
            raise DataError(f"{self.where(folder)}: cannot be listed ({words}); check its permissions") from error


class TarTree(Tree):
    """A tree in a tar, of which members are read in any order; `state` tells this tar from a later one of its name."""

    def __init__(self, root: Path, state: str) -> None:
        super().__init__(root)
        self._state = state
        self._members: dict[str, tuple[int, int]] = {}  # name => offset and size
        self._folders: dict[str, set[str]] = {}
        self._files: dict[str, list[str]] = {}
        self._scan()

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders directly in a folder, sorted."""
        return sorted(filter(_visible, self._folders.get(_plain(folder), ())))

    def files(self, folder: str = "") -> list[str]:
        """The names of the files directly in a folder, sorted."""
        return sorted(filter(_visible, self._files.get(_plain(folder), ())))

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return _plain(name) in self._members

    def read(self, name: str) -> bytes:
        """A member's content. Raises `DataError`."""
        offset, size = self._member(name)
        if size > MOST:
            raise DataError(f"{self.where(name)}: more than {MOST >> 20} MB, which no file of a sample has; {_REMEDY}")
        try:
            with open_file(self.root, DataError, _REMEDY) as file:
                file.seek(offset)
                content = file.read(size)
        except OSError as error:
            raise DataError(f"{self.where(name)}: cannot be read ({reason(error)}); {_REMEDY}") from error
        if len(content) < size:
            raise DataError(f"{self.where(name)}: cut short; {_REMEDY}")
        return content

    def identity(self, name: str) -> str:
        """Where it lies, and the tar's size and time of change. Raises `DataError`."""
        offset, size = self._member(name)
        return f"{name} {offset} {size} of {self._state}"

    def wrapper(self) -> str:
        """The name of the only folder at the root."""
        return _only(name for name in self.folders() if name != _RESOURCES)

    def _member(self, name: str) -> tuple[int, int]:
        try:
            return self._members[_plain(name)]
        except KeyError:
            raise DataError(f"{self.where(name)}: no such file in the tar; {_REMEDY}") from None

    def _scan(self) -> None:
        with open_file(self.root, DataError, _REMEDY) as file:
            if file.peek(8).startswith(_COMPRESSED):
                raise DataError(f"{self.where('')}: is compressed; unpack it, or make a plain tar, to read it anywhere")
            try:
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    while (member := tar.next()) is not None:
                        tar.members = []  # type: ignore[attr-defined]  # of which it would keep all
                        if member.isreg() and not member.issparse():
                            self._add(_plain(member.name), member.offset_data, member.size)
                        elif member.islnk() and (same := self._members.get(_plain(member.linkname))):
                            self._add(_plain(member.name), *same)
            except (tarfile.TarError, OSError, ValueError, EOFError) as error:
                raise DataError(f"{self.where('')}: no tar that can be read ({error}); {_REMEDY}") from error

    def _add(self, name: str, offset: int, size: int) -> None:
        """Notes a member with its folders; of two with one name the later counts, as in unpacking."""
        folder, _, file = name.rpartition("/")
        if name not in self._members:
            self._files.setdefault(folder, []).append(file)
        self._members[name] = offset, size
        while folder:
            above, _, child = folder.rpartition("/")
            self._folders.setdefault(above, set()).add(child)
            folder = above


def _visible(name: str) -> bool:
    """Not hidden, as what a desktop leaves in a folder is; a Mac's archives have `._NAME` beside each NAME."""
    return not name.startswith(".")


def _only(names: Iterator[str]) -> str:
    """The name, if there is exactly one."""
    first = list(islice(names, 2))
    return first[0] if len(first) == 1 else ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Known from the listing, but for links: a folder may hold thousands of files."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _plain(name: str) -> str:
    """A name without `./` and doubled or trailing slashes."""
    return "/".join(part for part in name.split("/") if part not in ("", "."))
