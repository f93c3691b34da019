"""Training on samples from the disk: what is left out is named, what has been encoded is not encoded again."""

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Sample
from marigold.data.augment import Augment
from marigold.data.source import Source
from marigold.datasets.base import DatasetCard
from marigold.objectives.denoise import Denoise
from marigold.train.latents import Latents
from marigold.train.loop import train
from marigold.train.recipe import Every, Recipe
from toys.scenes import Toy
from train.test_loop import losses, recipe, same, weights


@dataclass(frozen=True)
class Long(Toy):
    """Many scenes, of which some are damaged."""

    damaged: tuple[int, ...] = ()
    card: DatasetCard = field(default=DatasetCard(("depth",), ("train",), "Apache-2.0", "closed form"), init=False)

    def scan(self, root: Path, split: str):
        return [f"{split}/{number}" for number in range(400)]

    def read(self, root: Path, key: str) -> Sample:
        if int(key.partition("/")[2]) in self.damaged:
            raise DataError(f"{key}: damaged; download it again")
        return super().read(root, key)


def on_disk(*datasets, **changes) -> Recipe:
    sources = tuple(Source(dataset) for dataset in datasets or (Toy(),))
    return recipe(**{"data": sources, "every": Every(log=1, save=3, validate=0), **changes})


def noted(folder: Path, kind: str) -> list[dict]:
    return [line for line in map(json.loads, (folder / "log.jsonl").read_text().splitlines()) if line["kind"] == kind]


def test_a_damaged_sample_is_left_out_and_named(tmp_path):
    notes: list[str] = []
    epoch = on_disk(Long(damaged=(7, 70)), steps=5, batch=40, validation_batches=0)
    train(epoch, tmp_path / "run", note=notes.append)
    named = noted(tmp_path / "run", "skipped")
    assert sorted(line["key"] for line in named) == ["train/7", "train/70"]
    assert all(line["why"] == f"{line['key']}: damaged; download it again" for line in named)
    assert sum("left out: train/7" in note for note in notes) == 2
    assert all(math.isfinite(loss) for _, loss in losses(tmp_path / "run"))


@dataclass(frozen=True)
class HeldOut(Long):
    """A held-out part of many scenes, every second of which is of another size."""

    card: DatasetCard = field(default=DatasetCard(("depth",), ("test",), "Apache-2.0", "closed form"), init=False)

    def read(self, root: Path, key: str) -> Sample:
        sample = super().read(root, key)
        return sample.resized(24, 24) if int(key.partition("/")[2]) % 2 else sample


def validated(dataset: Long) -> Recipe:
    """A run that scores the first ten samples of a data set that are held out."""
    source = Source(dataset, split="test", resize=(16, 16))
    every = Every(log=1, save=3, validate=1)
    return on_disk(steps=2, validation=(source,), validation_batches=1, scored=10, every=every)


def test_held_out_samples_of_several_sizes_are_scored_where_the_recipe_brings_them_to_one(tmp_path):
    train(validated(HeldOut()), tmp_path / "run")
    assert len(noted(tmp_path / "run", "validate")) == 2


def test_a_damaged_held_out_sample_is_left_out_of_the_scores_and_named(tmp_path):
    notes: list[str] = []
    train(validated(HeldOut(damaged=(5,))), tmp_path / "run", note=notes.append)
    assert [line["key"] for line in noted(tmp_path / "run", "skipped")] == ["test/5"]
    assert all("abs_rel_" in " ".join(line) for line in noted(tmp_path / "run", "validate"))
    assert sum("left out: test/5" in note for note in notes) == 1


def test_too_many_damaged_samples_among_those_that_are_scored_are_found_before_the_first_step(tmp_path):
    with pytest.raises(DataError, match="5 of 400 samples cannot be used, more than 1%: test/5: damaged"):
        train(validated(HeldOut(damaged=(5, 6, 7, 8, 9))), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_too_many_damaged_samples_end_the_run_with_a_list(tmp_path):
    with pytest.raises(DataError, match=r"cannot be used, more than 1%: .*train/\d+: damaged"):
        train(on_disk(Long(damaged=tuple(range(3, 400, 5))), validation_batches=0), tmp_path / "run")


def test_a_run_from_the_disk_resumes_to_the_same_weights_with_other_workers(tmp_path):
    mixed = (Source(Toy(), weight=0.7), Source(Toy(size=24), weight=0.3))
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    train(on_disk(data=mixed), whole)
    train(on_disk(data=mixed, steps=3), halves)
    train(on_disk(data=mixed), halves, workers=2)
    assert same(weights(whole), weights(halves))
    assert losses(whole) == losses(halves)


def cached(tmp_path: Path, name: str, **changes) -> Path:
    train(on_disk(steps=16, **changes), tmp_path / name, latents=Latents(tmp_path / "latents"))
    return tmp_path / name


def test_cached_latents_change_no_loss(tmp_path, monkeypatch):
    train(on_disk(steps=16), tmp_path / "plain")
    first = cached(tmp_path, "first")
    seen: list[int] = []
    prepare = Denoise.prepare
    monkeypatch.setattr(Denoise, "prepare", lambda self, e, b: (seen.append(len(b.image)), prepare(self, e, b))[1])
    again = cached(tmp_path, "again")
    plain = dict(losses(tmp_path / "plain"))
    for run in (first, again):
        assert dict(losses(run)) == pytest.approx(plain, rel=1e-5)
    # What is held out is not cached: two batches of two.
    assert sum(seen) == 0 or seen == [2] * len(seen)
    assert len(list((tmp_path / "latents").rglob("*.safetensors"))) == 64  # an epoch


def test_latents_that_would_never_come_back_are_refused(tmp_path):
    jittered = Source(Toy(), augment=Augment(jitter=0.5))
    with pytest.raises(ConfigError, match=r"--cache-latents: recipe\.data\.0\.augment changes a sample"):
        cached(tmp_path, "run", data=(jittered,))
    with pytest.raises(ConfigError, match="--cache-size"):
        train(on_disk(), tmp_path / "run", latents=Latents(tmp_path / "latents", gigabytes=0))


def test_a_full_cache_ends_the_writing_and_not_the_run(tmp_path):
    train(on_disk(steps=16), tmp_path / "run", latents=Latents(tmp_path / "latents", gigabytes=1e-6))
    kept = sum(file.stat().st_size for file in (tmp_path / "latents").rglob("*.safetensors"))
    assert 0 < kept < 5000
    assert torch.isfinite(torch.tensor([loss for _, loss in losses(tmp_path / "run")])).all()
