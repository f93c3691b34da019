"""The start of a frame's sampling: noise that all frames share, mixed with what the frame before came to.

That trick is published with diffusers' Marigold pipelines: 0.9 of the noise and 0.1 of the previous latent.
"""

import numpy as np
import torch
from torch import Tensor

from marigold.compat.base import rules
from marigold.core.raster import Photo
from marigold.predict.infer import working_sizes
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request


def start(predictor: Predictor, photo: Photo, request: Request, previous: np.ndarray | None, share: float) -> Tensor:
    """The noise [E, S, N * C, h, w] of the request, whose first draws hold a `share` of the latents [E, N * C, h, w].

    Latents of another size, and None, leave the noise as it is. Raises `ConfigError`.
    """
    settings = predictor.settings(request)
    estimator, own = predictor.estimator, rules(settings.compat)
    size = working_sizes(predictor.runtime, settings, photo.levels)[0]
    shape = (estimator.backbone.targets * estimator.backbone.latent_channels, *own.latent_size(size))
    draws = estimator.sampling(settings.steps, settings.spacing).draws
    noise = own.draw(shape, settings.ensemble, draws, settings.seed)
    if previous is None or previous.shape[1:] != noise.shape[2:]:
        return noise
    # Members that would all be the same are predicted once.
    latents = torch.from_numpy(previous).to(noise).expand(len(noise), -1, -1, -1)
    mixed = (1 - share) * noise[:, 0] + share * latents
    return torch.cat([mixed[:, None], noise[:, 1:]], dim=1)
