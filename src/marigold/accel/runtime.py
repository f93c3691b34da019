"""An estimator under a plan, and how the plan gives way where memory or precision do not suffice."""

from dataclasses import replace

import torch

from marigold.accel.plan import Plan, apply
from marigold.core.device import memory_is_full as memory_is_full
from marigold.estimator import Estimator


class Runtime:
    """An estimator ready for inference; `plan` says how it runs by now."""

    def __init__(self, estimator: Estimator, plan: Plan | None = None) -> None:
        """Takes the estimator over: it moves to the plan's device and precision (CPU and float32 when None)."""
        self.plan = plan or Plan()
        self.estimator = apply(estimator, self.plan)
        self._most_pixels: int | None = None
        """What a batch holds at most since memory was full; None: it never was."""

    def use_float32(self) -> None:
        """From now on the networks compute in float32."""
        self.plan = replace(self.plan, dtype=torch.float32)
        self.estimator = apply(self.estimator, self.plan)

    def at_once(self, pixels: int, asked: int | None = None) -> int:
        """How many inputs of so many pixels run as one batch: as `asked`, or by the plan; one at least.

        Never more than memory was found to hold.
        """
        wanted = self.plan.pixels_at_once // pixels if asked is None else asked
        return max(1, wanted if self._most_pixels is None else min(wanted, self._most_pixels // pixels))

    def hold_at_most(self, pixels: int) -> None:
        """From now on a batch holds no more pixels than these, or one input."""
        self._most_pixels = pixels
