"""An estimator joins a backbone and a modality: latents per target, masks per cell, values per photo."""

from dataclasses import dataclass
from functools import partial

import pytest
import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import Convention
from marigold.core.errors import ConfigError
from marigold.core.seeds import stream
from marigold.diffusion.noise import gaussian
from marigold.diffusion.samplers import ddim, lcm
from marigold.diffusion.schedule import Schedule
from marigold.estimator import Estimator
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from toys.scenes import NETWORK


def estimator(modality=None, conditions=1) -> Estimator:
    torch.manual_seed(0)
    modality = modality or Depth()
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(conditions, len(modality.targets))
    return Estimator(backbone, modality, Card("toy", "depth")).eval()


@torch.no_grad()
def test_targets_are_encoded_one_after_the_other():
    model, pixels = estimator(Appearance()), torch.rand(3, 2, 3, 8, 8)
    latents = model.encode_target(pixels)
    assert latents.shape == (3, 8, 4, 4)
    torch.testing.assert_close(latents[:, 4:], model.backbone.encode(pixels[:, 1]))


@torch.no_grad()
def test_latents_decode_to_the_picture_of_their_target():
    model, latents = estimator(Appearance()), torch.randn(3, 8, 4, 4)
    pixels = model.decode_pixels(latents)
    assert pixels.shape == (3, 2, 3, 8, 8)
    torch.testing.assert_close(pixels[2, 1], model.backbone.decode(latents[2:, 4:])[0])
    torch.testing.assert_close(model.decode(latents), model.modality.decode(pixels))


@torch.no_grad()
def test_a_sample_does_not_depend_on_its_batch():
    model = estimator()
    condition = model.encode_image(torch.rand(1, 3, 16, 16)).expand(3, -1, -1, -1)
    noise = torch.cat([gaussian((1, 4, 8, 8), stream(0, "noise", member)) for member in range(3)])
    together = model.sample(condition, noise, 4)
    torch.testing.assert_close(together[1:2], model.sample(condition[1:2], noise[1:2], 4))


@torch.no_grad()
def test_half_precision_networks_are_sampled_in_full_precision():
    model = estimator().bfloat16()
    condition = model.encode_image(torch.rand(1, 3, 16, 16))
    latents = model.sample(condition, torch.randn(1, 4, 8, 8, dtype=torch.bfloat16), 2)
    assert latents.dtype == torch.float32
    assert model.decode(latents).shape == (1, 1, 16, 16)


@dataclass(frozen=True)
class Pictures(Depth):
    """What a generator without a condition outputs."""


@torch.no_grad()
def test_a_generator_samples_without_a_condition():
    model = estimator(Pictures(), conditions=0)
    assert model.sample(None, torch.randn(2, 4, 8, 8), 2).shape == (2, 4, 8, 8)


def test_a_cell_is_valid_when_all_of_its_pixels_are():
    valid = torch.ones(1, 2, 1, 4, 6, dtype=torch.bool)
    valid[0, 0, 0, 3, 5] = False
    valid[0, 1, 0, :2, 2] = False
    mask = estimator(Appearance()).latent_mask(valid)
    first = [[True, True, True], [True, True, False]]
    second = [[True, False, True], [True, True, True]]
    assert mask.tolist() == [[first] * 4 + [second] * 4]


def test_gradients_reach_the_network_through_sampling_and_decoding():
    model = estimator()
    values = model.decode(model.sample(torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8), 1))
    values.mean().backward()
    assert model.backbone.unet.conv_in.weight.grad.abs().sum() > 0


CONSISTENCY = {**NETWORK["schedule"], "_class_name": "LCMScheduler", "timestep_spacing": "leading"}


def distilled() -> Estimator:
    """An estimator with the scheduler of a consistency model."""
    model = estimator()
    model.backbone.schedule = Schedule.from_config(CONSISTENCY)
    return model


@torch.no_grad()
def test_a_consistency_model_takes_its_own_steps():
    model, noise = distilled(), torch.randn(3, 1, 4, 8, 8)
    condition = model.encode_image(torch.rand(1, 3, 16, 16))
    denoise = partial(model.backbone.denoise, condition=condition)
    expected = lcm(denoise, noise[0], model.backbone.schedule, 3, noise[1:].__getitem__)
    torch.testing.assert_close(model.sample(condition, noise[0], 3, fresh=noise[1:].__getitem__), expected)
    assert model.sampling(3).draws == 3


@torch.no_grad()
def test_a_consistency_model_without_fresh_noise_takes_one_step_only():
    model, noise = distilled(), torch.randn(1, 4, 8, 8)
    condition = model.encode_image(torch.rand(1, 3, 16, 16))
    assert model.sample(condition, noise, 1).shape == noise.shape
    with pytest.raises(ConfigError, match="need fresh noise"):
        model.sample(condition, noise, 2)


@torch.no_grad()
def test_a_single_step_checkpoint_answers_with_the_clean_latent_of_its_time():
    model = estimator()
    model.card = Card("toy", "depth", convention=Convention(start="zeros", timestep=999))
    condition = model.encode_image(torch.rand(1, 3, 16, 16))
    start = torch.zeros(1, 4, 8, 8)
    clean, _ = model.backbone.denoise(start, 999, condition)
    for steps in (1, 4):  # whatever is asked for
        torch.testing.assert_close(model.sample(condition, torch.randn(1, 4, 8, 8), steps), clean)
    # Zero terminal SNR: the network's output is minus the clean latent there.
    output = model.backbone.network(start, torch.tensor([999]), condition)
    torch.testing.assert_close(clean, -output)


@torch.no_grad()
def test_leading_times_are_kept_when_asked_for():
    model, noise = estimator(), torch.randn(1, 4, 8, 8)
    model.backbone.schedule = model.backbone.schedule.with_spacing("leading")
    condition = model.encode_image(torch.rand(1, 3, 16, 16))
    denoise = partial(model.backbone.denoise, condition=condition)
    published = ddim(denoise, noise, model.backbone.schedule, 2)
    switched = ddim(denoise, noise, model.backbone.schedule.with_spacing("trailing"), 2)
    torch.testing.assert_close(model.sample(condition, noise, 2, spacing="published"), published)
    torch.testing.assert_close(model.sample(condition, noise, 2), switched)
    torch.testing.assert_close(model.sample(condition, noise, model.sampling(2, "published")), published)
