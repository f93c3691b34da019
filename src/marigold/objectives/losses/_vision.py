"""A vision transformer in a folder of transformers' layout, such as DINOv2's, as a network of features."""

from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from marigold.core.documents import read_json
from marigold.core.errors import CheckpointError, MissingExtraError

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of colours from 0 to 1, where the folder states none: those of ImageNet."""
_REMEDY = "name a folder with config.json and model.safetensors of a vision transformer"


class Vision(nn.Module):
    """Images [B, 3, H, W] in -1 to 1 to the last layer's tokens of their patches, [B, D, h, w]."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: Any, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.network, self.patch = network, int(network.config.patch_size)
        self.register_buffer("mean", mean.view(3, 1, 1))
        self.register_buffer("deviation", deviation.view(3, 1, 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        """One map. Sides are rounded to whole patches."""
        rows, columns = (max(1, round(side / self.patch)) for side in images.shape[-2:])
        size = rows * self.patch, columns * self.patch
        resized = F.interpolate(images, size, mode="bilinear", antialias=True)
        tokens = self.network(((resized + 1) / 2 - self.mean) / self.deviation).last_hidden_state
        # Tokens of the whole image come first.
        return [tokens[:, -rows * columns :].transpose(1, 2).unflatten(2, (rows, columns))]


def load(folder: Path) -> Vision:
    """The network, frozen. Raises `CheckpointError` for a folder that holds none, and `MissingExtraError`."""
    try:
        from transformers import AutoModel
    except ImportError as error:
        raise MissingExtraError("transformers", "text", "the loss `feature` of a vision transformer") from error
    try:
        network: Any = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except Exception as error:  # of the library, which has no class of errors for files
        raise CheckpointError(f"{folder}: cannot be opened ({type(error).__name__}); {_REMEDY}") from error
    if getattr(network.config, "patch_size", None) is None:
        raise CheckpointError(f"{folder}: is no vision transformer; {_REMEDY}")
    mean, deviation = _colours(folder / "preprocessor_config.json")
    return Vision(network.float(), mean, deviation).requires_grad_(False).eval()


def _colours(file: Path) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation that the network expects of colours from 0 to 1, [3] each."""
    stated = read_json(file, CheckpointError, _REMEDY) if file.is_file() else {}
    pair = [stated.get(name, usual) for name, usual in (("image_mean", MEAN), ("image_std", DEVIATION))]
    try:
        mean, deviation = (Tensor([float(x) for x in three]) for three in pair)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{file}: `image_mean` and `image_std` are three numbers each; correct it") from error
    if not (len(mean) == len(deviation) == 3 and bool((deviation > 0).all())):
        raise CheckpointError(f"{file}: `image_mean` and `image_std` are three numbers each; correct it")
    return mean, deviation
