"""Pools of samples: what they hold is a function of the step."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from marigold.core.sample import Sample
from marigold.data.pool import Pool
from marigold.datasets.base import Dataset, DatasetCard


@dataclass(frozen=True)
class Numbers(Dataset):
    """Sample n is a 2 x 2 picture of the value n / 1024."""

    length: int = 40
    card: DatasetCard = field(default=DatasetCard((), ("train",), "Apache-2.0", "closed form"), init=False)

    def scan(self, root: Path, split: str):
        return [str(number) for number in range(self.length)]

    def read(self, root: Path, key: str) -> Sample:
        return Sample(key, torch.full((3, 2, 2), int(key) / 1024), {}, {})


def pool(**changes) -> Pool:
    settings = dict(
        dataset=Numbers(), root=Path(), split="train", needs=(), capacity=8, renewal=1.0, seed=0, device="cpu", block=4
    )
    return Pool(**{**settings, **changes})


def seen(draws: list[Sample]) -> set[int]:
    return {round(float(value) * 1024) for draw in draws for value in draw.image[:, 0, 0, 0]}


def test_a_pool_that_starts_late_draws_what_one_that_ran_draws():
    ran, late = pool(), pool()
    draws = [ran.draw(step, 3).image for step in range(31)]
    assert torch.equal(late.draw(30, 3).image, draws[30])


def test_without_renewal_a_pool_keeps_its_first_samples():
    fixed = pool(renewal=0.0)
    assert len(seen([fixed.draw(step, 8) for step in range(50)])) == 8


def test_every_sample_of_the_data_set_comes_round():
    assert seen([pool_.draw(step, 8) for pool_ in [pool()] for step in range(60)]) == set(range(40))


def test_an_epoch_holds_every_sample_once():
    places = [pool()._place(index) for index in range(40)]
    assert sorted(places) == list(range(40))
    assert places != list(range(40))


def test_a_pool_filled_in_two_goes_is_the_same():
    at_once, in_parts = pool(renewal=0.0), pool(renewal=0.0)
    in_parts.fill(1)
    in_parts.fill()
    assert torch.equal(at_once.draw(0, 8).image, in_parts.draw(0, 8).image)
