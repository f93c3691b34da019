"""A data set that does what data sets of others may do wrong."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch

from marigold.core.errors import ImageError, MissingExtraError
from marigold.core.sample import Camera, Sample
from marigold.datasets.base import Dataset, DatasetCard


class TwoPartsError(Exception):
    """Cannot be made again from its arguments, as unpickling does."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one}\n\x1b[2J{other}")


class MuteError(Exception):
    """Cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


def _fail(error: BaseException) -> None:
    raise error


FAILURES = {
    "key": lambda: {}["depth"],
    "system": lambda: _fail(OSError(5, "Input/output error")),
    "value": lambda: _fail(ValueError("x" * 10_000)),
    "memory": lambda: _fail(MemoryError()),
    "two parts": lambda: _fail(TwoPartsError("one", "other")),
    "mute": lambda: _fail(MuteError()),
    "photo": lambda: _fail(ImageError("a.jpg: damaged; copy it again")),
    "library": lambda: _fail(MissingExtraError("h5py", "all", "reading")),
    "exit": lambda: sys.exit(3),
    "recursion": lambda: _fail(RecursionError("maximum recursion depth exceeded")),
    "torch": lambda: torch.zeros(2) + torch.zeros(3),
    "dies": lambda: os.kill(os.getpid(), 9),
}


def sample(how: str = "", key: object = "key") -> object:
    """What `read` returns: a sample of 8 x 8 pixels, spoilt in one way."""
    image, depth = torch.full((3, 8, 8), 0.5), torch.ones(1, 8, 8)
    valid, camera = torch.ones(1, 8, 8, dtype=torch.bool), None
    spoilt = {
        "image nan": {"image": image * torch.nan},
        "image 255": {"image": image * 255},
        "image bytes": {"image": image.byte()},
        "image flat": {"image": image[0]},
        "image empty": {"image": image[:, :0]},
        "image meta": {"image": image.to("meta")},
        "image array": {"image": image.numpy()},
        "depth shape": {"depth": depth[..., :7]},
        "depth channels": {"depth": depth.expand(3, 8, 8)},
        "depth complex": {"depth": depth + 1j},
        "depth sparse": {"depth": depth.to_sparse()},
        "mask float": {"valid": valid.float()},
        "mask shape": {"valid": valid[0]},
        "camera": {"camera": Camera("wide", 1, 2, 3)},  # pyright: ignore[reportArgumentType]
        "focal": {"camera": Camera(0.0, 1.0, 2.0, 3.0)},
        "no text": {"key": 7},
    }.get(how, {})
    parts = {"key": key, "image": image, "depth": depth, "valid": valid, "camera": camera, **spoilt}
    masks = {} if how == "no mask" else {"depth": parts["valid"]}
    made = Sample(parts["key"], parts["image"], {"depth": parts["depth"]}, masks, parts["camera"])
    return (made.image, made.maps) if how == "tuple" else made


SPOILT = [
    *("image nan", "image 255", "image bytes", "image flat", "image empty", "image meta", "image array", "depth shape"),
    *("depth channels", "depth complex", "depth sparse", "mask float", "mask shape", "camera", "focal", "no text"),
    *("no mask", "tuple"),
]


@dataclass(frozen=True)
class Misbehaving(Dataset):
    """The key says what happens when it is read."""

    keys: object = ("good",)
    card: DatasetCard = field(default=DatasetCard(("depth",), ("train", "test"), "CC0-1.0", "closed form"), init=False)

    def scan(self, root: Path, split: str):
        return self.keys() if callable(self.keys) else self.keys

    def read(self, root: Path, key: str):
        if key in FAILURES:
            FAILURES[key]()
        return sample(key.partition("/")[0], key)
