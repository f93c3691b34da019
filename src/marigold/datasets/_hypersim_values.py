"""What Hypersim's arrays mean: each as a field [H, W, C] with the pixels that may be used, bool [H, W]."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from marigold.core.errors import DataError
from marigold.core.sample import Camera, Sample

Values = tuple[np.ndarray, np.ndarray]
FIELDS = {"depth": 1, "normals": 3, "albedo": 3, "shading": 3, "residual": 3}
"""The channels of each."""
NEAREST, FARTHEST = 1e-5, 65.0
"""Metres between which the published training takes depth for valid, both excluded."""


def depth(metres: np.ndarray) -> Values:
    """Planar depth, valid within the published range."""
    with np.errstate(invalid="ignore"):
        return metres, ((metres > NEAREST) & (metres < FARTHEST))[..., 0]


def normals(vectors: np.ndarray) -> Values:
    """Vectors brought to length 1, valid where they have a direction: finite and not 0."""
    with np.errstate(invalid="ignore", over="ignore"):
        length = np.sqrt((vectors**2).sum(axis=-1))
    valid = np.isfinite(length) & (length > 0)
    return vectors / np.where(valid, length, np.float32(1))[..., None], valid


def albedo(values: np.ndarray) -> Values:
    """Reflectance cut to 0 to 1, valid where it is finite and not 0 in all channels."""
    finite, black = np.isfinite(values).all(axis=-1), (values == 0).all(axis=-1)
    return np.clip(values, 0, 1), np.asarray(finite & ~black)


def radiance(values: np.ndarray) -> Values:
    """Linear light, what is below 0 as 0, valid where it is finite."""
    return np.maximum(values, 0), np.asarray(np.isfinite(values).all(axis=-1))


def checked_shape(array: np.ndarray, where: str, channels: int, size: tuple[int, ...] = ()) -> np.ndarray:
    """Numbers [H, W] or [H, W, channels] as float32 [H, W, channels].

    Raises `DataError` for another shape, another `size` (H, W) than the photo's, and for what is no number.
    """
    shaped = array[..., None] if channels == 1 and array.ndim == 2 else array
    if shaped.ndim != 3 or shaped.shape[-1] != channels or array.dtype.kind not in "fiu" or not array.size:
        raise DataError(f"{where}: {array.dtype} {list(array.shape)}, not numbers [H, W, {channels}]; {_AGAIN}")
    if size and shaped.shape[:2] != size:
        raise DataError(f"{where}: {list(shaped.shape[:2])} pixels, the photo has {list(size)}; {_AGAIN}")
    with np.errstate(over="ignore"):
        return shaped.astype(np.float32)


def sample(key: str, image: Tensor, fields: Mapping[str, Values], camera: Camera | None) -> Sample:
    """A photo [3, H, W] with its fields, which are 0 wherever they may not be used."""
    maps, valid = {}, {}
    for name, (values, mask) in fields.items():
        maps[name] = planes(np.where(mask[..., None], values, np.float32(0)))
        valid[name] = torch.from_numpy(mask)[None]
    return Sample(key, image, maps, valid, camera)


def planes(array: np.ndarray) -> Tensor:
    """[H, W, C] as [C, H, W]."""
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))


_AGAIN = "download it again"
