"""From photo to map, sizes and all: `Predictor` gives what diffusers' pipelines give from the same noise."""

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, MarigoldDepthPipeline, MarigoldNormalsPipeline

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.core.card import Card
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from marigold.predict.frame import Frame
from marigold.predict.predictor import Predictor
from toys.scenes import NETWORK

PIPELINES = {"depth": (Depth, MarigoldDepthPipeline), "normals": (Normals, MarigoldNormalsPipeline)}


@pytest.fixture(scope="module", params=PIPELINES)
def both(request):
    """A predictor and a pipeline on the same networks."""
    modality, pipeline = PIPELINES[request.param]
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(1, 1)
    predictor = Predictor(Estimator(backbone, modality(), Card("toy", request.param)))
    theirs = pipeline(
        unet=backbone.unet,
        vae=backbone.vae,
        scheduler=DDIMScheduler.from_config(backbone.schedule.config()),
        text_encoder=None,
        tokenizer=None,
    )
    theirs.empty_text_embedding = backbone.prompt
    theirs.set_progress_bar_config(disable=True)
    return predictor, theirs


@pytest.mark.parametrize(("size", "resolution"), [((32, 48), 0), ((37, 51), 0), ((75, 101), 64), ((90, 61), 40)])
@pytest.mark.parametrize("steps", [1, 4])
def test_maps_at_any_size_are_those_of_diffusers(both, size, resolution, steps):
    predictor, pipeline = both
    backbone = predictor.estimator.backbone
    photo = np.random.default_rng(0).random((*size, 3), dtype=np.float32)
    latent_size = Frame.of(torch.empty(size), resolution, backbone.stride).latent_size
    noise = torch.randn(1, backbone.latent_channels, *latent_size, generator=torch.Generator().manual_seed(1))
    (ours,) = predictor.predict(photo, steps=steps, resolution=resolution, noise=noise).maps.values()
    as_tensor = torch.from_numpy(photo).permute(2, 0, 1)[None]
    settings = {"num_inference_steps": steps, "processing_resolution": resolution, "latents": noise}
    theirs = pipeline(as_tensor, **settings).prediction[0]
    np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, atol=1e-3)
