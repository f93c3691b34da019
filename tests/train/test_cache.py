"""Encoded samples that are used more than once."""

import torch

from marigold.train.cache import LatentCache


def cache(**later) -> LatentCache:
    encode = lambda position: {"x": torch.tensor([float(position), position + 0.5])}  # noqa: E731
    return LatentCache(encode, slots=3, uses=2, seed=0, **later)


def seen(stored: LatentCache, step: int) -> set[float]:
    return set(stored.draw(step, 64)["x"].tolist())


def test_a_cache_begins_with_a_batch_and_grows_to_its_size():
    stored = cache()
    assert [seen(stored, step) for step in range(3)] == [{0, 0.5}, {0, 0.5}, {0, 0.5, 2, 2.5}]


def test_a_full_cache_drops_the_oldest():
    stored = cache()
    assert [seen(stored, step) for step in range(7)][6] == {2, 2.5, 4, 4.5, 6, 6.5}


def test_a_cache_that_starts_late_draws_what_one_that_ran_draws():
    ran, late = cache(), cache()
    draws = [ran.draw(step, 5)["x"] for step in range(8)]
    assert torch.equal(late.draw(7, 5)["x"], draws[7])


def test_a_later_cache_asks_for_no_position_before_its_first_step():
    stored = cache(first=5)
    assert [seen(stored, step) for step in (5, 6)] == [{4, 4.5}, {4, 4.5, 6, 6.5}]
