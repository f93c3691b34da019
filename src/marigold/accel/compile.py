"""Compilation of an estimator's networks, in place: fewer and larger kernels, the same result to within rounding."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import nn

from marigold.estimator import Estimator

SMALL = 100_000_000
"""Weights of a network below which its kernels are done sooner than they can be asked for one by one."""


def compile_networks(estimator: Estimator, *, accumulates: bool = False, mode: str = "") -> Estimator:
    """Marks the backbone's networks for compilation, which happens when each is first used with a new shape.

    On a GPU weights are laid out channels last, which its matrix units read without a copy, the backbone rearranges
    what compiles to slow kernels (`bench/training.py` shows the gain), and a small denoiser is replayed as one recorded
    graph. A graph writes its gradients to the same place at every replay, so there is none where training `accumulates`
    the gradients of several passes. `mode` is a mode of `torch.compile` for the denoiser, in place of this choice.
    """
    if next(estimator.backbone.denoiser.parameters()).is_cuda:
        estimator.backbone.suit_compiler()
    for part in estimator.backbone.hot_parts():
        on_gpu = next(part.parameters()).is_cuda
        if on_gpu:
            part.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        trained = part is estimator.backbone.denoiser
        replayed = trained and on_gpu and not accumulates and _is_small(part)
        part.compile(mode=mode if mode and trained else "reduce-overhead" if replayed else "default")
    return estimator


@contextmanager
def compiling() -> Iterator[None]:
    """Settings for compiled training: each shape has kernels of its own, and convolutions the fastest algorithm.

    Photos and stacked targets differ in number, so each is compiled for itself. A network is compiled whole also where
    several processes share the work.
    """
    with ExitStack() as stack:
        stack.enter_context(torch._dynamo.config.patch(automatic_dynamic_shapes=False, optimize_ddp=False))
        stack.enter_context(torch.backends.cudnn.flags(enabled=True, benchmark=True))
        yield


@contextmanager
def uncompiled() -> Iterator[None]:
    """Inside the block compiled networks run as written: for shapes that occur too seldom to be worth compiling."""
    with torch.compiler.set_stance("force_eager"):
        yield


def _is_small(network: nn.Module) -> bool:
    return sum(p.numel() for p in network.parameters()) < SMALL
