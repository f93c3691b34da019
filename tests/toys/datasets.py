"""A tiny folder of every data set that needs files, by its name, so that the contract tests can read each of them."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from marigold.core.fields import FIELDS
from marigold.core.png import write_png
from marigold.core.sample import Sample
from marigold.data.prepare import Preparation, prepare
from marigold.datasets.base import DatasetCard
from marigold.datasets.folder import Folder, write_index, write_sample
from toys import benchmarks, hypersim, intrinsic_sets, normal_sets, worlds

SIZE = (12, 20)


def _folder(root: Path) -> None:
    """Two samples of each split, with every field."""
    write_index(root, DatasetCard(tuple(FIELDS), ("train", "test"), "CC0-1.0", "random numbers"), {})
    valid = torch.ones(1, *SIZE, dtype=torch.bool)
    valid[:, :2] = False
    for seed, key in enumerate(("train/a", "train/b", "test/a", "test/b")):
        generator = torch.Generator().manual_seed(seed)
        maps = {name: torch.rand(field.channels, *SIZE, generator=generator) for name, field in FIELDS.items()}
        maps = {name: values * 2 - 1 if name == "normals" else values for name, values in maps.items()}
        image = torch.rand(3, *SIZE, generator=generator)
        write_sample(root, Sample(key, image, maps, dict.fromkeys(maps, valid)))


def _photos(root: Path) -> None:
    """Ten photographs, of which the last is held out."""
    for seed in range(10):
        photo = torch.rand(*SIZE, 3, generator=torch.Generator().manual_seed(seed)) * 255
        write_png(root / f"{seed}.png", photo.byte().numpy())


def _shards(root: Path) -> None:
    """Those of the folder."""
    with TemporaryDirectory() as folder:
        _folder(Path(folder))
        prepare(Preparation(Folder(), Path(folder)), root)


MINIATURES: dict[str, Callable[[Path], object]] = {
    "booster": benchmarks.booster,
    "diode": benchmarks.diode,
    "dsine": normal_sets.dsine,
    "eth3d": benchmarks.eth3d,
    "folder": _folder,
    "hypersim": hypersim.raw,
    "ibims": benchmarks.ibims,
    "iiw": intrinsic_sets.iiw,
    "interiorverse": worlds.interiorverse,
    "kitti": benchmarks.kitti,
    "maw": intrinsic_sets.maw,
    "middlebury": benchmarks.middlebury,
    "mit": intrinsic_sets.mit,
    "nyuv2": benchmarks.nyuv2,
    "oasis": normal_sets.oasis,
    "pairs": worlds.pairs,
    "photos": _photos,
    "published_normals": normal_sets.published,
    "scannet": benchmarks.scannet,
    "shards": _shards,
    "sintel": worlds.sintel,
    "vkitti": worlds.vkitti,
}
"""Each writes the data set into an empty folder. Data sets that render need none."""
