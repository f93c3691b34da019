"""Augmentation of a stacked sample on its device: geometry by each field's rule, photometry on the photo only."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.config import require
from marigold.core.fields import FIELDS
from marigold.core.sample import Sample, unit
from marigold.data import filters

_RANGES = (
    ("mirror blur motion_blur jitter grey noise jpeg", 0, 1),
    ("hue", 0, 0.5),
    ("brightness contrast saturation cast noise_level", 0, 10),
    ("sigma", 0, 100),
    ("zoom stretch", 1, 100),
    ("size", 0, 1 << 14),
    ("motion_length", 3, 101),
    ("lowest_quality highest_quality", 1, 100),
)
"""The smallest and the largest value of each setting."""


@dataclass(frozen=True)
class Augment:
    """Probabilities and strengths; each sample of a batch draws its own.

    What happens to a sample happens in the order of the settings. Mirror, blur, motion blur and jitter, with a `hue`
    and without a `cast`, are what the published training of normals names (Ke et al. 2025).
    """

    mirror: float = 0.5
    """Probability of a left-right mirror (fields with direction change sign)."""
    zoom: float = 1.0
    """The largest magnification: a random window of at least 1 / zoom of each side fills the frame."""
    stretch: float = 1.0
    """The largest change of the window's aspect ratio."""
    size: int = 0
    """Height and width in pixels: of each sample the largest square window is resized to it. 0 keeps the samples' own
    sizes, which must then be one."""
    blur: float = 0.0
    """Probability of a Gaussian blur."""
    sigma: float = 1.5
    """The largest standard deviation of the blur, in pixels."""
    motion_blur: float = 0.0
    """Probability of a blur along a straight line, in any direction."""
    motion_length: int = 11
    """The greatest length of the line, in pixels; it is odd, and 3 at least."""
    jitter: float = 0.0
    """Probability of a change of brightness, contrast, saturation and hue, in random order, and of a colour cast."""
    brightness: float = 0.3
    """The largest relative change of brightness."""
    contrast: float = 0.3
    """The largest relative change of contrast."""
    saturation: float = 0.5
    """The largest relative change of saturation."""
    hue: float = 0.0
    """The largest turn of all hues, as a share of the colour circle, at most 0.5."""
    cast: float = 0.1
    """The largest relative change of each colour channel."""
    grey: float = 0.0
    """Probability that the colours are removed."""
    noise: float = 0.0
    """Probability of pixel noise."""
    noise_level: float = 0.04
    """The largest standard deviation of the noise, where white is 1."""
    jpeg: float = 0.0
    """Probability of a compression as JPEG, on the CPU."""
    lowest_quality: int = 30
    """The lowest quality of the JPEG, 1 to 100."""
    highest_quality: int = 95
    """The highest quality of the JPEG."""

    @property
    def repeats(self) -> bool:
        """Whether a sample comes in no more than two ways: as it is, and mirrored."""
        return self == Augment(mirror=self.mirror, size=self.size)

    def __post_init__(self) -> None:
        for names, low, high in _RANGES:
            for name in names.split():
                value = getattr(self, name)
                require(low <= value <= high, f"augment.{name}", value, f"{low} to {high}")
        require(self.motion_length % 2 == 1, "augment.motion_length", self.motion_length, "an odd number")
        ordered = self.lowest_quality <= self.highest_quality
        require(ordered, "augment.lowest_quality", self.lowest_quality, "at most `highest_quality`")


def augment(sample: Sample, how: Augment, rng: torch.Generator) -> Sample:
    """A changed copy of a stacked sample (leading dimension B), without its camera; `rng` is a CPU generator."""
    sample = geometric(sample, how, rng)
    return replace(sample, image=photometric(sample.image, how, rng))


def geometric(sample: Sample, how: Augment, rng: torch.Generator) -> Sample:
    """The part of `augment` that moves pixels: mirror, window and size, of photo and maps alike, each by its rule.

    A pixel of a mask stays valid only if every pixel that it is made from is valid.
    """
    sample = mirrored(replace(sample, camera=None), mirrors(how, len(sample.image), rng))
    if how.zoom > 1 or how.stretch > 1:
        sample = _windowed(sample, how, rng)
    return sample.resized(how.size, how.size) if how.size else sample


