"""A running average of weights: what is validated and saved is smoother than the last step."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of a module's parameters; early steps use a shorter memory, (1 + n) / (10 + n).

    With decay 0 there is none, and nothing is kept.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        averaged = module.named_parameters() if decay else ()
        self.values: dict[str, Tensor] = {name: p.detach().clone() for name, p in averaged}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Moves the average towards the module after optimizer step `step` (from 0)."""
        if not self.values:
            return
        decay = min(self.decay, (1 + step) / (10 + step))
        current = dict(module.named_parameters())
        torch._foreach_lerp_(list(self.values.values()), [current[name] for name in self.values], 1 - decay)

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """The module with the averaged weights, inside the `with` block only."""
        if not self.values:
            yield
            return
        current = dict(module.named_parameters())
        saved = {name: p.detach().clone() for name, p in current.items()}
        self._copy(self.values, current)
        try:
            yield
        finally:
            self._copy(saved, current)

    @staticmethod
    @torch.no_grad()
    def _copy(source: dict[str, Tensor], target: dict[str, nn.Parameter]) -> None:
        for name, value in source.items():
            target[name].copy_(value)
