"""One step at the last time, from a photo to a clean latent: what objectives that teach by the result share."""

from typing import Literal

import torch
from torch import Tensor

from marigold.backbones.base import Backbone
from marigold.checkpoints.convention import Convention
from marigold.diffusion import noise as noises
from marigold.estimator import Estimator

Start = Literal["noise", "zeros"]


def predicted(estimator: Estimator, condition: Tensor, start: Start, rng: torch.Generator) -> Tensor:
    """The clean latent [B, N * C, h, w] that the network predicts from a condition at the last time."""
    backbone = estimator.backbone
    shape = (len(condition), backbone.targets * backbone.latent_channels, *condition.shape[-2:])
    zeros = start == "zeros"
    x = condition.new_zeros(shape) if zeros else noises.gaussian(shape, rng, condition.device, condition.dtype)
    return backbone.denoise(x, backbone.schedule.length - 1, condition)[0]


def convention(backbone: Backbone, before: Convention, start: Start) -> Convention:
    """How a network is called that was trained in this way alone, and how it was called before.

    One that starts from noise is still an ordinary diffusion model, whose first step is this one. One that sees the
    photo alone does so still.
    """
    if start == "noise" and before.start != "nothing":
        return Convention(switch=before.switch)
    kind = "nothing" if before.start == "nothing" else "zeros"
    return Convention(kind, backbone.schedule.length - 1, before.switch)
