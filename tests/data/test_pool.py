"""Pools of samples: what they hold is a function of the step."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from marigold.core.sample import Sample
from marigold.data.pool import Pool
from marigold.data.reader import Reading
from marigold.data.source import Source
from marigold.datasets.base import Dataset, DatasetCard


@dataclass(frozen=True)
class Numbers(Dataset):
    """Sample n is a 2 x 2 image of the value n / 1024."""

    length: int = 40
    card: DatasetCard = field(default=DatasetCard((), ("train",), "Apache-2.0", "closed form"), init=False)

    def scan(self, root: Path, split: str):
        return [str(number) for number in range(self.length)]

    def read(self, root: Path, key: str) -> Sample:
        return Sample(key, torch.full((3, 2, 2), int(key) / 1024), {}, {})


def pool(**changes) -> Pool:
    return Pool(Source(Numbers(), **{"capacity": 8, "block": 4, **changes}), (), 0, Reading())


def seen(draws: list[Sample]) -> set[int]:
    return {round(float(value) * 1024) for draw in draws for value in draw.image[:, 0, 0, 0]}


def test_a_pool_that_starts_late_draws_what_one_that_ran_draws():
    ran, late = pool(), pool()
    draws = [ran.draw(step, 3, ()).image for step in range(31)]
    assert torch.equal(late.draw(30, 3, ()).image, draws[30])


def test_without_renewal_a_pool_keeps_its_first_samples():
    fixed = pool(renewal=0.0)
    assert len(seen([fixed.draw(step, 8, ()) for step in range(50)])) == 8


def test_every_sample_of_the_data_set_comes_round():
    assert seen([pool_.draw(step, 8, ()) for pool_ in [pool()] for step in range(60)]) == set(range(40))


def test_an_epoch_holds_every_sample_once():
    places = [pool()._place(index) for index in range(40)]
    assert sorted(places) == list(range(40))
    assert places != list(range(40))
