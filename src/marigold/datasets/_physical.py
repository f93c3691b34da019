"""Decoded arrays as physical fields with their masks: what is not finite or out of range becomes invalid, and 0."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from marigold.core.errors import DataError
from marigold.core.sample import Sample

Masked = tuple[Tensor, Tensor]
"""A field's values [C, H, W], float32, and where they may be used, [1, H, W], bool."""


def metres(depth: np.ndarray, nearest: float, farthest: float) -> Masked:
    """Depth [H, W] in metres; valid strictly between `nearest` and `farthest` (metres)."""
    with np.errstate(over="ignore", invalid="ignore"):
        depth = depth.astype(np.float32)
        valid = np.isfinite(depth) & (depth > nearest) & (depth < farthest)
    return _masked(depth[None], valid[None])


def triangulated(disparity: np.ndarray, focal: float, baseline: float, offset: float = 0) -> np.ndarray:
    """Depth [H, W] of disparity [H, W] in pixels: focal * baseline / (disparity + offset), in the baseline's unit.

    The focal length and `offset`, by which the two cameras' principal points differ, are in pixels. Depth is 0 where
    the disparity is not finite, or nothing is seen by two cameras: disparity + offset is not above 0.
    """
    total = disparity.astype(np.float64) + offset
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.where(np.isfinite(total) & (total > 0), focal * baseline / total, 0)


def vectors(stored: np.ndarray, where: str) -> np.ndarray:
    """An array that is normals, [H, W, 3] floats, itself. Raises `DataError` for another."""
    if stored.ndim != 3 or stored.shape[-1] != 3 or stored.dtype.kind != "f":
        told = f"{stored.dtype} {list(stored.shape)}, not normals [H, W, 3]"
        raise DataError(f"{where}: {told}; give lists with the normals in their second column")
    return stored


def unit_vectors(vectors: np.ndarray, shortest: float, longest: float = float("inf")) -> Masked:
    """Vectors [H, W, 3] of any scale, normalised; valid where their length lies strictly between the two."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        vectors = vectors.astype(np.float64)
        length = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
        valid = np.isfinite(length) & (length > shortest) & (length < longest)
        unit = vectors / length
    return _masked(unit.transpose(2, 0, 1), valid.transpose(2, 0, 1))


def where_allowed(field: Masked, allowed: np.ndarray, where: str) -> Masked:
    """A field that is valid only where `allowed` [H, W] or [H, W, 1], of any number type, is not 0.

    Raises `DataError`, naming `where` the mask is from, for one of another size.
    """
    allowed = allowed[..., 0] if allowed.ndim == 3 else allowed
    values, valid = field
    if allowed.shape != values.shape[-2:] or allowed.dtype.kind not in "biuf":
        size = f"{values.shape[-1]} x {values.shape[-2]}"
        told = f"{allowed.dtype} {list(allowed.shape)}"
        raise DataError(f"{where}: a mask {told} for values of {size}; download both again")
    valid = valid & torch.from_numpy(np.isfinite(allowed) & (allowed != 0))
    return torch.where(valid, values, torch.zeros_like(values)), valid


def fractions(values: np.ndarray) -> Masked:
    """Values [H, W, C] that are 0 to 1 by their meaning, clipped to it; valid where all channels are finite."""
    values = values.astype(np.float32).transpose(2, 0, 1)
    return _masked(values.clip(0, 1), np.asarray(np.isfinite(values).all(axis=0, keepdims=True)))


def drawn(edges: np.ndarray, where: str) -> Masked:
    """A drawing [H, W] that is not 0 on an edge: 1 there and 0 elsewhere, valid everywhere. Raises `DataError`."""
    if edges.ndim != 2 or edges.dtype.kind not in "buif":
        raise DataError(f"{where}: {edges.dtype} {list(edges.shape)}, not a drawing [H, W]; download it again")
    return _masked((edges != 0).astype(np.float32)[None], np.ones((1, *edges.shape), bool))


def assembled(key: str, image: Tensor, maps: Mapping[str, Masked]) -> Sample:
    """A sample of the photo and its fields. Raises `DataError` for one of another size than the photo."""
    height, width = image.shape[-2:]
    for name, (values, _) in maps.items():
        if values.shape[-2:] != image.shape[-2:]:
            found = f"{values.shape[-1]} x {values.shape[-2]}"
            raise DataError(f"{key}: {name} is {found}, the photo {width} x {height}; download both again")
    return Sample(
        key, image, {name: pair[0] for name, pair in maps.items()}, {name: pair[1] for name, pair in maps.items()}
    )


def _masked(values: np.ndarray, valid: np.ndarray) -> Masked:
    kept = np.where(valid, values, 0).astype(np.float32)
    return torch.from_numpy(kept), torch.from_numpy(np.ascontiguousarray(valid))
