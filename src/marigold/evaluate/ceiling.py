"""What no fine-tuning can win: the truth as target images and back, without and with the autoencoder.

Nobody publishes it for this family. The first is what the encoding of a modality costs, such as clipping and range; the
second adds what the frozen autoencoder loses, most of it at edges (`measures/edge_error.py` shows where).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from marigold.core.sample import Sample
from marigold.estimator import Estimator
from marigold.evaluate.answers import Answer
from marigold.modalities.base import Modality

CEILING = "representation ceiling"
"""The method that encodes the truth as target images and decodes them: the best that any estimator can score."""
AUTOENCODER = "through the autoencoder"
"""The method that also sends the target images through the checkpoint's autoencoder: the best that it can score."""


def encoded(modality: Modality, sample: Sample) -> Answer:
    """The truth as target images, decoded."""
    return Answer(modality.decode(modality.encode(sample)[0][None])[0])


@torch.inference_mode()
def reconstructed(estimator: Estimator, sample: Sample, device: torch.device) -> Answer:
    """The truth as target images, sent through the autoencoder and decoded, at the sample's own size.

    Sides are filled up to a multiple of the stride by repeating the last row and column, and cut again.
    """
    pixels, _ = estimator.modality.encode(sample)
    height, width = pixels.shape[-2:]
    stride = estimator.backbone.stride
    filled = F.pad(pixels, (0, -width % stride, 0, -height % stride), mode="replicate")[None].to(device)
    values: Tensor = estimator.decode(estimator.encode_target(filled))[0, :, :height, :width]
    return Answer(values.float().cpu())
