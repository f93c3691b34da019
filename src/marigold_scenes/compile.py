"""Compilation of the ray-caster's tests: each becomes a single kernel, with the same hits to within rounding."""

import torch
from torch import Tensor

from marigold_scenes import trace
from marigold_scenes.shapes import KINDS


def compile_rendering() -> None:
    """Replaces the ray-caster's tests by compiled ones, each a single kernel: a GPU then waits less for its memory.

    Rounded solids keep theirs, which picks the rays that it follows.
    """
    torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)
    for kind, name in enumerate(KINDS):
        if name != "round":
            trace.nearest[kind] = _compiled(trace.nearest[kind])


def _compiled(nearest: trace.Nearest) -> trace.Nearest:
    fast = torch.compile(nearest, dynamic=True)

    def padded(origin: Tensor, direction: Tensor, form: Tensor) -> tuple[Tensor, Tensor]:
        groups, solids = direction.shape[:2]
        # Sizes of one would be compiled apart from all others: one solid or group becomes two equal ones.
        parts = [x.contiguous() for x in (origin.expand_as(direction), direction, form)]
        parts = [torch.cat((x, x), 1) for x in parts] if solids == 1 else parts
        parts = [torch.cat((x, x), 0) for x in parts] if groups == 1 else parts
        t, slot = fast(*parts)
        return t[:groups], slot[:groups].clamp(max=solids - 1)

    return padded
