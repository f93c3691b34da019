"""Which frames of Hypersim there are: their keys, the tables that come with the data, lists of them, missing files."""

import csv
import io
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.datasets import _splits
from marigold.datasets._tree import FolderTree, Tree

SPLITS = ("train", "val", "test")
_NAME = r"[A-Za-z0-9_]+"
SPLIT = re.compile(_NAME)
"""What a split can be called."""
_KEY = re.compile(rf"({_NAME})/({_NAME})/({_NAME})/(\d{{4,6}})")
_PHOTO = re.compile(rf"(?:\./)?(?:({_NAME})/)?({_NAME})/rgb_({_NAME})_fr(\d{{4,6}})\.png")


@dataclass(frozen=True)
class Frame:
    """One rendered image: the `number`-th place of a camera's path through a scene."""

    split: str
    scene: str
    camera: str
    number: int

    @property
    def key(self) -> str:
        """The key, the same in every layout: `train/ai_001_001/cam_00/0003`."""
        return f"{self.split}/{self.scene}/{self.camera}/{self.number:04d}"

    @classmethod
    def of_key(cls, key: str) -> Self | None:
        """The frame of a key, where it is one."""
        if (found := _KEY.fullmatch(key)) is None:
            return None
        split, scene, camera, number = found.groups()
        return cls(split, scene, camera, int(number))

    @classmethod
    def of_photo(cls, name: str, split: str) -> Self | None:
        """The frame of a photo's name as the published preprocessing writes it; `split` where it states none."""
        if (found := _PHOTO.fullmatch(name)) is None:
            return None
        stated, scene, camera, number = found.groups()
        return cls(stated or split, scene, camera, int(number))


class Layout(ABC):
    """How the files of frames are named and stored below a root."""

    tree: Tree

    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """The splits that are there."""

    @abstractmethod
    def frames(self, split: str) -> list[Frame]:
        """The frames of one split in a fixed order, whether or not their files are there."""

    @abstractmethod
    def files(self, frame: Frame, fields: tuple[str, ...]) -> list[str]:
        """The names of all files that are read for the photo and these fields."""

    @abstractmethod
    def settings(self, frame: Frame, fields: tuple[str, ...]) -> str:
        """What else the sample depends on, as text."""

    @abstractmethod
    def read(self, frame: Frame, fields: tuple[str, ...]) -> Sample:
        """The photo with these fields. Raises `DataError`."""


def listed(lists: Mapping[str, Path], split: str) -> list[Frame]:
    """The frames that a split's list names, one photo a line, whatever stands behind it.

    A photo belongs to the split that its folder says or, where none does, to the one that the list is for. Lines whose
    photo is `None`, which the published preprocessing writes for normals that it leaves out, are none. Raises
    `DataError`.
    """
    frames = []
    for name in _splits.rows(lists, split, 1):
        if name == "None":
            continue
        if (frame := Frame.of_photo(name, split)) is None:
            raise DataError(
                f"{lists[split]}: `{printable(name[:200])}` is no photo of Hypersim (SCENE/rgb_CAMERA_frNNNN.png); "
                "give a list of the published training"
            )
        frames.append(frame)
    return frames


class Presence:
    """Whether files are there, by listing every folder once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._folders: dict[str, frozenset[str]] = {}

    def first_missing(self, names: list[str]) -> str:
        """The first of these that is not there; empty where all are."""
        return next((name for name in names if not self._has(name)), "")

    def _has(self, name: str) -> bool:
        folder, _, file = name.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = frozenset(self._tree.files(folder))
        return file in self._folders[folder]


def table(tree: Tree, given: Path, name: str, remedy: str) -> tuple[Tree, str]:
    """Where a table lies that Hypersim keeps apart from its images: as given, at the root, or beside it.

    Raises `DataError` with `remedy` where there is none.
    """
    if given != Path():
        return FolderTree(given.parent), given.name
    for place in (tree, FolderTree(tree.root.absolute().parent)):
        if place.has(name):
            return place.source(name)
    raise DataError(f"{tree.where(name)}: no such file there or beside the root; {remedy}")


def rows(tree: Tree, name: str, columns: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """These columns of every line of a CSV file. Raises `DataError` where there are none."""
    where = tree.where(name)
    try:
        lines = csv.reader(io.StringIO(tree.read(name).decode("utf-8-sig")))
        head = next(lines, [])
        if missing := [column for column in columns if column not in head]:
            raise DataError(f"{where}: has no column {', '.join(missing)}; {_AGAIN}")
        places = [head.index(column) for column in columns]
        for line in lines:
            if not line:
                continue
            if len(line) < len(head):
                raise DataError(f"{where}: line {lines.line_num} has {len(line)} of {len(head)} columns; {_AGAIN}")
            yield tuple(line[place] for place in places)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{where}: no table that can be read ({error}); {_AGAIN}") from error


_AGAIN = "download it again from Hypersim's repository"
