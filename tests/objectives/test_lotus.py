"""Lotus: the clean latent in one step, and the photo beside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file

from marigold import checkpoint
from marigold.checkpoints.convention import Convention
from marigold.core.errors import ConfigError
from marigold.diffusion.schedule import Output
from marigold.modalities.lighting import Lighting
from marigold.objectives.denoise import Denoise
from marigold.objectives.end_to_end import EndToEnd
from marigold.objectives.lotus import Lotus
from marigold.objectives.one_step import OneStep
from marigold.predict.predictor import load
from marigold.train.loop import train
from marigold.train.recipe import PhaseSettings
from toys.trained import batch, estimator, loss, recipe

BOTH = pytest.mark.parametrize("start", ["noise", "nothing"])


def by_hand(unet, seen: torch.Tensor, prompt: torch.Tensor, switch: list[float]) -> torch.Tensor:
    """The U-Net of diffusers as the published code calls it: sines and cosines of the switch, the last time."""
    task = torch.tensor([switch] * len(seen))
    task = torch.cat([task.sin(), task.cos()], dim=-1)
    words = prompt.expand(len(seen), -1, -1)
    return unet(seen, 999, encoder_hidden_states=words, class_labels=task).sample


@BOTH
def test_it_is_the_error_of_both_tasks_at_the_last_time(start):
    objective = Lotus(start, preserver=0.5)
    model, shown = estimator(objective, "sample"), batch()
    photo, clean = model.encode_image(shown.image), model.encode_target(shown.pixels)
    drawn = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    seen = torch.cat([photo, photo]) if start == "nothing" else torch.cat([torch.cat([photo, photo]), drawn], dim=1)
    network, prompt = model.backbone.unet, model.backbone.prompt
    with torch.no_grad():
        annotated = by_hand(network, seen[:2], prompt, [1.0, 0.0])
        reconstructed = by_hand(network, seen[2:], prompt, [0.0, 1.0])
    expected = (annotated - clean).square().mean() + 0.5 * (reconstructed - photo).square().mean()
    torch.testing.assert_close(loss(objective, model, shown), expected)


@BOTH
def test_what_was_trained_answers_as_diffusers_network_does_when_it_is_opened(tmp_path, start):
    train(recipe(Lotus(start), "sample"), tmp_path / "run")
    folder, shown = tmp_path / "run" / "checkpoint", batch()
    model = checkpoint.open(folder)
    assert model.card.convention == Convention(start, 999, (1.0, 0.0), "sample")
    noise = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        found = model.sample(model.encode_image(shown.image), noise, 1)
        torch.testing.assert_close(found, of_diffusers(folder, shown.image, noise)[0], atol=1e-5, rtol=1e-4)


def test_predict_gives_the_map_of_diffusers_networks(tmp_path):
    train(recipe(Lotus(), "sample"), tmp_path / "run")
    folder = tmp_path / "run" / "checkpoint"
    photo = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    image = torch.from_numpy(photo).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        latent, vae = of_diffusers(folder, image, torch.zeros(1, 4, 8, 8))
        pixels = vae.decode(latent / vae.config.scaling_factor).sample
    expected = ((pixels.mean(dim=1)[0] + 1) / 2).clamp(0, 1)
    prediction = load(folder, precision="fp32").predict(photo, ensemble=1, resolution=16)
    np.testing.assert_allclose(prediction.maps["depth"], expected.numpy(), atol=1e-4)


def of_diffusers(folder: Path, image: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, AutoencoderKL]:
    """What the stored networks give, called by hand, and the autoencoder."""
    unet, vae = UNet2DConditionModel.from_pretrained(folder / "unet"), AutoencoderKL.from_pretrained(folder / "vae")
    photo = vae.encode(image).latent_dist.mode() * vae.config.scaling_factor
    seen = photo if unet.config.in_channels == 4 else torch.cat([photo, noise], dim=1)
    return by_hand(unet, seen, load_file(folder / "empty_prompt.safetensors")["embedding"], [1.0, 0.0]), vae


def test_the_map_s_mask_leaves_cells_out_and_the_photo_s_all_count():
    objective, shown = Lotus(), batch()
    model = estimator(objective, "sample")
    hidden = replace(shown, valid=torch.zeros_like(shown.valid))
    photo = model.encode_image(shown.image)
    with torch.no_grad():
        output = by_hand(model.backbone.unet, photo, model.backbone.prompt, [0.0, 1.0])
    torch.testing.assert_close(loss(objective, model, hidden), (output - photo).square().mean())


@BOTH
def test_without_the_second_task_there_is_no_switch(start):
    objective, shown = Lotus(start, preserver=0.0), batch()
    model = estimator(objective, "sample")
    assert model.backbone.unet.config.class_embed_type is None
    assert model.card.convention == Convention(start, 999, (), "sample")
    condition, clean = model.encode_image(shown.image), model.encode_target(shown.pixels)
    noise = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = (model.sample(condition, noise, 1) - clean).square().mean()
    torch.testing.assert_close(loss(objective, model, shown), expected)


def test_the_first_layer_of_a_network_that_sees_the_photo_alone_is_the_generator_s():
    generator = estimator(Denoise(), "sample").backbone.unet.conv_in.weight
    own = estimator(Lotus("nothing"), "sample").backbone.unet.conv_in.weight
    assert own.shape[1] == 4 and generator.shape[1] == 8
    torch.testing.assert_close(own / 2, generator[:, :4])


def test_the_switch_leaves_all_other_weights_as_they_were():
    before = estimator(Denoise(), "sample").backbone.unet.state_dict()
    after = estimator(Lotus("noise"), "sample").backbone.unet.state_dict()
    added = after.keys() - before.keys()
    assert all(name.startswith("class_embedding.") for name in added) and added
    for name, x in before.items():
        torch.testing.assert_close(after[name], x)


def test_the_switch_s_weights_depend_on_the_seed_of_the_run_alone():
    one, again = (estimator(Lotus(), "sample").backbone.unet.class_embedding.linear_1.weight for _ in range(2))
    other = estimator(Lotus(), "sample", seed=1).backbone.unet.class_embedding.linear_1.weight
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_several_targets_have_a_photo_each():
    model = estimator(Lotus(), "sample", modality=Lighting())
    prepared = {
        "condition": torch.randn(1, 4, 8, 8),
        "clean": torch.zeros(1, 12, 8, 8),
        "valid": torch.zeros(1, 12, 8, 8, dtype=torch.bool),
    }
    with torch.no_grad():
        output = by_hand(model.backbone.unet, prepared["condition"], model.backbone.prompt, [0.0, 1.0])
    expected = (output - prepared["condition"].repeat(1, 3, 1, 1)).square().mean()
    found = Lotus().loss(model, prepared, torch.nn.Module(), torch.Generator())
    torch.testing.assert_close(found, expected)


def test_a_schedule_of_another_output_is_refused():
    with pytest.raises(ConfigError, match=r"outputs `v_prediction`; set recipe\.schedule"):
        Lotus().trainable(estimator(Lotus()))


def test_a_switch_that_no_phase_before_has_brought_is_refused():
    phases = (PhaseSettings(1),)
    model = estimator(Lotus("noise"), "sample", phases=(PhaseSettings(1, objective=Denoise()), *phases))
    with pytest.raises(ConfigError, match="has no switch of 2 numbers"):
        loss(Lotus("noise"), model, batch())


def test_training_that_goes_on_from_such_a_checkpoint_keeps_its_switch_and_its_start(tmp_path):
    train(recipe(Lotus(), "sample"), tmp_path / "run")
    start = str(tmp_path / "run" / "checkpoint")
    for objective in (EndToEnd("zeros"), Lotus()):
        model = estimator(objective, start=start, network={})
        assert (model.card.convention.start, model.card.convention.switch) == ("nothing", (1.0, 0.0))
        assert model.backbone.unet.conv_in.in_channels == 4
        assert bool(loss(objective, model, batch()).isfinite())


def test_a_later_phase_by_the_result_leaves_the_switch_and_the_start_as_they_are(tmp_path):
    phases = (PhaseSettings(1), PhaseSettings(1, objective=OneStep()))
    train(recipe(Lotus(), "sample", phases=phases), tmp_path / "run")
    model = checkpoint.open(tmp_path / "run" / "checkpoint")
    assert model.card.convention == Convention("nothing", 999, (1.0, 0.0))
    assert model.backbone.schedule.output is Output.SAMPLE


def test_a_network_that_is_adapted_to_noise_cannot_do_without(tmp_path):
    train(recipe(Lotus("noise"), "sample"), tmp_path / "run")
    with pytest.raises(ConfigError, match="takes noise for 1 targets beside 1 conditions; start from the generator"):
        estimator(Lotus("nothing"), start=str(tmp_path / "run" / "checkpoint"), network={})


def test_a_preview_shows_the_photo_that_was_reconstructed():
    objective = Lotus()
    shown = objective.preview(estimator(objective, "sample"), batch(), torch.Generator())
    assert shown.shape == (2, 4, 3, 16, 16)  # photo, target, prediction, photo again


def test_every_weight_of_the_network_learns():
    objective = Lotus("noise")
    model = estimator(objective, "sample")
    trained = objective.trainable(model).requires_grad_(True)
    loss(objective, model, batch()).backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in trained.class_embedding.parameters())
