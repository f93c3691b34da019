"""Augmentation of a stacked sample on its device: geometry by each field's rule, photometry on the photo only."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.config import require
from marigold.core.fields import FIELDS
from marigold.core.sample import Sample

_RANGES = (
    ("mirror jitter blur noise grey", 0, 1),
    ("brightness contrast saturation cast noise_level", 0, 10),
    ("sigma", 0, 100),
    ("zoom stretch", 1, 100),
    ("size", 0, 1 << 14),
)
"""The smallest and the largest value of each setting."""


@dataclass(frozen=True)
class Augment:
    """Probabilities and strengths; each sample of a batch draws its own."""

    mirror: float = 0.5
    """Probability of a left-right mirror (fields with direction change sign)."""
    zoom: float = 1.0
    """The largest magnification: a random window of at least 1 / zoom of each side fills the frame."""
    stretch: float = 1.0
    """The largest change of the window's aspect ratio."""
    size: int = 0
    """Height and width in pixels: of each sample the largest square window is resized to it. 0 keeps the samples' own
    sizes, which must then be one."""
    jitter: float = 0.0
    """Probability of a change of brightness, contrast, saturation and colour cast."""
    brightness: float = 0.3
    """The largest relative change of brightness."""
    contrast: float = 0.3
    """The largest relative change of contrast."""
    saturation: float = 0.5
    """The largest relative change of saturation."""
    cast: float = 0.1
    """The largest relative change of each colour channel."""
    blur: float = 0.0
    """Probability of a Gaussian blur."""
    sigma: float = 1.5
    """The largest standard deviation of the blur, in pixels."""
    noise: float = 0.0
    """Probability of pixel noise."""
    noise_level: float = 0.04
    """The largest standard deviation of the noise, where white is 1."""
    grey: float = 0.0
    """Probability that the colours are removed."""

    @property
    def repeats(self) -> bool:
        """Whether a sample comes in no more than two ways: as it is, and mirrored."""
        return self == Augment(mirror=self.mirror, size=self.size)

    def __post_init__(self) -> None:
        for names, low, high in _RANGES:
            for name in names.split():
                value = getattr(self, name)
                require(low <= value <= high, f"augment.{name}", value, f"{low} to {high}")


def augment(sample: Sample, how: Augment, rng: torch.Generator) -> Sample:
    """A changed copy of a stacked sample (leading dimension B); `rng` is a CPU generator."""
    sample = mirrored(sample, mirrors(how, len(sample.image), rng))
    if how.zoom > 1 or how.stretch > 1:
        sample = _windowed(sample, how, rng)
    if how.size:
        sample = sample.resized(how.size, how.size)
    image = _jitter(sample.image, how, rng)
    image = _blur(image, how, rng)
    image = _noise(image, how, rng)
    return Sample(sample.key, image.clamp(0, 1), sample.maps, sample.valid)


def mirrors(how: Augment, count: int, rng: torch.Generator) -> Tensor:
    """Which of so many samples are mirrored, bool [count]: the first that `augment` draws."""
    return torch.rand(count, generator=rng).lt(how.mirror)


def mirrored(sample: Sample, which: Tensor) -> Sample:
    """A stacked sample of which these, bool [B], are mirrored."""
    return _choose(which.view(-1, 1, 1, 1), sample.mirrored(), sample) if bool(which.any()) else sample


def _coin(image: Tensor, probability: float, rng: torch.Generator) -> Tensor:
    return torch.rand(len(image), generator=rng).lt(probability).view(-1, 1, 1, 1)


def _choose(which: Tensor, yes: Sample, no: Sample) -> Sample:
    which = which.to(no.image.device)
    return Sample(
        no.key,
        torch.where(which, yes.image, no.image),
        {name: torch.where(which, yes.maps[name], no.maps[name]) for name in no.maps},
        {name: torch.where(which, yes.valid[name], no.valid[name]) for name in no.valid},
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
        return F.normalize(cut(x, "bilinear"), dim=1, eps=1e-6) if rule == "unit" else cut(x, "bilinear")

    return sample.by_field(by_rule, lambda x: cut(x, "bilinear") > 1 - 1e-4)


def _around_one(image: Tensor, strength: float, channels: int, rng: torch.Generator) -> Tensor:
    draw = 1 + strength * (2 * torch.rand(len(image), channels, 1, 1, generator=rng) - 1)
    return draw.to(image)


def _jitter(image: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    if how.jitter == 0 and how.grey == 0:
        return image
    brightness, contrast, saturation = (
        _around_one(image, strength, 1, rng) for strength in (how.brightness, how.contrast, how.saturation)
    )
    cast = _around_one(image, how.cast, 3, rng)
    changed = _coin(image, how.jitter, rng).to(image.device)
    colourless = _coin(image, how.grey, rng).to(image.device)
    grey = image.mean(dim=1, keepdim=True)
    mean = image.mean(dim=(1, 2, 3), keepdim=True)
    bright = (mean + (grey + (image - grey) * saturation - mean) * contrast) * brightness * cast
    jittered = torch.where(changed, bright, image)
    return torch.where(colourless, jittered.mean(dim=1, keepdim=True).expand_as(image), jittered)


def _blur(image: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    if how.blur == 0:
        return image
    sigma = (how.sigma * torch.rand(len(image), 1, generator=rng)).clamp(min=0.1)
    radius = int(3 * how.sigma + 0.5)
    offset = torch.arange(-radius, radius + 1)
    kernel = torch.softmax(-0.5 * (offset / sigma).square(), dim=1).to(image)
    blurred = _separable(image, kernel)
    return torch.where(_coin(image, how.blur, rng).to(image.device), blurred, image)


def _separable(image: Tensor, kernel: Tensor) -> Tensor:
    """Each image [B, C, H, W] with its own kernel [B, K], along both axes."""
    batch, channels, height, width = image.shape
    weight, radius = kernel.repeat_interleave(channels, dim=0), kernel.shape[1] // 2
    flat = F.pad(image.reshape(1, batch * channels, height, width), (radius,) * 4, mode="replicate")
    flat = F.conv2d(flat, weight[:, None, None, :], groups=batch * channels)
    return F.conv2d(flat, weight[:, None, :, None], groups=batch * channels).view_as(image)


def _noise(image: Tensor, how: Augment, rng: torch.Generator) -> Tensor:
    if how.noise == 0:
        return image
    level = how.noise_level * torch.rand(len(image), 1, 1, 1, generator=rng) * _coin(image, how.noise, rng)
    seed = int(torch.randint(2**62, (1,), generator=rng))
    device_rng = torch.Generator(image.device).manual_seed(seed)
    grain = torch.randn(image.shape, generator=device_rng, device=image.device, dtype=image.dtype)
    return image + level.to(image) * grain
