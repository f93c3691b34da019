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

    def use_float32(self) -> None:
        """From now on the networks compute in float32."""
        self.plan = replace(self.plan, dtype=torch.float32)
        self.estimator = apply(self.estimator, self.plan)

    def one_at_a_time(self) -> None:
        """From now on the members of an ensemble run one by one."""
        self.plan = replace(self.plan, pixels_at_once=0)
