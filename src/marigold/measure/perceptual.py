"""Likeness of pictures as people see it: SSIM by torchmetrics, and LPIPS by two published files of weights."""

import hashlib
import importlib.util
import io
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.core.errors import DataError, MissingExtraError
from marigold.core.reading import read_bytes

NETWORK = "alexnet-owt-7be5be79.pth"
"""AlexNet of torchvision; the name holds the start of its SHA-256."""
HEADS = Path("functional", "image", "lpips_models", "alex.pth")
"""The linear heads, within torchmetrics."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""What is subtracted from channels in -1 to 1, and what they are divided by (Zhang et al. 2018, their code)."""
MOST = 2**28
LEAST_SIDE = 32
"""Pixels; a smaller picture has no features of the deepest layers."""
SSIM_SIDE = 11
"""Pixels; the side of the window of SSIM."""


def ssim(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Structural similarity of [3, H, W] in 0 to 1 (Wang et al. 2004), 0-dimensional; pixels that are not valid are 0.

    By torchmetrics with its defaults: a Gaussian window of sigma 1.5, constants 0.01 and 0.03. Raises `DataError` for a
    picture smaller than the window, and `MissingExtraError`.
    """
    try:
        from torchmetrics.functional.image import structural_similarity_index_measure
    except ImportError as error:
        raise MissingExtraError("torchmetrics", "eval", "SSIM") from error
    _require_side(prediction, SSIM_SIDE, "SSIM")
    shown, wanted = (torch.where(valid, map_, 0.0).double()[None] for map_ in (prediction, truth))
    found = structural_similarity_index_measure(shown, wanted, data_range=1.0)
    assert isinstance(found, Tensor)
    return found


def missing_weights() -> str:
    """Why LPIPS cannot be computed here, in words; empty where it can."""
    wanted = {"torchvision's AlexNet": network_file(), "torchmetrics' linear heads": heads_file()}
    lacking = [f"{what} ({file})" for what, file in wanted.items() if not (file and file.is_file())]
    return f"no {' and no '.join(lacking)}" if lacking else ""


def network_file() -> Path:
    """Where torch's hub keeps AlexNet."""
    return Path(torch.hub.get_dir(), "checkpoints", NETWORK)


def heads_file() -> Path | None:
    """Where torchmetrics keeps the heads; None where it is not installed."""
    found = importlib.util.find_spec("torchmetrics")
    return Path(found.submodule_search_locations[0], HEADS) if found and found.submodule_search_locations else None


def lpips(prediction: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """The learned distance of pictures [3, H, W] in 0 to 1 (Zhang et al. 2018, AlexNet, version 0.1), 0-dimensional.

    Pixels that are not valid are 0 in both. Raises `DataError` for a picture that is too small and for weights that
    are missing or not the published ones.
    """
    _require_side(prediction, LEAST_SIDE, "LPIPS")
    pair = torch.stack([torch.where(valid, map_, 0.0).float() for map_ in (prediction, truth)])
    features, heads = _weights(network_file(), heads_file())
    return distance(pair.cpu(), features, heads)


def distance(pair: Tensor, features: nn.Sequential, heads: list[Tensor]) -> Tensor:
    """LPIPS of two pictures [2, 3, H, W] in 0 to 1 with these features and heads [1, C, 1, 1]."""
    shift, scale = (torch.tensor(values).view(3, 1, 1) for values in (SHIFT, SCALE))
    x, total = (pair * 2 - 1 - shift) / scale, torch.zeros(())
    ends = [index + 1 for index, layer in enumerate(features) if isinstance(layer, nn.ReLU)]
    for (start, end), head in zip(pairwise([0, *ends]), heads, strict=True):
        x = features[start:end](x)
        # Features of unit length at every place; the head weighs the channels of their squared difference.
        unit = x / (x.square().sum(dim=1, keepdim=True) + 1e-8).sqrt()
        total = total + F.conv2d((unit[:1] - unit[1:]).square(), head).mean()
    return total


def alexnet() -> nn.Sequential:
    """The convolutional part of AlexNet (Krizhevsky 2014), in torchvision's order of layers."""
    return nn.Sequential(
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU()),
    )


@cache
def _weights(network: Path, heads: Path | None) -> tuple[nn.Sequential, list[Tensor]]:
    if missing := missing_weights():
        raise DataError(f"LPIPS: {missing}; put them there, or leave the metric out")
    assert heads is not None
    content = read_bytes(network, DataError, "download it again", MOST)
    if not hashlib.sha256(content).hexdigest().startswith(NETWORK.removesuffix(".pth").rpartition("-")[2]):
        raise DataError(f"{network}: is not torchvision's file of that name; download it again")
    stored = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    features = alexnet().requires_grad_(False).eval()
    prefix = "features."
    features.load_state_dict({k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)})
    return features, read_heads(heads)


def read_heads(file: Path) -> list[Tensor]:
    """The heads of the five layers, [1, C, 1, 1] each."""
    content = read_bytes(file, DataError, "install torchmetrics again", MOST)
    stored = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    return [stored[f"lin{layer}.model.1.weight"] for layer in range(5)]


def _require_side(picture: Tensor, least: int, measure: str) -> None:
    height, width = picture.shape[-2:]
    if min(height, width) < least:
        raise DataError(f"{measure}: a picture of {width} x {height} pixels is too small; give {least} or more a side")
