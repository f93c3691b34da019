"""A weighted sum of objectives."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn

from marigold.checkpoints.convention import Convention
from marigold.core.config import decode, encode
from marigold.core.errors import ConfigError
from marigold.objectives.autoencode import Autoencode
from marigold.objectives.base import Objective
from marigold.objectives.denoise import Denoise
from marigold.objectives.end_to_end import EndToEnd
from marigold.objectives.weighted import Part, Weighted
from marigold.train.loop import train
from toys.trained import batch, estimator, loss, recipe


@dataclass(frozen=True)
class Still(Objective):
    """Draws nothing, and keeps what it is given."""

    number: float = 1.0

    def trainable(self, estimator):
        return estimator.backbone.denoiser

    def prepare(self, estimator, batch):
        return {"condition": estimator.encode_image(batch.image), "mean": batch.pixels.mean(dim=(1, 2, 3, 4))}

    def loss(self, estimator, prepared, kept, rng):
        assert set(prepared) == {"condition", "mean"}
        return self.number * prepared["mean"].mean() + kept.number[0]

    def setup(self, estimator):
        kept = nn.Module()
        kept.register_buffer("number", torch.tensor([10 * self.number]))
        return kept

    def after_step(self, estimator, kept):
        kept.number += 1

    def preview(self, estimator, batch, rng):
        return batch.pixels


MIXED = Weighted((Part(Denoise()), Part(EndToEnd(), 0.5)))


def test_it_is_the_weighted_sum_of_its_parts_with_what_each_keeps():
    objective = Weighted((Part(Still(1.0), 2.0), Part(Still(3.0), 0.5)))
    model, shown = estimator(objective), batch()
    mean = float(shown.pixels.mean())
    assert float(loss(objective, model, shown)) == pytest.approx(2 * (mean + 10) + 0.5 * (3 * mean + 30), rel=1e-5)


def test_every_part_is_told_of_a_step():
    objective = Weighted((Part(Still(1.0)), Part(Still(2.0))))
    model = estimator(objective)
    kept = objective.setup(model)
    objective.after_step(model, kept)
    assert [float(one.number) for one in kept] == [11, 21]


def test_parts_see_what_they_prepare_and_an_image_is_encoded_once(monkeypatch):
    model, shown, encoded = estimator(MIXED), batch(), []
    encode_ = model.backbone.encode
    monkeypatch.setattr(model.backbone, "encode", lambda x: encoded.append(x.shape) or encode_(x))
    prepared = MIXED.prepare(model, shown)
    assert len(encoded) == 2  # the photos, the targets
    assert prepared["0.condition"] is prepared["1.condition"]
    assert {name.partition(".")[0] for name in prepared} == {"0", "1"}
    torch.testing.assert_close(prepared["0.clean"], model.encode_target(shown.pixels))


def test_the_first_part_draws_what_it_draws_alone():
    model, shown = estimator(MIXED), batch()
    silent = Weighted((Part(Denoise()), Part(EndToEnd(), 0.0)))
    torch.testing.assert_close(loss(silent, model, shown), loss(Denoise(), model, shown))


def test_a_mixture_is_chosen_in_a_recipe():
    content = {"name": "weighted", "parts": [{"objective": "denoise"}, {"objective": "end_to_end", "weight": 0.5}]}
    assert decode(Objective, content) == MIXED
    assert decode(Objective, encode(MIXED)) == MIXED


def test_parts_that_train_different_networks_are_refused():
    objective = Weighted((Part(Denoise()), Part(Autoencode())))
    with pytest.raises(ConfigError, match=r"parts\.1: `autoencode` trains another network than `denoise`"):
        objective.trainable(estimator(MIXED))


def test_parts_whose_networks_are_called_in_different_ways_are_refused():
    objective = Weighted((Part(Denoise()), Part(EndToEnd("zeros"))))
    with pytest.raises(ConfigError, match=r"parts\.1: `end_to_end` teaches a network that is called in another way"):
        estimator(objective)
    assert estimator(MIXED).card.convention == Convention()


def test_a_sum_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="weighted: parts: a list of 0 cannot be used"):
        Weighted(())


def test_a_run_is_resumed_to_the_bit(tmp_path):
    steps = {"steps": 4}
    train(recipe(MIXED, **steps), tmp_path / "whole")
    train(recipe(MIXED), tmp_path / "halves")
    train(recipe(MIXED, **steps), tmp_path / "halves")
    name = "checkpoint/unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "halves" / name).read_bytes()
