"""From light on the sensor to a developed picture: exposure, white balance, noise, tone curve, saturation.

Every parameter is [B, 1, 1, 1], one for each image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.colour import luminance
from marigold_scenes.hashing import hash_bits


def expose(linear: Tensor, key: Tensor, highlights: Tensor, stops: Tensor) -> Tensor:
    """Light [B, 3, H, W] scaled so that its log-average becomes `key`, or its 90th percentile 0.6, or in between.

    `highlights` is the weight of the second rule; `stops` is the photographer's error. The scale of `linear` cancels.
    """
    # [B, 2304] brightness of a thumbnail
    small = F.adaptive_avg_pool2d(luminance(linear), 48).flatten(1)
    mean = small.mean(1, keepdim=True).clamp(min=1e-12)
    # exp(mean(log)), with zero kept finite
    average = mean * (small / mean).clamp(min=1e-3).log().mean(1, keepdim=True).exp()
    bright = small.sort(1).values[:, int(0.9 * small.shape[1])][:, None].clamp(min=1e-12)
    average, bright = average[..., None, None], bright[..., None, None]
    # A geometric mean of the two rules: [B, 1, 1, 1]
    gain = (key / average) ** (1 - highlights) * (0.6 / bright) ** highlights * 2**stops
    return linear * gain


def balance(light: Tensor, amount: Tensor, cast_red: Tensor, cast_blue: Tensor) -> Tensor:
    """White balance of light [B, 3, H, W]: the lamp's estimated colour removed by `amount`, then a cast in log units.

    The estimate is the fourth-power mean, which leans towards bright surfaces (Finlayson and Trezzi 2004).
    """
    small = F.adaptive_avg_pool2d(light, 48).clamp(0, 2)
    # (mean of c^4)^(1/4) per channel, [B, 3, 1, 1]
    mean = small.square().square().mean((2, 3), keepdim=True).clamp(min=1e-12) ** 0.25
    grey = mean.mean(1, keepdim=True)
    cast = torch.cat([cast_red, -(cast_red + cast_blue) / 2, cast_blue], 1)
    return light * ((grey / mean).clamp(0.25, 4) ** amount * cast.exp())


def sensor(light: Tensor, seed: Tensor, shot: Tensor, read: Tensor, grain: Tensor) -> Tensor:
    """Light [B, 3, H, W] with noise of variance shot * light + read^2, not clipped.

    The noise is a hash of `seed` [B], pixel and channel; `grain` is the share that neighbours have in common.
    """
    batch, channels, height, width = light.shape
    # [B, C * H * W] hashes => [B, C, H, W]
    index = torch.arange(channels * height * width, device=light.device, dtype=torch.int32)
    white = _normal(hash_bits(seed.view(-1, 1), index)).view(batch, channels, height, width)
    # Demosaicing and noise reduction leave noise that is partly shared by neighbours; the mean of nine has a third
    # of the deviation.
    coarse = F.avg_pool2d(white, 3, stride=1, padding=1, count_include_pad=False) * 3
    noise = torch.lerp(white, coarse, grain)
    return torch.addcmul(light, noise, (shot * light.clamp(0, 1) + read * read).sqrt())


def shoulder(light: Tensor, white: Tensor) -> Tensor:
    """Light [B, 3, H, W] rolled off so that `white` becomes 1 (Reinhard 2002); 1 is a hard clip."""
    light = light.clamp(min=0)
    # x (1 + x / white^2) / (1 + x)
    return (light * (1 + light / (white * white)) / (1 + light)).clamp(max=1)


def develop(encoded: Tensor, contrast: Tensor, levels: Tensor, black: Tensor, saturation: Tensor) -> Tensor:
    """Encoded picture [B, 3, H, W] after levels, an S-curve, a black point and saturation.

    `levels` is how far the 1st and 99th percentile go to 0.03 and 0.95; `contrast` lies in -0.5 to 0.9; `black` is
    added to the darkest values.
    """
    low, high = _range(encoded)
    target_low, target_high = (
        torch.lerp(low, low.clamp(max=0.03), levels),
        torch.lerp(high, high.clamp(min=0.95), levels),
    )
    # The line through (low, target_low) and (high, target_high), no steeper than 2.5
    gain = ((target_high - target_low) / (high - low).clamp(min=0.05)).clamp(max=2.5)
    middle = (encoded - (low + high) / 2) * gain + (target_low + target_high) / 2
    stretched = middle.clamp(0, 1)
    # x + c x (1 - x) (2 x - 1): an S-curve through 0, 1/2 and 1
    curved = stretched + contrast * stretched * (1 - stretched) * (2 * stretched - 1)
    lifted = black + (1 - black) * curved
    return torch.lerp(luminance(lifted).expand_as(lifted), lifted, saturation)


def _range(encoded: Tensor) -> tuple[Tensor, Tensor]:
    """The 1st and 99th percentile [B, 1, 1, 1] of the brightness of pictures [B, 3, H, W]."""
    ordered = F.adaptive_avg_pool2d(luminance(encoded), 64).flatten(1).sort(1).values
    count = ordered.shape[1]
    return ordered[:, count // 100].view(-1, 1, 1, 1), ordered[:, -1 - count // 100].view(-1, 1, 1, 1)


def _normal(bits: Tensor) -> Tensor:
    """About normal numbers from hashes: four bytes summed (mean 510, variance 4 * (256^2 - 1) / 12)."""
    total = (bits & 0xFF) + ((bits >> 8) & 0xFF) + ((bits >> 16) & 0xFF) + ((bits >> 24) & 0xFF)
    return (total - 510) * (1 / 147.8)
