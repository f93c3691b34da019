"""Anybody's model: a Python object with one method, whose answers are checked before they are scored."""

import time
from abc import abstractmethod
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from marigold.core.console import printable
from marigold.core.errors import ConfigError, DataError, MarigoldError
from marigold.core.fields import FIELDS
from marigold.core.plain import shown
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer, Answers
from marigold.modalities.base import Modality

SLACK = 0.01
"""How far values may lie outside a range that both ends of are part of a map's meaning."""


@runtime_checkable
class Model(Protocol):
    """What is asked of a model: one method. A `name` is what tables call it; without one they take its class's."""

    @abstractmethod
    def predict(self, photo: np.ndarray) -> np.ndarray | Mapping[str, np.ndarray]:
        """The maps of a photo [H, W, 3], uint8 sRGB, at its size.

        Depth is [H, W], larger where it is farther, of any scale and shift that the protocol fits; disparity instead is
        scored with `--align disparity`. Normals are [H, W, 3], x right, y up, z towards the viewer. Several maps come
        as a mapping by the names of the modality's outputs.
        """


class ModelAnswers(Answers):
    """The answers of such an object."""

    def __init__(self, model: Model, modality: Modality, name: str = "") -> None:
        self.model, self.modality = model, modality
        self.name = printable(name or _name_of(model))

    def answer(self, sample: Sample) -> Answer:
        """The maps as values. Raises `DataError` for a wrong shape, range or type, and for what the model raises."""
        photo = (sample.image * 255).round().clamp(0, 255).byte().permute(1, 2, 0).cpu().numpy()
        before = time.perf_counter()
        try:
            found = self.model.predict(np.ascontiguousarray(photo))
        except MarigoldError:
            raise
        except (Exception, SystemExit, GeneratorExit) as error:
            told = printable(f"{sample.key}: {self.name} fails ({type(error).__name__}: {shown(error)})")
            raise DataError(f"{told}; correct the model") from error
        seconds = {"predict": time.perf_counter() - before}
        return Answer(values(found, self.modality, sample, self.name), seconds=seconds)


def values(found: object, modality: Modality, sample: Sample, name: str) -> Tensor:
    """Maps [H, W], [H, W, C] or [C, H, W] by output name, or one alone, as values [C, H, W] of the modality.

    Raises `DataError` that names the sample for maps that are missing, of another size, no numbers or out of range.
    """
    outputs = modality.outputs
    maps = found if isinstance(found, Mapping) else {outputs[0]: found}
    if missing := [output for output in outputs if output not in maps]:
        told = printable(f"{sample.key}: {name} gives no {', '.join(missing)}")
        raise DataError(f"{told}; give a mapping with: {', '.join(outputs)}")
    counted = zip(outputs, modality.channels, strict=True)
    return torch.cat([checked(maps[output], output, count, sample, name) for output, count in counted])


def checked(found: object, output: str, channels: int, sample: Sample, name: str) -> Tensor:
    """One map as [C, H, W], float32. Raises `DataError`."""
    where, (height, width) = printable(f"{sample.key}: {output} of {name}"), sample.image.shape[-2:]
    try:
        given = _numbers(found)
    except (TypeError, ValueError, RuntimeError):
        kind = f" of {found.dtype}" if isinstance(found, np.ndarray | Tensor) else ""
        what = f"{type(found).__name__}{kind}, no array of numbers"
        raise DataError(f"{where} is {what}; give numbers [{height}, {width}]") from None
    wanted = [height, width] if channels == 1 else [height, width, channels]
    forms = {
        (channels, height, width): lambda x: x,
        (height, width, channels): lambda x: x.permute(2, 0, 1),
        **({(height, width): lambda x: x[None]} if channels == 1 else {}),
    }
    if (form := forms.get(tuple(given.shape))) is None:
        raise DataError(f"{where} is {list(given.shape)}; give {wanted}, the size of the photo")
    map_ = form(given)
    if not map_.isfinite().all():
        raise DataError(f"{where} holds NaN or infinite values; give a number for every pixel")
    low, high = (float(end) for end in map_.aminmax())
    if output in FIELDS and FIELDS[output].high < float("inf"):
        field = FIELDS[output]
        if low < field.low - SLACK or high > field.high + SLACK:
            told = f"{where} reaches from {low:g} to {high:g}"
            raise DataError(f"{told}; give {field.unit} from {field.low:g} to {field.high:g}")
    return map_


def _numbers(found: object) -> Tensor:
    """Any array of numbers as float32 on the CPU; what a NumPy array masks is NaN.

    Raises `TypeError`, `ValueError` or `RuntimeError` for what is none.
    """
    if isinstance(found, np.ma.MaskedArray):
        found = np.ma.filled(found.astype(np.float64), np.nan)
    if isinstance(found, np.ndarray):
        if found.dtype.kind not in "buif":
            raise TypeError
        with np.errstate(over="ignore"):  # infinite numbers are refused with the photo's name
            return torch.from_numpy(found.astype(np.float32))
    given = torch.as_tensor(found)  # pyright: ignore[reportArgumentType]
    if given.is_complex() or given.is_quantized or given.is_nested or given.layout != torch.strided:
        raise TypeError
    return given.detach().float().cpu()


def _name_of(model: Model) -> str:
    """What a model calls itself, or what its class is called. Raises `ConfigError` for a name that cannot be asked."""
    kind = type(model).__name__
    try:
        return str(getattr(model, "name", "")) or kind
    except Exception as error:
        told = printable(f"{kind}: its `name` fails ({type(error).__name__}: {shown(error)})")
        raise ConfigError(f"{told}; make it text") from error
