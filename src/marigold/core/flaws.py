"""What is wrong with a sample: the check at the border where code of others hands one over."""

from collections.abc import Mapping
from dataclasses import fields

import torch
from torch import Tensor

from marigold.core.console import printable
from marigold.core.fields import FIELDS
from marigold.core.sample import Camera, Sample

_ROUNDING = 0.01
"""How far a photo's values may lie outside 0 to 1."""


def flaw(sample: object, batch: tuple[int, ...] = ()) -> str:
    """What of a sample breaks the promise of `Sample`, on one line; empty where nothing does.

    `batch` is its leading dimension, (B,), where it has one. Maps may be NaN anywhere: such pixels are not used.
    """
    if not isinstance(sample, Sample):
        return f"a {type(sample).__name__} is no Sample"
    if not isinstance(sample.key, str):
        return f"its key is of type {type(sample.key).__name__}, not text"
    return _of_image(sample.image, batch) or _of_maps(sample, batch) or _of_camera(sample.camera, batch)


def _of_image(image: Tensor, batch: tuple[int, ...]) -> str:
    shape = tuple(image.shape) if isinstance(image, Tensor) else ()
    if found := _of_tensor("image", image, (*batch, 3, *(max(1, side) for side in shape[-2:]))):
        return found
    low, high = image.detach().aminmax()
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # neither holds for NaN
        return f"image reaches from {float(low):g} to {float(high):g}, not 0 to 1"
    return ""


def _of_maps(sample: Sample, batch: tuple[int, ...]) -> str:
    maps, valid, size = sample.maps, sample.valid, sample.image.shape[-2:]
    if not isinstance(maps, Mapping) or not isinstance(valid, Mapping) or not maps.keys() <= valid.keys():
        return "maps and valid are no mappings with a mask for each map"
    for name, values in maps.items():
        if not isinstance(name, str):
            return f"a map's name is of type {type(name).__name__}, not text"
        some = values.shape[-3] if isinstance(values, Tensor) and values.ndim > 2 else 1
        shape = (*batch, FIELDS[name].channels if name in FIELDS else some, *size)
        found = _of_tensor(name, values, shape) or _of_tensor(f"{name}'s mask", valid[name], (*batch, 1, *size), True)
        if found:
            return printable(found)
    return ""


def _of_tensor(name: str, x: object, shape: tuple[int, ...], mask: bool = False) -> str:
    if not isinstance(x, Tensor) or x.layout != torch.strided or x.is_meta:
        return f"{name} is no dense tensor that holds values"
    if tuple(x.shape) != shape:
        return f"{name} is {list(x.shape)}, not {list(shape)}"
    if not (x.dtype == torch.bool if mask else x.is_floating_point()):
        return f"{name} is of type {str(x.dtype).removeprefix('torch.')}, not {'bool' if mask else 'float'}"
    return ""


def _of_camera(camera: object, batch: tuple[int, ...]) -> str:
    if camera is None:
        return ""
    try:
        numbers = [torch.as_tensor(getattr(camera, field.name), dtype=torch.float64) for field in fields(Camera)]
    except (AttributeError, TypeError, ValueError, RuntimeError, OverflowError):
        return "camera holds something else than numbers"
    if any(tuple(number.shape) != batch or not number.isfinite().all() for number in numbers):
        return "camera holds numbers of a wrong shape, or that are not finite"
    return "" if all((number > 0).all() for number in numbers[:2]) else "camera has a focal length that is not above 0"
