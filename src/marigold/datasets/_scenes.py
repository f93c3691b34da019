"""Benchmarks whose scenes are folders of photos with a depth map each, and which have a published list of pairs."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.find import unknown
from marigold.datasets import _splits
from marigold.datasets._layers import each_with
from marigold.datasets._tree import Tree
from marigold.datasets.base import Dataset, DatasetCard


@dataclass(frozen=True)
class Scenes(Dataset):
    """Photos are found in the folders of the scenes, or by a list."""

    lists: dict[str, Path] = field(default_factory=dict)
    """A list of `photo depth` lines for each split; when left out, the published one if it lies in the root."""

    published: ClassVar[Mapping[str, str]]
    """The file of the published list, by split."""
    folder: ClassVar[str]
    """Where a scene has its photos."""
    remedy: ClassVar[str]
    """What to do about a photo without depth."""

    @abstractmethod
    def opened(self, root: Path) -> Tree:
        """The tree whose folders are scenes."""

    @abstractmethod
    def photos(self, names: list[str]) -> list[str]:
        """The photos among the files of a scene's folder, in order."""

    @abstractmethod
    def depth_of(self, photo: str) -> str:
        """The name of a photo's depth."""

    def card_of(self, root: Path) -> DatasetCard:
        """The splits are those of the lists, where there are any."""
        return replace(self.card, splits=tuple(self._lists(root)) or self.card.splits)

    def scan(self, root: Path, split: str) -> list[str]:
        """The names of the photos. Raises `DataError` where there is none, and for one without depth."""
        if lists := self._lists(root):
            return list(_splits.rows(lists, split, 2))
        if split not in self.card.splits:
            raise DataError(f"{root}: {unknown('split', printable(split), self.card.splits)}")
        tree = self.opened(root)
        folders = [f"{scene}/{self.folder}" for scene in tree.folders()]
        names = [f"{folder}/{name}" for folder in folders for name in self.photos(tree.files(folder))]
        if not names:
            told = f"no photo in SCENE/{self.folder}; give the folder that holds the scenes, or `lists`"
            raise DataError(f"{root}: {told}")
        return each_with(tree, names, self.depth_of, self.remedy)

    def identity(self, root: Path, key: str) -> str:
        """Of the settings and both files."""
        tree = self.opened(root)
        return " ".join([repr(self), tree.identity(key), tree.identity(self.partner(root, key))])

    def partner(self, root: Path, key: str) -> str:
        """The name of a sample's depth, by its list where there is one."""
        lists = self._lists(root)
        return _splits.row(lists, key, 2)[1] if lists else self.depth_of(key)

    def _lists(self, root: Path) -> Mapping[str, Path]:
        return _splits.published(self.lists, root, self.published)
