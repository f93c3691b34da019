"""One photo with its physical truth, and what geometry does to both: crop, resize, mirror by each field's own rule.

Every tensor may carry leading batch dimensions, so that a rendered batch is a `Sample` too.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.errors import DataError
from marigold.core.fields import FIELDS


@dataclass(frozen=True)
class Camera:
    """A pinhole camera; all in pixels, with the centre of the first pixel at (0.5, 0.5).

    Numbers; in a sample with a leading batch dimension, tensors [B] on the CPU.
    """

    fx: float | Tensor
    fy: float | Tensor
    cx: float | Tensor
    cy: float | Tensor


@dataclass(frozen=True)
class Sample:
    """Physical truth: no normalisation, no modality.

    `image` is [..., 3, H, W] in sRGB, 0 to 1. `maps` holds a field's values [..., C, H, W] in the field's unit (see
    `core/fields.py`), `valid` its mask [..., 1, H, W], bool, "may be used". `key` is unique and stable.

    `annotations` holds truth that is no map, such as people's judgements of pairs of points. Geometry leaves it as it
    is, so that places in it are shares of the height and width; samples of one batch have none.
    """

    key: str
    image: Tensor
    maps: dict[str, Tensor]
    valid: dict[str, Tensor]
    camera: Camera | None = None
    annotations: dict[str, Tensor] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> "Sample":
        """The same sample with its tensors on another device."""
        return self.each(lambda x: x.to(device))

    def usable(self, name: str) -> Tensor:
        """Where one field may be used, [..., 1, H, W], bool: allowed by the data set and finite in all channels."""
        return self.valid[name] & self.maps[name].isfinite().all(dim=-3, keepdim=True)

    def mirrored(self) -> "Sample":
        """Left and right exchanged; fields with direction change sign (`Field.mirror`)."""

        def flip(name: str, x: Tensor) -> Tensor:
            sign = x.new_tensor(FIELDS[name].mirror).view(-1, 1, 1) if name in FIELDS else 1
            return x.flip(-1) * sign

        camera = self.camera and replace(self.camera, cx=self.image.shape[-1] - self.camera.cx)
        return replace(self.by_field(flip, lambda x: x.flip(-1)), camera=camera)

    def cropped(self, top: int, left: int, height: int, width: int) -> "Sample":
        """The window of this size at (top, left), in pixels."""
        window = (..., slice(top, top + height), slice(left, left + width))
        camera = self.camera and replace(self.camera, cx=self.camera.cx - left, cy=self.camera.cy - top)
        return replace(self.each(lambda x: x[window]), camera=camera)

    def resized(self, height: int, width: int) -> "Sample":
        """Every map at another size, each by its field's rule; a mask keeps only pixels that all sources allow."""
        ratio_x, ratio_y = width / self.image.shape[-1], height / self.image.shape[-2]
        camera = self.camera and Camera(
            self.camera.fx * ratio_x, self.camera.fy * ratio_y, self.camera.cx * ratio_x, self.camera.cy * ratio_y
        )
        resized = self.by_field(
            lambda name, x: resize_field(name, x, height, width), lambda x: shrink_mask(x, height, width)
        )
        return replace(resized, camera=camera)

    def only(self, names: Iterable[str]) -> "Sample":
        """The photo with these fields alone, without its camera."""
        maps, valid = ({name: x[name] for name in names} for x in (self.maps, self.valid))
        return Sample(self.key, self.image, maps, valid)

    def each(self, change: Callable[[Tensor], Tensor]) -> "Sample":
        """Every tensor changed alike; the camera stays."""
        return self.by_field(lambda _, x: change(x), change)

    def by_field(self, on_map: Callable[[str, Tensor], Tensor], on_mask: Callable[[Tensor], Tensor]) -> "Sample":
        """Photo (called `image`) and maps changed by their names, and every mask; the camera stays."""
        return replace(
            self,
            image=on_map("image", self.image),
            maps={name: on_map(name, x) for name, x in self.maps.items()},
            valid={name: on_mask(x) for name, x in self.valid.items()},
        )


