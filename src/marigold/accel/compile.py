"""Compilation of an estimator's networks, in place: fewer and larger kernels, the same result to within rounding."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from marigold.estimator import Estimator


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


@contextmanager
def uncompiled() -> Iterator[None]:
    """Inside the block compiled networks run as written: for shapes that occur too seldom to be worth compiling."""
    with torch.compiler.set_stance("force_eager"):
        yield
