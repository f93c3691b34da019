"""The order in which noise is drawn: ours by member, others from one running generator."""

import pytest
import torch

from marigold.compat.base import Rules, rules
from marigold.core import seeds
from marigold.core.find import names

SHAPE = (4, 3, 5)
"""60 numbers, no multiple of the 16 that torch draws at once: drawing together and one by one are then different."""


def running(*shapes):
    """One draw after the other from a generator of seed 7."""
    generator = torch.Generator().manual_seed(7)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def test_a_member_s_noise_comes_from_its_own_stream():
    found = rules("none").draw(SHAPE, 3, 2, 7)
    for member, noises in enumerate(found):
        stream = seeds.stream(7, "noise", member)
        torch.testing.assert_close(list(noises), [torch.randn(SHAPE, generator=stream) for _ in range(2)])


def test_diffusers_draws_all_starts_at_once_and_then_the_steps_of_one_member_after_the_other():
    starts, *steps = running((2, *SHAPE), *[(1, *SHAPE)] * 4)
    found = rules("diffusers").draw(SHAPE, 2, 3, 7)
    torch.testing.assert_close(found[:, 0], starts)
    torch.testing.assert_close(found[:, 1:].flatten(0, 1), torch.cat(steps))


def test_the_published_code_draws_one_member_after_the_other():
    found = rules("published").draw(SHAPE, 2, 3, 7)
    torch.testing.assert_close(found.flatten(0, 1), torch.cat(running(*[(1, *SHAPE)] * 6)))


@pytest.mark.parametrize("name", names(Rules))
def test_noise_is_white_of_its_own_for_every_member_and_step(name):
    found = rules(name).draw((8, 16, 16), 3, 2, 0)
    assert found.shape == (3, 2, 8, 16, 16) and found.dtype == torch.float32
    correlation = torch.corrcoef(found.flatten(2).flatten(0, 1))
    torch.testing.assert_close(correlation, torch.eye(6), atol=0.1, rtol=0)
    assert abs(found.std() - 1) < 0.05
