"""Normals, albedo and masks of somebody's own as physical fields."""

import re
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from marigold.core.colour import srgb_to_linear
from marigold.core.errors import DataError
from marigold.datasets import _pair_files, _physical
from marigold.datasets._physical import Masked

Space = Literal["file", "srgb", "linear"]

AXES = re.compile(r"[+-]([xyz]) [+-](?!\1)([xyz]) [+-](?!\1|\2)[xyz]")
"""Three signed axes, each of them once."""
_UNSURE = 0.02
"""How far from 1 the usual length of unit vectors may be, as 16-bit floats and resizing leave it."""
_SHORTEST, _LONGEST = 0.5, 1.5
"""Lengths between which a stored normal counts: zero does not, nor do the black and white of a picture."""


def normals(content: bytes, where: str, axes: str) -> Masked:
    """Unit vectors in our axes. Raises `DataError`, also where there is none.

    The whole range of a picture stands for -1 to 1. `axes` says of the stored channels in turn along which of our axes
    each runs, and which way: `+x -y -z` is the usage of computer vision.
    """
    numbers, is_picture, opaque = _three(content, where, "XYZ")
    numbers = numbers * 2 - 1 if is_picture else _signed(numbers, where)
    turned = np.empty_like(numbers)
    for place, (sign, axis) in enumerate(axes.split()):
        turned[..., "xyz".index(axis)] = numbers[..., place] * (1 if sign == "+" else -1)
    values, valid = _physical.unit_vectors(turned, _SHORTEST, _LONGEST)
    return values, _some(valid & opaque, where, "normals has no vector of about length 1; save unit vectors")


def albedo(content: bytes, where: str, space: Space) -> Masked:
    """Linear reflectance. Raises `DataError`, also where none of it is a number.

    `file` stands for what is usual: pictures are in sRGB and floats are linear.
    """
    numbers, is_picture, opaque = _three(content, where, "RGB")
    values, valid = _physical.fractions(numbers)
    is_srgb = is_picture if space == "file" else space == "srgb"
    valid = _some(valid & opaque, where, "albedo has no pixel that is a number; leave the sample out")
    if np.median(numbers[valid[0].numpy()]) > 1:
        remedy = "divide it by the number that stands for white"
        raise DataError(f"{where}: albedo is above 1 for the most part, and no surface reflects as much; {remedy}")
    return srgb_to_linear(values) if is_srgb else values, valid


def mask(content: bytes, where: str) -> Masked:
    """A mask, valid where it is not zero in any of its channels. Raises `DataError`."""
    numbers = _pair_files.stored(content, where, sorted)
    numbers = numbers[..., None] if numbers.ndim == 2 else numbers
    valid = torch.from_numpy((numbers != 0).all(axis=-1, keepdims=True).transpose(2, 0, 1).copy())
    return valid.float(), valid


def _three(content: bytes, where: str, names: str) -> tuple[np.ndarray, bool, Tensor]:
    """Three channels [H, W, 3] float32, 0 to 1 where they are a picture; whether they are; where it is opaque."""
    numbers = _pair_files.stored(content, where, lambda there: names if {*names} <= there else "RGB")
    if numbers.ndim == 3 and numbers.shape[0] == 3 and numbers.shape[-1] not in (3, 4):
        numbers = numbers.transpose(1, 2, 0)
    if numbers.ndim != 3 or numbers.shape[-1] not in (3, 4):
        raise DataError(f"{where}: is {list(numbers.shape)}, not [H, W, 3]; save three channels")
    if (kind := numbers.dtype).kind not in "uf":
        raise DataError(f"{where}: holds {kind}; save floats, or a picture of 8 or 16 bits")
    opaque = numbers[None, ..., 3] > 0 if numbers.shape[-1] == 4 else np.ones((1, *numbers.shape[:2]), bool)
    with np.errstate(over="ignore"):
        colours = numbers[..., :3].astype(np.float32)
    is_picture = kind.kind == "u"
    return colours / np.iinfo(kind).max if is_picture else colours, is_picture, torch.from_numpy(opaque)


def _signed(numbers: np.ndarray, where: str) -> np.ndarray:
    """Vectors that were stored as floats. Raises `DataError` for those that are 0 to 1, as in a picture."""
    with np.errstate(all="ignore"):
        vectors = numbers[np.isfinite(numbers).all(axis=-1) & (numbers != 0).any(axis=-1)]
        if vectors.size and vectors.min() >= 0 and not _are_units(vectors) and _are_units(vectors * 2 - 1):
            remedy = "save 2 n - 1, which is from -1 to 1, or a picture"
            raise DataError(f"{where}: normals holds floats from 0 to 1, as pictures have them; {remedy}")
    return numbers


def _are_units(vectors: np.ndarray) -> bool:
    """Whether the usual length of vectors [N, 3] is 1."""
    return abs(float(np.median(np.linalg.norm(vectors, axis=-1))) - 1) < _UNSURE


def _some(valid: Tensor, where: str, complaint: str) -> Tensor:
    if not valid.any():
        raise DataError(f"{where}: {complaint}")
    return valid