def photometric(image: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    """The part of `augment` that changes photos alone, [B, 3, H, W] in sRGB, 0 to 1: blur, colours, noise, JPEG."""
    image = image.clamp(0, 1)
    for probability, change in _CHANGES:
        if share := getattr(how, probability):
            image = change(image, _coin(image, share, rng), how, rng)
    return image


def mirrors(how: Augment, count: int, rng: torch.Generator) -> Tensor:
    """Which of so many samples are mirrored, bool [count]: the first that `augment` draws."""
    return torch.rand(count, generator=rng).lt(how.mirror)


def mirrored(sample: Sample, which: Tensor) -> Sample:
    """A stacked sample of which these, bool [B], are mirrored."""
    return _choose(which, sample.mirrored(), sample) if bool(which.any()) else sample


def _coin(image: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    """Which of the photos are chosen, bool [B], on the CPU."""
    return torch.rand(len(image), generator=rng).lt(probability)


def _choose(which: Tensor, yes: Sample, no: Sample) -> Sample:
    which = which.to(no.image.device).view(-1, 1, 1, 1)
    return replace(
        no,
        image=torch.where(which, yes.image, no.image),
        maps={name: torch.where(which, yes.maps[name], no.maps[name]) for name in no.maps},
        valid={name: torch.where(which, yes.valid[name], no.valid[name]) for name in no.valid},
    )


def _windowed(sample: Sample, how: Augment, rng: torch.Generator) -> Sample:
    """A random window of every sample at the full size; each map is sampled by its field's rule."""
    count = len(sample.image)
    uniform = torch.rand(count, 4, generator=rng)
    size = how.zoom ** -uniform[:, :1]
    ratio = how.stretch ** (uniform[:, 1:2] - 0.5)
    extent = (size * torch.cat((ratio, 1 / ratio), dim=1)).clamp(max=1)
    centre = (1 - extent) * (2 * uniform[:, 2:] - 1)
    theta = torch.zeros(count, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = extent[:, 0], extent[:, 1], centre
    grid = F.affine_grid(theta.to(sample.image.device), list(sample.image.shape), align_corners=False)

    def cut(x: Tensor, mode: str) -> Tensor:
        return F.grid_sample(x.float(), grid, mode=mode, padding_mode="border", align_corners=False)

    def by_rule(name: str, x: Tensor) -> Tensor:
        rule = FIELDS[name].resize if name in FIELDS else "smooth"
        if rule == "nearest":
            return cut(x, "nearest")
        return unit(cut(x, "bilinear")) if rule == "unit" else cut(x, "bilinear")

    return sample.by_field(by_rule, lambda x: cut(x, "bilinear") > 1 - 1e-4)


def _blur(image: Tensor, which: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    # Four standard deviations of the widest one: as published, 33 pixels for 4.
    filter_ = partial(filters.gaussian_blur, radius=int(4 * how.sigma + 0.5))
    return _apply(filter_, image, which, _uniform(which, 0, how.sigma, rng))


def _motion_blur(image: Tensor, which: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    length = 3 + 2 * torch.randint((how.motion_length - 1) // 2, (len(which),), generator=rng)
    return _apply(filters.motion_blur, image, which, length, _uniform(which, 0, 360, rng))


def _jitter(image: Tensor, which: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    adjustments = (
        (filters.adjust_brightness, _around_one(which, how.brightness, rng)),
        (filters.adjust_contrast, _around_one(which, how.contrast, rng)),
        (filters.adjust_saturation, _around_one(which, how.saturation, rng)),
        (filters.adjust_hue, _uniform(which, -how.hue, how.hue, rng)),
    )
    # [B, 4]: which adjustment comes first, second, ... for each sample
    order = torch.rand(len(which), len(adjustments), generator=rng).argsort(dim=1)
    for turn in order.unbind(dim=1):
        for number, (adjust, strength) in enumerate(adjustments):
            image = _apply(adjust, image, which & (turn == number), strength)
    factors = torch.stack([_around_one(which, how.cast, rng) for _ in range(3)], dim=1)
    return _apply(filters.colour_cast, image, which, factors) if how.cast else image


def _grey(image: Tensor, which: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    return _apply(filters.greyscale, image, which)


def _noise(image: Tensor, which: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    level = _uniform(which, 0, how.noise_level, rng)
    seed = int(torch.randint(2**62, (1,), generator=rng))
    filter_ = partial(filters.grain, rng=torch.Generator(image.device).manual_seed(seed))
    return _apply(filter_, image, which, level)


def _jpeg(image: Tensor, which: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    quality = torch.randint(how.lowest_quality, how.highest_quality + 1, (len(which),), generator=rng)
    return _apply(filters.jpeg, image, which, quality)


_CHANGES = (
    ("blur", _blur),
    ("motion_blur", _motion_blur),
    ("jitter", _jitter),
    ("grey", _grey),
    ("noise", _noise),
    ("jpeg", _jpeg),
)
"""What happens to photos, in this order, by the setting that holds its probability."""


def _uniform(which: Tensor, low: float, high: float, rng: torch.Generator) -> Tensor:
    """A number for each sample, [B]."""
    return low + (high - low) * torch.rand(len(which), generator=rng)


def _around_one(which: Tensor, change: float, rng: torch.Generator) -> Tensor:
    """A factor for each sample, [B], that differs from 1 by so much at most and is not negative."""
    return _uniform(which, max(0.0, 1 - change), 1 + change, rng)


def _apply(change: Callable[..., Tensor], image: Tensor, which: Tensor, *numbers: Tensor) -> Tensor:
    """The photos with those changed that are chosen, each by its own of the numbers."""
    rows = which.nonzero().flatten()
    if len(rows) == 0:
        return image
    if len(rows) == len(image):
        return change(image, *numbers)
    there = rows.to(image.device)
    return image.index_copy(0, there, change(image[there], *(every[rows] for every in numbers)))
