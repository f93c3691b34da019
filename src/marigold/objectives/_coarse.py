"""What a refiner is shown of a whole photo: a frozen model's target images, and where they are near the truth."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.checkpoints import store
from marigold.compat.base import rules
from marigold.core.errors import ConfigError
from marigold.core.find import name_of
from marigold.estimator import Estimator
from marigold.measure.alignment import least_squares
from marigold.modalities.base import Modality
from marigold.predict.settings import Request


@lru_cache(maxsize=1)
def opened(name: str, device: str) -> Estimator:
    """The frozen checkpoint of this name, which all phases of a run share. Raises what `store.open` raises."""
    return store.open(name, device=device).requires_grad_(False)


def check(coarse: Estimator, name: str, modality: Modality) -> None:
    """Raises `ConfigError` for a checkpoint that does not make a photo into target images of just this modality."""
    if coarse.backbone.conditions != 1:
        seen = "no photo" if not coarse.backbone.conditions else "more than the photo"
        raise ConfigError(f"refine: coarse: `{name}` sees {seen}; name a checkpoint that predicts from a photo alone")
    if coarse.modality != modality:
        raise ConfigError(
            f"refine: coarse: `{name}` predicts other target images than those of recipe.modality ({name_of(modality)}"
            "); state the settings of its own modality there"
        )


@torch.no_grad()
def predicted(coarse: Estimator, image: Tensor, steps: int) -> Tensor:
    """The target images [B, N, 3, h, w] of photos [B, 3, H, W], both in -1 to 1, at the size that the model works at.

    They are those of the map that `marigold predict` gives with one member: the resolution is that of the model's card,
    and every photo starts from the noise of seed 0. What the map does not show, such as colours in an image of depth,
    is not in them.
    """
    settings = Request(steps=steps, ensemble=1, tta="none").settings(coarse.card.defaults)
    follows, backbone = rules(settings.compat), coarse.backbone
    height, width = image.shape[-2:]
    size = follows.working_size(height, width, settings.resolution, settings.sizing, backbone.stride)
    condition = coarse.encode_image(follows.fill((image + 1) / 2, size, settings.resample_input))
    sampling = coarse.sampling(settings.steps, settings.spacing)
    shape = (backbone.targets * backbone.latent_channels, *follows.latent_size(size))
    (drawn,) = follows.draw(shape, 1, sampling.draws, settings.seed)
    start, *later = (noise.expand(len(image), *shape) for noise in drawn.to(image.device))
    latents = coarse.sample(condition, start, sampling, fresh=later.__getitem__)
    pixels = follows.crop(coarse.decode_pixels(latents).float(), size)
    members = coarse.modality.decode(pixels).split(1)
    values = torch.stack([follows.ensemble(coarse.modality, one, settings.reduction)[0] for one in members])
    return coarse.modality.target_images(values, pixels).clamp(-1, 1)


def enlarged(pixels: Tensor, height: int, width: int) -> Tensor:
    """Target images [B, N, 3, h, w] at another size, in -1 to 1: bilinear, antialiased where they shrink."""
    resized = F.interpolate(pixels.flatten(0, 1), (height, width), mode="bilinear", antialias=True)
    return resized.unflatten(0, pixels.shape[:2]).clamp(-1, 1)


def aligned(coarse: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Target images [B, N, 3, H, W] by each one's scale and shift that bring it closest to the truth, -1 to 1.

    By least squares over the valid pixels [B, N, 1, H, W] of the whole image, in the space of the target (Zhang et al.
    2024, BetterDepth, sec. 3.2).
    """
    x, y, ok = (map_.expand_as(truth).flatten(2, 3) for map_ in (coarse, truth, valid))
    scale, shift = (number[..., None, None, None].to(truth) for number in least_squares(x, y, ok))
    return (scale * coarse + shift).clamp(-1, 1)


def near(coarse: Tensor, truth: Tensor, valid: Tensor, patch: int, eta: float) -> Tensor:
    """Where coarse target images [B, N, 3, H, W] may stand for the truth's shape: bool [B, N, 1, H, W].

    That is in all pixels of a patch of `patch` pixels a side where ||coarse - truth||_2 is at most patch * eta (Zhang
    et al. 2024, sec. 3.2), which is a root mean square of eta. The mean is over its valid pixels, so that a patch that
    the border cuts is judged alike.
    """
    height, width = truth.shape[-2:]
    square = torch.where(valid, (coarse - truth).square().mean(dim=2, keepdim=True), 0.0)
    total, count = (
        F.avg_pool2d(map_.float().flatten(1, 2), patch, ceil_mode=True, divisor_override=1) for map_ in (square, valid)
    )
    close = (total <= eta**2 * count).repeat_interleave(patch, dim=-2).repeat_interleave(patch, dim=-1)
    return close[..., :height, :width].unsqueeze(2)
