"""A time budget: phases share the time by their cost, and the recipe says afterwards what was made."""

from dataclasses import replace

import pytest

from marigold.objectives.denoise import Denoise
from marigold.train.clock import Clock, as_made
from marigold.train.phase import Phase
from marigold.train.recipe import Optim, PhaseSettings, load

# 10 steps of 4 samples of 16 pixels cost as much as 40 steps of one: 640 pixels of 1280.
PARTS = [Phase(0, 10, 4, 4, Denoise()), Phase(10, 50, 0, 1, Denoise())]


def begun(minutes: float = 1.0) -> Clock:
    clock = Clock(PARTS, minutes)
    clock.begin(pixels=16, seconds=20.0)
    return clock


@pytest.mark.parametrize(
    ("seconds", "position"), [(0, 0), (20, 0), (30, 5), (40, 10), (50, 30), (59, 48), (60, 50), (1000, 50)]
)
def test_phases_of_equal_cost_get_half_of_the_time_each(seconds, position):
    assert begun().position(7, seconds) == pytest.approx(position)


def test_nothing_moves_before_the_first_step():
    assert Clock(PARTS, 1.0).position(0, 59.0) == 0


def test_a_budget_that_the_first_step_used_up_is_over():
    assert begun(minutes=0.1).position(1, 20.1) == 50


def test_without_a_budget_the_steps_count():
    assert begun(minutes=0).position(7, 1e9) == 7


def test_a_resumed_clock_keeps_the_time_that_it_began_with():
    clock, again = begun(), Clock(PARTS, 1.0)
    again.begin(*clock.began)
    again.begin(pixels=1, seconds=55.0)
    assert again.position(0, 33.0) == clock.position(0, 33.0)


def made(counts: list[int]):
    parts = {"phases": (PhaseSettings(30), PhaseSettings(40)), "steps": 100}
    return as_made(replace(load("tiny-depth"), optim=Optim(warmup=2, decay=100), **parts), counts)


def test_the_recipe_says_the_steps_that_were_made():
    recipe = made([6, 9, 5])
    assert [phase.steps for phase in recipe.phases] == [6, 9]
    assert (recipe.steps, recipe.optim.decay) == (20, 20)


def test_phases_that_got_no_step_are_left_out():
    recipe = made([3, 0, 0])
    assert [phase.steps for phase in recipe.phases] == [3]
    assert (recipe.steps, recipe.optim.decay) == (3, 3)


def test_a_decay_grows_with_the_steps_made_up_to_the_most():
    slow = replace(load("tiny-depth"), optim=Optim(warmup=2, decay=10**9), phases=(), steps=1)
    assert as_made(slow, [5000]).optim.decay == 10**9
