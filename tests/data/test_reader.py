"""Where samples are made changes nothing; samples of several sizes become one size, or an error that says how."""

from pathlib import Path

import pytest
import torch

from marigold.core.errors import DataError
from marigold.core.sample import Sample
from marigold.data.augment import Augment
from marigold.data.mix import Mix
from marigold.data.pool import Pool, Pools
from marigold.data.reader import Reading, prepare
from marigold.data.source import Source
from marigold.modalities.depth import Depth
from toys.scenes import Toy


class Sizes(Toy):
    """Scenes whose width depends on their number: 16, 24, 16, 24, ... pixels."""

    def read(self, root: Path, key: str) -> Sample:
        sample = super().read(root, key)
        wide = int(key.rpartition("/")[2]) % 2 == 1
        return sample.resized(16, 24) if wide else sample


def drawn(how: Reading) -> Sample:
    pool = Pool(Source(Toy(), capacity=4, block=2), ("depth",), 0, how)
    draws = [pool.draw(step, 3, ("depth",)) for step in range(4)]
    pool.close()
    return draws[-1]


@pytest.mark.parametrize("how", [Reading(workers=1), Reading(renderer="cpu"), Reading(renderer="cpu", compiled=True)])
def test_other_processes_make_the_same_samples(how):
    here, there = drawn(Reading()), drawn(how)
    assert torch.equal(here.image, there.image)
    assert torch.equal(here.maps["depth"], there.maps["depth"])


@pytest.mark.parametrize("block", [1, 4])
def test_samples_of_several_sizes_are_an_error_that_says_what_to_set(block):
    pool = Pool(Source(Sizes(), root=Path("/data"), capacity=8, block=block), ("depth",), 0, Reading())
    with pytest.raises(DataError, match=r"/data: train/\d+ is \d+ x 16 pixels, train/\d+ is .*augment\.size"):
        pool.draw(0, 2, ("depth",))


@pytest.mark.parametrize("block", [1, 4])
def test_with_a_size_samples_of_several_sizes_become_one(block):
    source = Source(Sizes(), capacity=8, block=block, augment=Augment(size=8, zoom=1.5))
    batch = Mix((source,), Depth(), Pools(Reading()), batch=5, seed=0).batch(0)
    assert batch.image.shape == (5, 3, 8, 8)
    assert batch.pixels.shape == (5, 1, 3, 8, 8)


def test_what_becomes_one_size_is_cropped_not_stretched():
    # A ramp from left to right over 24 pixels, cut to 16: it rises as fast as before.
    source = Source(Sizes(), augment=Augment(size=16))
    ramp = Sample("x", (torch.arange(24.0) / 24).expand(3, 16, 24), {}, {})
    shown = prepare(Source(Fixed(ramp), augment=source.augment), (), ["x"])[0].image
    assert shown.shape == (1, 3, 16, 16)
    assert torch.allclose(shown.diff(dim=-1), torch.full((), 1 / 24))


class Fixed(Toy):
    """Gives one sample for every key."""

    def __init__(self, sample: Sample) -> None:
        object.__setattr__(self, "size", 16)
        object.__setattr__(self, "sample", sample)

    def read(self, root: Path, key: str) -> Sample:
        return self.sample


def test_sides_are_cut_to_what_the_network_takes():
    batch = Mix(
        (Source(Toy(size=18), capacity=2, block=2),), Depth(), Pools(Reading()), batch=2, seed=0, stride=4
    ).batch(0)
    assert batch.image.shape[-2:] == (16, 16)


def test_a_field_that_the_samples_lack_is_named():
    with pytest.raises(DataError, match="train/0: has no normals, only depth"):
        prepare(Source(Toy()), ("normals",), ["train/0"])