def resize_field(name: str, x: Tensor, height: int, width: int) -> Tensor:
    """A field's map [..., C, H, W] at another size by the field's rule; names without a field are smooth pictures."""
    rule = FIELDS[name].resize if name in FIELDS else "smooth"
    if rule == "nearest":
        return _interpolate(x, height, width, mode="nearest-exact")
    smooth = _interpolate(x, height, width, mode="bilinear", antialias=True)
    return unit(smooth) if rule == "unit" else smooth


def unit(vectors: Tensor, least: float = 1e-6) -> Tensor:
    """Vectors [..., C, H, W] at length 1; those shorter than `least` are divided by it.

    As `torch.nn.functional.normalize`, whose norm over a dimension that is not the last takes ten times as long on a
    CPU. Half precision is computed in single.
    """
    exact = vectors.to(torch.promote_types(vectors.dtype, torch.float32))
    length = exact.square().sum(dim=-3, keepdim=True).sqrt().clamp(min=least)
    return (exact / length).to(vectors.dtype)


def shrink_mask(valid: Tensor, height: int, width: int) -> Tensor:
    """A mask [..., 1, H, W] at another size; a pixel stays valid only if every pixel it is made from is valid."""
    return _interpolate(valid.float(), height, width, mode="bilinear", antialias=True) > 1 - 1e-4


def _interpolate(x: Tensor, height: int, width: int, **how: object) -> Tensor:
    flat = x.reshape(-1, *x.shape[-3:])
    return F.interpolate(flat, (height, width), **how).reshape(*x.shape[:-2], height, width)  # type: ignore[arg-type]


def stack(samples: list[Sample]) -> Sample:
    """Samples of equal size and fields as one sample with a leading batch dimension; the key lists theirs.

    Raises `DataError` naming the first sample that differs.
    """
    first = samples[0]
    for sample in samples:
        if sample.image.shape != first.image.shape or sample.maps.keys() != first.maps.keys():
            raise DataError(
                f"{sample.key}: {_described(sample)}, but {first.key} is {_described(first)}; a batch has one size and "
                "the same fields: read them one at a time (batch 1) or crop them to one size"
            )
    return Sample(
        key=" ".join(sample.key for sample in samples),
        image=torch.stack([sample.image for sample in samples]),
        maps={name: torch.stack([sample.maps[name] for sample in samples]) for name in first.maps},
        valid={name: torch.stack([sample.valid[name] for sample in samples]) for name in first.maps},
        camera=_stacked([sample.camera for sample in samples]),
    )


def unstack(sample: Sample, keys: list[str]) -> list[Sample]:
    """The samples of a sample with a leading batch dimension, with these keys."""
    return [
        replace(
            sample.each(lambda x, index=index: x[index]), key=key, camera=sample.camera and _one(sample.camera, index)
        )
        for index, key in enumerate(keys)
    ]


def _one(cameras: Camera, index: int) -> Camera:
    return Camera(*(float(getattr(cameras, field.name)[index]) for field in fields(Camera)))


def _stacked(cameras: list[Camera | None]) -> Camera | None:
    known = [camera for camera in cameras if camera is not None]
    if len(known) < len(cameras):
        return None
    values = ([getattr(camera, field.name) for camera in known] for field in fields(Camera))
    return Camera(*(torch.tensor(value, dtype=torch.float64) for value in values))


def _described(sample: Sample) -> str:
    return f"{sample.image.shape[-1]} x {sample.image.shape[-2]} with {', '.join(sample.maps) or 'no maps'}"


@dataclass(frozen=True)
class Batch:
    """What a training step sees.

    `image` [B, 3, H, W] and the target images `pixels` [B, N, 3, H, W] are in -1 to 1; `valid` [B, N, 1, H, W] is
    bool. `truth` holds the physical maps for objectives that reach pixels.
    """

    image: Tensor
    pixels: Tensor
    valid: Tensor
    truth: Sample

    def first(self, count: int) -> "Batch":
        """The first `count` samples."""
        truth = replace(self.truth.each(lambda x: x[:count]), camera=None)
        return Batch(self.image[:count], self.pixels[:count], self.valid[:count], truth)
