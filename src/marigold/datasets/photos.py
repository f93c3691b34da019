"""A folder of plain photographs, for pretraining: random crops and no physical maps."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import ClassVar, overload

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core import seeds
from marigold.core.config import require
from marigold.core.errors import DataError
from marigold.core.files import reason
from marigold.core.images import read_image
from marigold.core.limits import SIDE
from marigold.core.sample import Sample
from marigold.datasets.base import Dataset, DatasetCard

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
CROPS = 4096
"""Different crops of one photo before they repeat."""
CACHED = 2 << 30
"""Bytes of photos that are kept, so that the crops of one do not read it again."""


@dataclass(frozen=True)
class Crops(Sequence[str]):
    """The keys `photo#crop` of photos, made when they are asked for: the photos, again and again."""

    names: tuple[str, ...]
    places: range

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> "Crops": ...

    def __getitem__(self, place: int | slice) -> "str | Crops":
        if isinstance(place, slice):
            return replace(self, places=self.places[place])
        crop, photo = divmod(self.places[place], len(self.names))
        return f"{self.names[photo]}#{crop}"


@dataclass(frozen=True)
class Photos(Dataset):
    """Random crops of photographs; every tenth photo is held out as the `test` split, centre-cropped once."""

    pooled: ClassVar[bool] = True
    height: int = 256
    """Height of the crops in pixels."""
    width: int = 256
    """Width of the crops in pixels."""
    seed: int = 0
    """Another seed draws other crops."""
    largest: float = 1.0
    """The largest crop, as a fraction of the largest window of this aspect ratio."""
    smallest: float = 0.35
    """The smallest crop, likewise."""
    card: DatasetCard = field(
        default=DatasetCard((), ("train", "test"), "as the folder's owner states", "a folder of photographs"),
        init=False,
    )

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            value = getattr(self, name)
            require(1 <= value <= SIDE, name, value, f"1 to {SIDE} pixels")
        require(0 < self.smallest <= 1, "smallest", self.smallest, "above 0 and at most 1")
        require(self.smallest <= self.largest <= 1, "largest", self.largest, "at least `smallest` and at most 1")

    def scan(self, root: Path, split: str) -> Crops:
        """`file#crop` keys; a photo's crops are spread over the whole range."""
        files = sorted(name for name in _listed(root) if Path(name).suffix.lower() in ENDINGS)
        chosen = [name for position, name in enumerate(files) if (position % 10 == 9) == (split == "test")]
        if not chosen:
            raise DataError(
                f"{root}: no photographs for the split `{split}`; put at least ten .jpg or .png files there"
            )
        return Crops(tuple(chosen), range(len(chosen) * (1 if split == "test" else CROPS)))

    def read(self, root: Path, key: str) -> Sample:
        """One crop at this data set's size."""
        name, _, crop = key.rpartition("#")
        photo = _photos.read(root / name)
        position = torch.rand(3, generator=seeds.stream(self.seed, "crop", key))
        if crop == "0":
            position = torch.tensor([1.0, 0.5, 0.5])
        return Sample(key, self._crop(photo, *position.tolist()), {}, {})

    def _crop(self, photo: Tensor, scale: float, down: float, across: float) -> Tensor:
        full_height, full_width = photo.shape[-2:]
        window = min(full_height / self.height, full_width / self.width)
        window = max(window * (self.smallest + (self.largest - self.smallest) * scale), 1e-6)
        height, width = max(1, int(self.height * window)), max(1, int(self.width * window))
        top, left = int((full_height - height) * down), int((full_width - width) * across)
        cut = photo[None, :, top : top + height, left : left + width].float() / 255
        return F.interpolate(cut, (self.height, self.width), mode="bilinear", antialias=True)[0]


def _listed(root: Path) -> list[str]:
    try:
        with os.scandir(root) as entries:
            return [entry.name for entry in entries if not os.path.isdir(entry.path)]
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a name with a zero byte is a ValueError
        return []
    except OSError as error:
        raise DataError(f"{root}: this folder cannot be listed ({reason(error)}); check its permissions") from error


class _Cache:
    """The photos that were read last, as uint8, of at most `CACHED` bytes together."""

    def __init__(self) -> None:
        self._photos: OrderedDict[Path, Tensor] = OrderedDict()
        self._lock = Lock()

    def read(self, path: Path) -> Tensor:
        """The photo [3, H, W]. Raises `ImageError`."""
        with self._lock:
            if path in self._photos:
                self._photos.move_to_end(path)
                return self._photos[path]
        photo = (read_image(path) * 255).round().to(torch.uint8)
        with self._lock:
            self._photos[path] = photo
            while sum(kept.nbytes for kept in self._photos.values()) > CACHED:
                self._photos.popitem(last=False)
        return photo


_photos = _Cache()
