"""How far a run is: its steps and phases, its seconds, and the losses that no line of the log has told yet."""

import math

import torch
from torch import Tensor

from marigold.train.clock import Clock, as_made
from marigold.train.phase import Phase
from marigold.train.recipe import Optim, Recipe
from marigold.train.run import Run
from marigold.train.state import Facts, damaged


class Progress:
    """Advances by `add` and is continued by `go_on`. `number` is the phase of the last step, from 0."""

    def __init__(self, recipe: Recipe, phases: list[Phase], minutes: float, device: str) -> None:
        self.step, self.seconds, self.number, self.made = 0, 0.0, 0, [0] * len(phases)
        self.losses: list[Tensor] = []  # of the steps since the last line of the log
        self.proven = torch.full((), -1, device=device)  # the last step from which the loss was a number
        self.earlier: tuple[tuple[int, Optim], ...] = ()
        self.clock = Clock(phases, minutes)
        self._recipe, self._phases, self._minutes, self._device = recipe, phases, minutes, device

    @property
    def position(self) -> float:
        """How far the run is, in steps of the recipe."""
        return self.clock.position(self.step, self.seconds)

    @property
    def over(self) -> bool:
        """Whether all steps are made, or the time is."""
        return self.position >= self._recipe.steps

    @property
    def due(self) -> int:
        """The phase of the next step."""
        return next(number for number, phase in enumerate(self._phases) if phase.end > self.position)

    @property
    def ruined(self) -> bool:
        """Whether the loss of the last step was no number; the device is waited for."""
        return int(self.proven) < self.step - 1

    @property
    def recipe(self) -> Recipe:
        """The recipe; after a time budget, with the steps that were made."""
        return as_made(self._recipe, self.made) if self._minutes else self._recipe

    def add(self, loss: Tensor) -> None:
        """Counts a step, of the present phase, with its mean loss."""
        self.losses.append(loss)
        self.proven = torch.where(loss.isfinite(), self.step, self.proven)
        self.step += 1
        self.made[self.number] += 1

    def told(self) -> tuple[float, int]:
        """The mean of the losses that are numbers, NaN where there is none, and how many are none; forgets them."""
        every = torch.stack(self.losses)
        self.losses.clear()
        fine = every.isfinite()
        return float(every[fine].mean()), int((~fine).sum())

    def facts(self, asked: dict, done: bool) -> Facts:
        """What a saved state says about itself."""
        losses = torch.stack(self.losses).tolist() if self.losses else []
        known = [loss for loss in losses if math.isfinite(loss)]
        return Facts(
            step=self.step,
            asked=asked,
            made=tuple(self.made),
            phase=self.number,
            done=done,
            seconds=self.seconds,
            losses=(math.fsum(known), len(known)),
            began=self.clock.began,
            earlier=self.earlier,
        )

    def check(self, facts: Facts, run: Run) -> None:
        """Raises `CheckpointError` for facts that are not of these phases."""
        if facts.phase >= len(self._phases) or len(facts.made) > len(self._phases):
            raise damaged(run.source, f"it has {len(facts.made)} phases, the run {len(self._phases)}")

    def go_on(self, facts: Facts, replaced: Optim | None) -> None:
        """Continues from where a state was saved; `replaced` are the optimizer's settings until there."""
        self.made = [*facts.made, *[0] * (len(self._phases) - len(facts.made))]
        self.number, self.step, self.seconds, self.earlier = facts.phase, facts.step, facts.seconds, facts.earlier
        if replaced:
            self.earlier += ((facts.step, replaced),)
        if facts.began:
            self.clock.begin(*facts.began)
        total, count = facts.losses
        # Of the steps before, the next line of the log depends on the mean alone.
        self.losses = [torch.tensor(total / count, device=self._device)] * count if count else []
