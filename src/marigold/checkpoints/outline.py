"""Networks as outlines: built by a stranger's configuration without memory for their weights, and within bounds."""

import logging
import math
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as hooks

from marigold.core.errors import CheckpointError, MarigoldError
from marigold.core.limits import NUMBER

TENSORS = 5_000
"""Tensors that a network may have; the U-Net of Stable Diffusion XL has 1,680."""
_LAYERS_PER_TENSOR, _LAYERS_MORE = 20, 1000
"""Layers, and parts of layers, that a network may have for each of its tensors, and beside them."""

_NOISY = ("diffusers", "transformers")
"""Libraries that log what they ignore in a configuration."""


def outline(
    make: Callable[[], nn.Module],
    what: Path | str,
    raises: type[MarigoldError] = CheckpointError,
    remedy: str = "correct it",
    most: int = TENSORS,
) -> nn.Module:
    """The network that `make` constructs, on the device `meta`: names and shapes of its tensors, and no memory.

    Raises `raises` as `guarded` does, as soon as it has more than `most` tensors.
    """
    with guarded(what, raises, remedy, most), torch.device("meta"), torch.random.fork_rng(devices=[]):
        return make()


@contextmanager
def guarded(
    what: Path | str, raises: type[MarigoldError] = CheckpointError, remedy: str = "correct it", most: int = TENSORS
) -> Iterator[None]:
    """A block in which another library builds something of the configuration `what`; its warnings are not shown.

    The libraries check few of the values that they construct from, so that bad ones fail in any way: all of them are
    `raises`, and so are networks of more than `most` tensors.
    """
    try:
        with _quiet(), _bounded(most):
            yield
    except MarigoldError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of libraries in Rust
            raise
        raise raises(f"{what}: cannot be built ({reason(error)}); {remedy}") from error


def check_numbers(config: Mapping[str, Any], file: Path | str, raises: type[MarigoldError] = CheckpointError) -> None:
    """Raises `raises` for a number in a network's configuration that is not finite or beyond `NUMBER`."""
    for key, value in config.items():
        if (wrong := _wrong_number(value)) is not None:
            shown = "a number of hundreds of digits" if _is_long(wrong) else f"{wrong:.3g}"
            raise raises(f"{file}: `{key}` holds {shown}, which no network has; correct it to {NUMBER} or less")


def reason(error: BaseException) -> str:
    """The first line of what an error says, and its kind where that alone may say nothing, such as `KeyError: 0`."""
    first = (str(error).strip().splitlines() or [""])[0][:300]
    return first if isinstance(error, TypeError | ValueError) and first else f"{type(error).__name__}: {first}"


def _is_long(number: float | int) -> bool:
    return isinstance(number, int) and number.bit_length() > 1000


def _wrong_number(value: Any) -> float | int | None:
    """The first number of a value, lists and mappings included, that no network has."""
    if isinstance(value, Mapping | list | tuple):
        inner = value.values() if isinstance(value, Mapping) else value
        return next((found for found in map(_wrong_number, inner) if found is not None), None)
    if isinstance(value, float) and not math.isfinite(value):
        return value
    return value if isinstance(value, int | float) and abs(value) > NUMBER else None


@contextmanager
def _bounded(most: int) -> Iterator[None]:
    """Stops this thread where it builds a network of more tensors than `most`, or of layers without end."""
    thread = threading.get_ident()
    left = {"tensors": most, "layers": most * _LAYERS_PER_TENSOR + _LAYERS_MORE}

    def counter(kind: str) -> Callable[..., None]:
        def count(*_: object) -> None:
            if threading.get_ident() != thread:
                return
            left[kind] -= 1
            if left[kind] < 0:
                raise ValueError(f"it has too many {kind}")

        return count

    handles = [
        hooks.register_module_parameter_registration_hook(counter("tensors")),
        hooks.register_module_module_registration_hook(counter("layers")),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the libraries warn and log of the keys of a configuration that they do not know."""
    loggers = [logging.getLogger(name) for name in _NOISY]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
