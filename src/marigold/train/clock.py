"""How far a run is in its recipe: by its steps or, with a time budget, by the share of the time that has passed."""

from bisect import bisect_right
from dataclasses import replace
from itertools import accumulate

from marigold.core.limits import STEPS
from marigold.train.phase import Phase
from marigold.train.recipe import Recipe


class Clock:
    """Phases and the rate's decay, given in steps, become shares of so many minutes; 0 leaves them to the steps.

    The phases share the time by their cost. It begins after the first step, before which samples are read and networks
    compiled. `began` is what a resumed run begins with: the pixels of a sample, and the seconds until then.
    """

    def __init__(self, phases: list[Phase], minutes: float) -> None:
        self._phases, self._minutes = phases, minutes
        self._times: list[float] = []
        self.began: tuple[int, float] | None = None

    def begin(self, pixels: int, seconds: float) -> None:
        """Starts the time; does nothing when it has begun."""
        if self.began is None:
            self.began = pixels, seconds
            costs = [phase.cost(pixels) for phase in self._phases]
            left = max(self._minutes * 60 - seconds, 1e-9)
            self._times = [seconds + left * share / sum(costs) for share in accumulate(costs, initial=0.0)]

    def position(self, step: int, seconds: float) -> float:
        """The step of the recipe that is due, with its fraction; the number of steps once the time is over."""
        if not self._minutes:
            return step
        number = bisect_right(self._times, seconds) - 1
        if number < 0:
            return 0.0
        if number == len(self._phases):
            return float(self._phases[-1].end)
        phase, begin, end = self._phases[number], *self._times[number : number + 2]
        return phase.first + (phase.end - phase.first) * (seconds - begin) / (end - begin)


def as_made(recipe: Recipe, made: list[int]) -> Recipe:
    """The recipe with the number of steps that each of its parts took, and the rate's decay in proportion."""
    counted = zip(recipe.phases, made, strict=False)
    phases = tuple(replace(phase, steps=steps) for phase, steps in counted if steps)
    decay = max(recipe.optim.warmup + 1, min(round(recipe.optim.decay * sum(made) / recipe.steps), STEPS))
    return replace(recipe, phases=phases, steps=sum(made), optim=replace(recipe.optim, decay=decay))
