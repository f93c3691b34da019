"""What shards save: bytes a sample, and the time to read samples in random order, against the folder layout.

    python bench/prepare.py [--count 40] [--height 480 --width 640] [--result bench/results/prepare.md]

The samples are rendered scenes with grain in the photo, as real ones have it, written once in the folder layout, which
compresses its maps, and once as shards. The files are in the system's memory when they are read, so that what is
measured is the work of the processor; both are read in turns, in one process of one thread.
"""

import os
import platform
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import tyro

from marigold.core.sample import Sample
from marigold.data.prepare import Preparation, prepare
from marigold.datasets import _shard_index
from marigold.datasets.base import Dataset, DatasetCard
from marigold.datasets.folder import Folder, write_index, write_sample
from marigold.datasets.shards import Shards
from marigold_scenes.procedural import Procedural


@dataclass(frozen=True)
class Options:
    """What to measure."""

    count: int = 40
    """Samples."""
    height: int = 480
    width: int = 640
    turns: int = 3
    """How often all of them are read, in another order each time; the quickest counts."""
    index: int = 200_000
    """Rows of the index whose loading is timed."""
    result: Path | None = None
    """Where to write what is printed."""


CHOICES = (("depth",), ("normals",), ("albedo", "shading", "residual"), ())
"""Fields that are read; the last stands for all."""


def main(options: Options) -> None:
    torch.set_num_threads(1)
    with TemporaryDirectory() as folder:
        tree, shards = Path(folder) / "tree", Path(folder) / "shards"
        keys = _write(options, tree)
        begin = time.perf_counter()
        prepare(Preparation(Folder(), tree), shards)
        made = (time.perf_counter() - begin) / len(keys)
        text = "\n".join([*_table(options, tree, shards, keys), "", *_rest(options, Path(folder), made)])
    print(text)
    if options.result:
        options.result.parent.mkdir(parents=True, exist_ok=True)
        options.result.write_text(text + "\n", encoding="utf-8")


def _write(options: Options, tree: Path) -> list[str]:
    """The samples in the folder layout; returns their keys."""
    scenes = Procedural(height=options.height, width=options.width)
    write_index(tree, scenes.card, {})
    keys = [f"train/{number:06d}" for number in range(options.count)]
    rng = torch.Generator().manual_seed(0)
    for key, name in zip(keys, scenes.scan(tree, "train")[: options.count], strict=True):
        sample = replace(scenes.read(tree, name), key=key)
        grain = torch.randn(sample.image.shape, generator=rng) * 0.01
        write_sample(tree, replace(sample, image=(sample.image + grain).clamp(0, 1)))
    return keys


def _table(options: Options, tree: Path, shards: Path, keys: list[str]) -> list[str]:
    sizes = [_bytes(place) / len(keys) / 1e6 for place in (tree, shards)]
    lines = [
        f"{options.count} samples of {options.width} x {options.height} pixels, seven fields; "
        f"folder layout {sizes[0]:.2f} MB a sample, shards {sizes[1]:.2f} MB.",
        "",
        "| fields read | folder, ms a sample | shards, ms a sample | ratio | MB a sample in shards |",
        "|---|---|---|---|---|",
    ]
    for fields in CHOICES:
        readers = (Folder(fields), tree), (Shards(fields), shards)
        slow, fast = _fastest(options, keys, readers)
        size = _read_bytes(Shards(fields), shards, keys) / 1e6
        name = ", ".join(fields) or "all"
        lines.append(f"| {name} | {slow * 1e3:.1f} | {fast * 1e3:.1f} | {slow / fast:.1f} | {size:.2f} |")
    return lines


def _rest(options: Options, folder: Path, made: float) -> list[str]:
    size, seconds = _index(options.index, folder)
    return [
        f"Preparing took {made * 1e3:.0f} ms a sample in one process, reading it back included. An index of "
        f"{options.index} samples with two fields has {size:.0f} MB and is loaded in {seconds:.2f} s.",
        "",
        f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}, NumPy {np.__version__}.",
    ]


def _fastest(options: Options, keys: list[str], readers: Sequence[tuple[Dataset, Path]]) -> list[float]:
    """Seconds a sample of each reader, the best of several turns."""
    best = [float("inf")] * len(readers)
    for turn in range(options.turns):
        order = random.Random(turn).sample(keys, len(keys))
        for place, (dataset, root) in enumerate(readers):
            begin = time.perf_counter()
            for key in order:
                _use(dataset.read(root, key))
            best[place] = min(best[place], (time.perf_counter() - begin) / len(keys))
    return best


def _use(sample: Sample) -> None:
    assert sample.image.shape[0] == 3


def _read_bytes(dataset: Shards, root: Path, keys: list[str]) -> float:
    """What is read of the shards for a sample, on average."""
    sizes = [sum(int(word.partition("+")[2]) for word in dataset.identity(root, key).split()) for key in keys]
    return sum(sizes) / len(sizes)


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _index(rows: int, folder: Path) -> tuple[float, float]:
    """The size of an index in MB, and the seconds until its keys are known."""
    root, fields = folder / "index", ("depth", "normals")
    root.mkdir()
    table = np.zeros(rows, _shard_index.row_type(fields, 40))
    table["key"] = [f"ai_{row // 100:03d}_001/cam_00/frame.{row:08d}".encode() for row in range(rows)]
    made = {"dataset": "none", "raw": "", "settings": {}, "together": 1}
    shards = [_shard_index.Shard("train-00000.tar", 0)]
    _shard_index.write(root, DatasetCard(fields, ("train",), "CC0-1.0", "none"), shards, made, table)
    begin = time.perf_counter()
    assert len(Shards().scan(root, "train")) == rows
    return (root / _shard_index.INDEX).stat().st_size / 1e6, time.perf_counter() - begin


if __name__ == "__main__":
    main(tyro.cli(Options))
