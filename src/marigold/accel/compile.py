"""Compilation of an estimator's networks, in place: fewer and larger kernels, the same result to within rounding."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from marigold.estimator import Estimator


def compile_networks(estimator: Estimator) -> Estimator:
    """Marks the backbone's networks for compilation, which happens when each is first used with a new shape."""
    for part in estimator.backbone.hot_parts():
        part.compile()
    return estimator


@contextmanager
def uncompiled() -> Iterator[None]:
    """Inside the block compiled networks run as written: for shapes that occur too seldom to be worth compiling."""
    with torch.compiler.set_stance("force_eager"):
        yield
