"""A run that distils a decoder: it resumes to the bit, ends with a folder that `--autoencoder` takes, and validates."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from marigold import checkpoint
from marigold.checkpoints.card import Card
from marigold.checkpoints.layout import is_decoder
from marigold.core.errors import OutputError
from marigold.objectives.distil_decoder import DistilDecoder
from marigold.predict.predictor import load
from marigold.train.build import build
from marigold.train.loop import Trainer, train
from marigold.train.recipe import Every, Recipe
from marigold.train.recipe import load as load_recipe
from marigold.train.rehearsal import rehearse
from train.test_loop import recipe, same, weights

PHOTO = np.random.default_rng(0).random((16, 16, 3), dtype=np.float32)
OBJECTIVE = DistilDecoder(widths=(8, 4), blocks=(1, 1), predicted=0.5)


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A checkpoint of depth with random weights."""
    folder = tmp_path_factory.mktemp("start") / "checkpoint"
    made = build(recipe(name="teacher"))
    checkpoint.save(made, folder)
    return folder


def distilling(start: Path, **changes) -> Recipe:
    usual = dict(name="toy-decoder", start=str(start), network={}, objective=OBJECTIVE, average=0.0, accumulate=1)
    return recipe(**{**usual, **changes})


@pytest.fixture(scope="module")
def finished(start, tmp_path_factory) -> Path:
    """The folder of a finished run with one validation on the way."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    every = Every(log=1, save=2, validate=2, keep=3)
    train(distilling(start, every=every, scored=2, validation_batches=1, steps=4), folder)
    return folder


def test_the_result_is_a_small_decoder_with_a_card(finished, start):
    for folder in (finished / "checkpoint", finished / "best", finished / "steps" / "000003"):
        assert is_decoder(folder)
        assert sorted(file.name for file in folder.iterdir()) == [
            "card.json",
            "config.json",
            "diffusion_pytorch_model.safetensors",
        ]
    card = Card.read(finished / "checkpoint")
    assert card.recipe.startswith("toy-decoder@") and card.source.startswith("teacher ")


def test_the_state_holds_the_small_decoder_and_no_other_weights(finished):
    stored = load_file(finished / "checkpoint" / "diffusion_pytorch_model.safetensors")
    state = [name for name in weights(finished) if name.startswith("module.")]
    assert {name.removeprefix("module.") for name in state} == set(stored)


def test_it_is_scored_as_it_will_predict(finished):
    lines = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    (first, *_) = [line for line in lines if line["kind"] == "validate"]
    assert any(name.startswith("abs_rel_") for name in first)


def test_the_checkpoint_predicts_through_it(finished, start):
    plain = load(start).predict(PHOTO, output_latent=True)
    small = load(start, autoencoder=str(finished / "checkpoint"))
    made = small.predict(PHOTO, output_latent=True)
    np.testing.assert_array_equal(made.latent, plain.latent)
    assert np.abs(made.maps["depth"] - plain.maps["depth"]).max() > 1e-4


def test_it_is_validated_with_the_weights_that_are_saved(finished, start):
    run = build(distilling(start))
    run.backbone.autoencoder.decoder.load_state_dict(
        load_file(finished / "checkpoint" / "diffusion_pytorch_model.safetensors")
    )
    opened = checkpoint.open(start, autoencoder=finished / "checkpoint")
    latent = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(run.decode_pixels(latent), opened.decode_pixels(latent))


def test_a_run_stopped_and_resumed_gives_the_same_decoder(start, tmp_path, monkeypatch):
    train(distilling(start), tmp_path / "whole")
    update = Trainer.update

    def killed(self):
        if self.step == 3:
            raise KeyboardInterrupt
        return update(self)

    monkeypatch.setattr(Trainer, "update", killed)
    with pytest.raises(KeyboardInterrupt):
        train(distilling(start), tmp_path / "parts")
    monkeypatch.setattr(Trainer, "update", update)
    train(distilling(start), tmp_path / "parts")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_the_same_command_again_changes_nothing(finished, start, monkeypatch):
    every = Every(log=1, save=2, validate=2, keep=3)
    again = distilling(start, every=every, scored=2, validation_batches=1, steps=4)
    monkeypatch.setattr(Trainer, "go", lambda self, note: pytest.fail("it is finished"))
    assert train(again, finished) == finished / "checkpoint"


def test_a_decoder_of_another_hand_is_not_replaced(start, tmp_path):
    made = build(distilling(start, name="other"))
    OBJECTIVE.save(made, tmp_path / "run" / "checkpoint")
    with pytest.raises(OutputError, match="was not written by this run"):
        train(distilling(start), tmp_path / "run")


@pytest.mark.parametrize(("name", "levels"), [("distil-decoder", 4), ("tiny-distil-decoder", 3)])
def test_the_recipes_that_ship_distil_a_decoder_for_their_generator(name, levels):
    found = load_recipe(name).objective
    assert isinstance(found, DistilDecoder) and len(found.widths) == levels


def test_the_recipe_of_the_small_family_fits_its_generator():
    made = build(replace(load_recipe("tiny-distil-decoder"), steps=1))
    latent = torch.zeros(1, made.backbone.latent_channels, 4, 4)
    with torch.no_grad():
        assert made.decode_pixels(latent).shape == (1, 1, 3, 16, 16)


def test_a_rehearsal_counts_the_small_decoder_alone(start, tmp_path):
    made = build(distilling(start))
    decoder = sum(4 * p.numel() for p in made.backbone.autoencoder.decoder.parameters())
    assert OBJECTIVE.saved_bytes(made) == decoder < 0.1 * made.backbone.stored_bytes()
    assert "toy-decoder" in rehearse(distilling(start), tmp_path / "run")
    assert not (tmp_path / "run").exists()
