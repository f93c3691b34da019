"""A time budget: the phases and the rate's decay of a recipe, given in steps, become shares of a run's time."""

from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate

from marigold.train.phase import Phase
from marigold.train.recipe import Recipe


class Clock:
    """Where in its recipe a run is after so many seconds of its budget.

    The phases share the time by their cost. The time until `started`, in which samples are read and networks are
    compiled, is the first phase's but moves nothing. How many steps are made depends on the machine.
    """

    def __init__(self, phases: list[Phase], pixels: int, minutes: float, started: float) -> None:
        costs = [phase.cost(pixels) for phase in phases]
        left = max(minutes * 60 - started, 1e-9)
        self._phases = phases
        self._times = [started + left * share / sum(costs) for share in accumulate(costs, initial=0.0)]

    def position(self, seconds: float) -> float:
        """The step of the recipe that is due, with its fraction; the number of steps once the time is over."""
        number = bisect_right(self._times, seconds) - 1
        if number < 0:
            return 0.0
        if number == len(self._phases):
            return float(self._phases[-1].end)
        phase, (begin, end) = self._phases[number], self._times[number : number + 2]
        return phase.first + (phase.end - phase.first) * (seconds - begin) / (end - begin)


def as_made(recipe: Recipe, made: list[int]) -> Recipe:
    """The recipe with the number of steps that each of its parts took, and the rate's decay in proportion."""
    counted = zip(recipe.phases, made, strict=False)
    phases = tuple(replace(phase, steps=steps) for phase, steps in counted if steps)
    decay = max(recipe.optim.warmup + 1, round(recipe.optim.decay * sum(made) / recipe.steps))
    return replace(recipe, phases=phases, steps=sum(made), optim=replace(recipe.optim, decay=decay))
