"""An estimator under a plan, and how the plan gives way where memory or precision do not suffice."""

from dataclasses import replace

import torch
from torch.utils.hooks import RemovableHandle

from marigold.accel.offload import largest_bytes, stage, take_turns
from marigold.accel.plan import Plan, apply
from marigold.core.device import free_bytes
from marigold.core.device import memory_is_full as memory_is_full
from marigold.estimator import Estimator


class Runtime:
    """An estimator ready for inference; `plan` says how it runs by now."""

    def __init__(self, estimator: Estimator, plan: Plan | None = None) -> None:
        """Takes the estimator over: it moves to the plan's device and precision (CPU and float32 when None)."""
        self.plan = plan or Plan()
        self._turns: list[RemovableHandle] = []
        self.estimator = self._applied(estimator)

    def use_float32(self) -> None:
        """From now on the networks compute in float32."""
        self.plan = replace(self.plan, dtype=torch.float32)
        self.estimator = self._applied(self.estimator)

    def one_at_a_time(self) -> None:
        """From now on the members of an ensemble run one by one."""
        self.plan = replace(self.plan, pixels_at_once=0)

    def free_bytes(self) -> int | None:
        """Bytes of the device's memory that can still be taken, those included that a network leaves at its turn."""
        free = free_bytes(self.plan.device)
        return free + stage(self.plan.device).taken if self.plan.offload and free is not None else free

    def turn_bytes(self) -> int:
        """Bytes of the largest network that is still to come to the device; 0 where all of them are there."""
        return largest_bytes(self.estimator) if self.plan.offload else 0

    def _applied(self, estimator: Estimator) -> Estimator:
        """The estimator under the plan, whose networks take turns where that is planned."""
        if self._turns:
            stage(self.plan.device).clear()
        for turn in self._turns:
            turn.remove()
        estimator = apply(estimator, self.plan)
        self._turns = take_turns(estimator, self.plan.device) if self.plan.offload else []
        return estimator
