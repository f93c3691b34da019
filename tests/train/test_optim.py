"""The learning rate follows the published schedule."""

import math

import pytest

from marigold.train.optim import rate
from marigold.train.recipe import Optim

PUBLISHED = Optim(lr=3e-5, warmup=100, decay=25_000, final=0.01)


def test_the_first_update_has_rate_zero():
    assert rate(0, PUBLISHED) == 0


def test_warm_up_is_linear():
    assert rate(50, PUBLISHED) == pytest.approx(1.5e-5)


def test_half_way_through_the_decay_the_rate_is_a_tenth():
    assert rate(12_550, PUBLISHED) == pytest.approx(3e-6)


@pytest.mark.parametrize("step", [25_000, 30_000])
def test_after_the_decay_the_rate_stays_at_one_percent(step):
    assert math.isclose(rate(step, PUBLISHED), 3e-7)
