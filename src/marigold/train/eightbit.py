"""AdamW whose moments are numbers of 8 bits, by torchao: a module of an extra, imported where it is asked for.

torchao's is plain torch: it runs on every device, also where parameters are sharded, and its moments are tensors that
can be saved. It is written to be compiled; without a compiler it computes the same step by step.
"""

import logging
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from marigold.accel.compile import uncompiled

logging.getLogger("torchao").setLevel(logging.ERROR)  # what it says of its own kernels concerns nobody here

from torchao.optim import AdamW8bit  # noqa: E402


class EightBit(AdamW8bit):
    """Each block of 256 numbers has a scale, and each number is one of 256 steps of a logarithmic scale below it.

    Parameters of fewer than 4096 numbers, or of no multiple of 256, keep moments of 32 bits.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, compiled: bool, **options: Any) -> None:
        super().__init__(parameters, **options)
        self._compiled = compiled

    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        with nullcontext() if self._compiled else uncompiled():
            super().step(closure)

    def moments(self, p: nn.Parameter) -> dict[str, Tensor]:
        """The moments of a parameter, by their names, without memory for their numbers."""
        outline = torch.empty_like(p, device="meta")
        return {"exp_avg": self._new_buffer(outline, True), "exp_avg_sq": self._new_buffer(outline, False)}
