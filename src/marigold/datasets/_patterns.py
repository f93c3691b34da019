"""Paths with stars: `rgb/*.jpg` beside `depth/*.png`, where each `*` stands for the same in all of a sample's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from marigold.core.config import require
from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.reading import read_bytes
from marigold.datasets._tree import Tree

_MOST = 256 << 20
"""Bytes of a list."""


@dataclass(frozen=True)
class Pattern:
    """A path relative to a folder; in each of its parts at most one `*`, which stands for some characters but `/`."""

    path: str

    def check(self, name: str, endings: Sequence[str], beside: "Pattern | None" = None) -> None:
        """Raises `ConfigError` with the setting's name for what is no pattern, or does not fit that of the photos."""
        parts = self.path.split("/")
        plain = all(part not in ("", ".", "..") and part.count("*") <= 1 for part in parts)
        wanted = "a path below the root with `*` for what differs, one at most in the name of a folder or file"
        require(plain and "*" in self.path, name, self.path, wanted)
        require(self.path.lower().endswith(tuple(endings)), name, self.path, f"one of {', '.join(endings)}")
        if beside is not None:
            count = beside.path.count("*")
            require(self.path.count("*") == count, name, self.path, f"with {count} `*`, as the photos {beside.path}")
            require(self.path != beside.path, name, self.path, "another pattern than that of the photos")

    def keys(self, tree: Tree) -> list[str]:
        """What the stars of every file of this pattern stand for, joined by `/`; in alphabetical order."""
        *folders, file = self.path.split("/")
        found: list[tuple[str, tuple[str, ...]]] = [("", ())]  # folder, and what its stars stand for
        for part in folders:
            found = [
                (f"{above}/{name}" if above else name, words + word)
                for above, words in found
                for name, word in _matches(part, tree.folders(above) if "*" in part else [part])
            ]
        return sorted("/".join(words + word) for above, words in found for _, word in _matches(file, tree.files(above)))

    def file(self, key: str) -> str:
        """The path of a sample's file. Raises `DataError` for a key that is none of this pattern."""
        words, (first, *others) = key.split("/"), self.path.split("*")
        if len(words) != len(others) or not {"", ".", ".."}.isdisjoint(words):
            raise DataError(f"{printable(key)}: no sample of {self.path}; scan the data set again")
        return first + "".join(word + other for word, other in zip(words, others, strict=True))


def complete(tree: Tree, photos: Pattern, maps: Mapping[str, Pattern]) -> list[str]:
    """The keys of all photos, each of which has its maps, in alphabetical order.

    A file that is a map by its name is no photo: `*.png` may lie beside `*_depth.png`. Raises `DataError` where no
    photo is found, or one lacks a map.
    """
    there = {name: set(pattern.keys(tree)) for name, pattern in maps.items()}
    taken = {maps[name].file(key) for name, keys in there.items() for key in keys}
    keys = [key for key in photos.keys(tree) if photos.file(key) not in taken]
    if not keys:
        raise DataError(f"{tree.root}: no photo is called {photos.path}; correct `image` or the root")
    for name, known in there.items():
        if missing := [key for key in keys if key not in known]:
            others = f", nor have {len(missing) - 1} others theirs" if len(missing) > 1 else ""
            file, photo = maps[name].file(missing[0]), printable(photos.file(missing[0]))
            remedy = f"add what is missing, take the photos away, or correct `{name}`"
            raise DataError(f"{tree.root}: {photo} has no {name} {printable(file)}{others}; {remedy}")
    return keys


def chosen(keys: Sequence[str], photos: Pattern, path: Path) -> list[str]:
    """Those of the keys that a text file names, a line for each: the key, or the photo's path below the root.

    Raises `DataError` for a name of no sample and for an empty list.
    """
    known = {**{photos.file(key): key for key in keys}, **{key: key for key in keys}}
    try:
        lines = read_bytes(path, DataError, "correct `lists`", _MOST).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: no text in UTF-8 ({error.reason}); correct `lists`") from error
    names = [line.strip().removeprefix("./") for line in lines if line.strip()]
    if unfound := [name for name in names if name not in known]:
        remedy = f"write a line as {next(iter(keys))} or {photos.file(next(iter(keys)))}"
        raise DataError(f"{path}: {printable(unfound[0][:200])} is no sample; {printable(remedy)}")
    if not names:
        raise DataError(f"{path}: names no sample; write one a line")
    return list(dict.fromkeys(known[name] for name in names))


def apart(splits: dict[str, list[str]], lists: Mapping[str, Path]) -> dict[str, list[str]]:
    """The keys of each split, themselves. Raises `DataError` for a key of two of them, which would not be held out."""
    of: dict[str, str] = {}
    for split, keys in splits.items():
        for key in keys:
            if (other := of.setdefault(key, split)) != split:
                told = f"{lists[split]}: {key} is in {lists[other]} too"
                raise DataError(f"{printable(told)}, and no sample may be of two splits; take it out of one")
    return splits


def _matches(part: str, names: list[str]) -> list[tuple[str, tuple[str, ...]]]:
    """The names that fit a part of a pattern, each with what its star stands for."""
    before, star, after = part.partition("*")
    if not star:
        return [(name, ()) for name in names if name == part]
    least = len(before) + len(after)
    fits = [name for name in names if len(name) > least and name.startswith(before) and name.endswith(after)]
    return [(name, (name[len(before) : len(name) - len(after)],)) for name in fits]
