"""Compilation of an estimator's networks, in place: fewer and larger kernels, the same result to within rounding."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from marigold.estimator import Estimator
from marigold.synth import trace
from marigold.synth.shapes import KINDS


def compile_networks(estimator: Estimator) -> Estimator:
    """Marks the backbone's networks for compilation, which happens when each is first used with a new shape.

    On a GPU weights are laid out channels last, which its matrix units read without a copy, and the denoiser is
    replayed as one recorded graph: so small a network is done sooner than its kernels could be asked for one by one.
    """
    for part in estimator.backbone.hot_parts():
        on_gpu = next(part.parameters()).is_cuda
        if on_gpu:
            part.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        part.compile(mode="reduce-overhead" if on_gpu and part is estimator.backbone.denoiser else "default")
    return estimator


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


@contextmanager
def uncompiled() -> Iterator[None]:
    """Inside the block compiled networks run as written: for shapes that occur too seldom to be worth compiling."""
    with torch.compiler.set_stance("force_eager"):
        yield
