"""What a lens does to light: depth of field, bloom, blur, colour fringes, vignetting; and sharpening, its reverse.

Every parameter is [B, 1, 1, 1], one for each image; lengths in pixels are at the image's own size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def defocus(light: Tensor, depth: Tensor, aperture: Tensor, focus: Tensor) -> Tensor:
    """Depth of field: light [B, 3, H, W] focused at the `focus` quantile of `depth` [B, 1, H, W] (m).

    `aperture` is the lens diameter (m). The image is split into layers by signed blur, two behind and two before the
    focal plane; each is blurred and laid over those behind it, so that blurred foregrounds spill over sharp
    backgrounds and not the other way round.
    """
    if _off(aperture):
        return light
    height, width = light.shape[-2:]
    # Blur grows with the difference of inverse depths; [B, 1024] of them in order, to pick the focal plane.
    near = 1 / depth.clamp(min=0.05)
    ordered = F.adaptive_max_pool2d(near, 32).flatten(1).sort(1, descending=True).values
    index = (focus.view(-1, 1) * (ordered.shape[1] - 1)).long()
    plane = ordered.gather(1, index)[..., None, None]
    # A circle of confusion of diameter d blurs about like a Gaussian of deviation 0.3 d; focal length = image height.
    blur = 0.3 * height * aperture * (near - plane)
    widest = blur.abs().amax((1, 2, 3), keepdim=True).clamp(height * 0.012, height * 0.03)
    # -1 far behind the focal plane to 1 far before it
    level = (blur / widest).clamp(-1, 1)
    half = ((height + 1) // 2, (width + 1) // 2)
    result, cover = torch.zeros_like(light), torch.zeros_like(depth)
    for node in (-1.0, -0.33, 0.0, 0.33, 1.0):
        # [B, 4, H, W] light weighted by its share, and the share
        share = _hat(level, node)
        layer = torch.cat([light * share, share], 1)
        if node:
            layer = F.interpolate(layer, half, mode="area")
            layer = gaussian(layer, widest * (abs(node) / 2))
            layer = F.interpolate(layer, (height, width), mode="bilinear")
        # Over-blending with premultiplied colour, from the back to the front
        colour, alpha = layer[:, :3], layer[:, 3:].clamp(0, 1)
        result, cover = result * (1 - alpha) + colour, cover * (1 - alpha) + alpha
    return torch.where(aperture > 0, result / cover.clamp(min=1e-3), light)


def bloom(light: Tensor, amount: Tensor) -> Tensor:
    """Scattered light: `amount` (0 to 1) of light [B, 3, H, W] goes into a wide glow."""
    if _off(amount):
        return light
    height, width = light.shape[-2:]
    small = F.adaptive_avg_pool2d(light.clamp(max=8), (min(height, 64), min(width, 64)))
    glow = gaussian(small, torch.full_like(amount, 3.5))
    return torch.lerp(light, F.interpolate(glow, (height, width), mode="bilinear"), amount)


def lens(light: Tensor, blur: Tensor, fringe: Tensor, vignette: Tensor) -> Tensor:
    """Light [B, 3, H, W] blurred by a Gaussian of `blur` pixels, red and blue magnified by 1 +- `fringe`, dimmed.

    `vignette` is the share of light that the corners lose.
    """
    light = _fringe(_blur7(light, blur), fringe)
    y, x = (torch.linspace(-1, 1, n, device=light.device) for n in light.shape[-2:])
    # [H, W], 1 in the corners
    radius = (y[:, None].square() + x.square()) / 2
    return light * (1 - vignette * radius)


def sharpen(encoded: Tensor, amount: Tensor) -> Tensor:
    """Unsharp masking of a picture [B, 3, H, W], with the halo that it leaves."""
    return encoded + amount * (encoded - _blur7(encoded, torch.full_like(amount, 1.0)))


def gaussian(x: Tensor, deviation: Tensor) -> Tensor:
    """Gaussian blur of [B, C, H, W] by `deviation` [B, 1, 1, 1] (px), as two matrix products."""
    # [B, 1, H, H] @ [B, C, H, W] @ [B, 1, W, W]
    rows, columns = (_smoothing(n, deviation) for n in x.shape[-2:])
    return rows @ x @ columns.transpose(-1, -2)


def _smoothing(size: int, deviation: Tensor) -> Tensor:
    # Normalised rows of exp(-(i - j)^2 / (2 s^2))
    at = torch.arange(size, device=deviation.device, dtype=deviation.dtype)
    weight = torch.exp(-((at[:, None] - at) / deviation.clamp(min=0.1)).square() / 2)
    return weight / weight.sum(-1, keepdim=True)


def _hat(level: Tensor, node: float) -> Tensor:
    """The share of a layer: piecewise linear between the nodes -1, -0.33, 0, 0.33, 1, so that the shares sum to 1."""
    below, above = {-1.0: (-2, -0.33), -0.33: (-1, 0), 0.0: (-0.33, 0.33), 0.33: (0, 1), 1.0: (0.33, 2)}[node]
    return torch.minimum((level - below) / (node - below), (above - level) / (above - node)).clamp(0, 1)


def _blur7(x: Tensor, deviation: Tensor) -> Tensor:
    """Gaussian blur of [B, C, H, W] by up to about 1.5 pixels, with seven taps in each direction."""
    # [B, 1, 1, 4] the middle and one side of a kernel whose seven taps sum to 1
    taps = torch.exp(-((torch.arange(4, device=x.device) / deviation).square()) / 2)
    taps = taps / (taps.sum(-1, keepdim=True) * 2 - taps[..., :1])
    for axis in (-1, -2):
        size = x.shape[axis]
        padded = F.pad(x, (3, 3, 0, 0) if axis == -1 else (0, 0, 3, 3), mode="replicate")
        total = x * taps[..., :1]
        for k in (1, 2, 3):
            pair = padded.narrow(axis, 3 - k, size) + padded.narrow(axis, 3 + k, size)
            total = torch.addcmul(total, pair, taps[..., k : k + 1])
        x = total
    return x


def _fringe(light: Tensor, amount: Tensor) -> Tensor:
    if _off(amount):
        return light
    batch, _, height, width = light.shape
    # Pixel centres in -1 to 1, [H, W, 2]
    y, x = (((torch.arange(n, device=light.device) * 2 + 1) / n - 1) for n in (height, width))
    grid = torch.stack(torch.broadcast_tensors(x, y[:, None]), -1)
    # Red is looked up further out, blue further in: [2 B, 1, H, W] at once.
    scale = torch.cat([1 + amount, 1 - amount], 1).view(2 * batch, 1, 1, 1)
    outer = light[:, ::2].reshape(2 * batch, 1, height, width)
    moved = F.grid_sample(outer, grid * scale, padding_mode="border", align_corners=False).view(batch, 2, height, width)
    fringed = torch.stack([moved[:, 0], light[:, 1], moved[:, 1]], 1)
    return torch.where(amount == 0, light, fringed)


def _off(amount: Tensor) -> bool:
    """Whether no image of the batch uses an effect. Only the CPU is asked: a GPU would have to wait for the answer."""
    return amount.device.type == "cpu" and not bool(amount.any())
