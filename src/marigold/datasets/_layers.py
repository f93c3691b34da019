"""Several trees as one: a data set that comes in parts, which unpack into folders of their own or stay tars."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.datasets._tree import Tree, opened

Names = Callable[[Tree], Iterable[str]]
"""The names in a tree that are of some kind."""


class Layers(Tree):
    """The files of trees, each below a folder of its tree, as if they lay in one; of two with one name the first."""

    def __init__(self, root: Path, parts: Sequence[tuple[Tree, str]]) -> None:
        super().__init__(root)
        self._parts = parts

    def folders(self, folder: str = "") -> list[str]:
        """The names of the folders directly in a folder, sorted."""
        return sorted({name for tree, top in self._parts for name in tree.folders(_below(top, folder))})

    def files(self, folder: str = "") -> list[str]:
        """The names of the files directly in a folder, sorted."""
        return sorted({name for tree, top in self._parts for name in tree.files(_below(top, folder))})

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return any(tree.has(_below(top, name)) for tree, top in self._parts)

    def read(self, name: str) -> bytes:
        """A file's content. Raises `DataError`."""
        tree, name = self._find(name)
        return tree.read(name)

    def identity(self, name: str) -> str:
        """What its tree says of it. Raises `DataError`."""
        tree, name = self._find(name)
        return tree.identity(name)

    def where(self, name: str) -> str:
        """What messages call a file: its own place where there is such a one."""
        tree, name = self._find(name)
        return tree.where(name)

    def wrapper(self) -> str:
        """That of the first tree."""
        return self._parts[0][0].wrapper()

    def source(self, name: str) -> tuple[Tree, str]:
        """The tree that holds a file, and its name there."""
        tree, name = self._find(name)
        return tree.source(name)

    def _find(self, name: str) -> tuple[Tree, str]:
        for tree, top in self._parts:
            if tree.has(_below(top, name)):
                return tree, _below(top, name)
        tree, top = self._parts[0]
        return tree, _below(top, name)


def layered(root: Path, tops: Names = lambda tree: (), tars: Names = lambda tree: ()) -> Layers:
    """What lies in `root` itself, in those of its folders that are `tops`, and in its `tars`, which may have tops too.

    Where there is a single folder, it may hold everything: the folder above the data set's was given, or a tar made of
    that one. `tops` and `tars` give names that may be there. Raises `DataError`, as `opened` does.
    """
    whole = opened(root)
    packed = [root / name for name in tars(whole)] if os.path.isdir(root) else []
    trees = [whole, *(opened(path) for path in packed if os.path.isfile(path))]
    return Layers(root, [(tree, "") for tree in trees] + [(tree, name) for tree in trees for name in _tops(tree, tops)])


def _tops(tree: Tree, tops: Names) -> Iterator[str]:
    """The folders below which files may lie: `tops`, and the only folder with `tops` of its own."""
    wrapper = tree.wrapper()
    names = [*tops(tree), *([wrapper] if wrapper else [])]
    inner = tops(Layers(tree.root, [(tree, wrapper)])) if wrapper else ()
    yield from dict.fromkeys([*names, *(f"{wrapper}/{name}" for name in inner)])


def all_tars(tree: Tree) -> list[str]:
    """The names of the tars that lie directly in a tree."""
    return [name for name in tree.files() if name.endswith(".tar")]


def each_with(tree: Tree, names: Iterable[str], other: Callable[[str], str], remedy: str) -> list[str]:
    """The names of files that belong together with another. Raises `DataError` for the first whose `other` is missing.

    `other` gives its name; the message ends with `remedy`.
    """
    found, folders = list(names), dict[str, set[str]]()
    for name in found:
        folder, _, file = other(name).rpartition("/")
        if folder not in folders:
            folders[folder] = set(tree.files(folder))
        if file not in folders[folder]:
            raise DataError(f"{tree.where('')}: {printable(name)} has no {printable(other(name))}; {remedy}")
    return found


def text_of(tree: Tree, name: str) -> str:
    """A file of text. Raises `DataError`."""
    try:
        return tree.read(name).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{tree.where(name)}: no text in UTF-8 ({error.reason}); download it again") from error


def _below(top: str, name: str) -> str:
    return f"{top}/{name}" if top and name else top or name
