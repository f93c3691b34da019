"""Encoded samples that are used more than once."""

import torch

from marigold.train.ring import Ring


def ring(**later) -> Ring:
    make = lambda position: {"x": torch.tensor([2.0 * position, 2.0 * position + 1])}  # noqa: E731
    return Ring(make, slots=3, begin=2, seed=0, **later)


def seen(held: Ring, step: int) -> set[float]:
    return set(held.draw(step, 64)["x"].tolist())


def test_a_ring_begins_with_what_a_batch_needs_and_grows_to_its_size():
    held = ring()
    assert seen(held, 0) == {0, 1, 2, 3}
    assert seen(held, 1) == {0, 1, 2, 3, 4, 5}


def test_a_full_ring_drops_the_oldest():
    held = ring()
    assert [seen(held, step) for step in range(4)][3] == {4, 5, 6, 7, 8, 9}


def test_a_ring_that_starts_late_draws_what_one_that_ran_draws():
    ran, late = ring(), ring()
    draws = [ran.draw(step, 5)["x"] for step in range(8)]
    assert torch.equal(late.draw(7, 5)["x"], draws[7])


def test_a_later_ring_holds_positions_that_no_earlier_one_asked_for():
    held = ring(first=4, before=1)
    assert seen(held, 4) == {12, 13, 14, 15}  # the ring before ended with position 4, samples 8 and 9
    assert seen(held, 5) == {12, 13, 14, 15, 16, 17}
    assert seen(held, 6) == {14, 15, 16, 17, 18, 19}
