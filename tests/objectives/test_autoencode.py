"""Training the autoencoder: all of it, or the decoder alone behind latents that keep their meaning."""

import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.sample import Batch
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.objectives.autoencode import Autoencode
from toys.scenes import NETWORK, Toy


def estimator() -> Estimator:
    torch.manual_seed(0)
    return Estimator(StableDiffusion.tiny(**NETWORK), Depth(), Card("toy", "image")).requires_grad_(False)


def batch() -> Batch:
    sample = Toy().read_many(None, ["train/0", "train/1"], "cpu")
    pixels, valid = Depth().encode(sample)
    return Batch(sample.image * 2 - 1, pixels, valid, sample)


def step(objective: Autoencode, model: Estimator) -> float:
    trained = objective.trainable(model).requires_grad_(True)
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.05)
    loss = objective.loss(model, objective.prepare(model, batch()), torch.nn.Module(), torch.Generator().manual_seed(1))
    trained.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def test_reconstruction_improves():
    model = estimator()
    losses = [step(Autoencode(), model) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_behind_a_frozen_encoder_latents_stay_and_pictures_improve():
    model, objective = estimator(), Autoencode(frozen_encoder=True, divergence=0.0)
    pixels = batch().pixels
    before, scale = model.encode_target(pixels), model.backbone.autoencoder.config.scaling_factor
    losses = [step(objective, model) for _ in range(8)]
    objective.finish(model, lambda step: batch())
    assert losses[-1] < losses[0]
    assert torch.equal(model.encode_target(pixels), before)
    assert model.backbone.autoencoder.config.scaling_factor == scale


def test_a_trained_encoder_ends_with_latents_of_unit_size():
    model = estimator()
    Autoencode().finish(model, lambda step: batch())
    latents = model.encode_target(batch().pixels)
    assert 0.98 < float(latents.square().mean()) < 1.02
