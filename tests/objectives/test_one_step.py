"""One step taught by a sum of losses on its result."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from marigold import checkpoint
from marigold.checkpoints.convention import Convention
from marigold.core.config import decode, encode
from marigold.core.errors import ConfigError, UnknownNameError
from marigold.core.sample import Batch, Sample
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from marigold.objectives.base import Objective
from marigold.objectives.end_to_end import EndToEnd
from marigold.objectives.losses.affine import Affine
from marigold.objectives.losses.angle import Angle
from marigold.objectives.losses.gradient import Gradient
from marigold.objectives.losses.latent import Latent
from marigold.objectives.losses.sink import Sink
from marigold.objectives.losses.value import Value
from marigold.objectives.one_step import OneStep, Term
from marigold.train.loop import train
from toys.trained import batch, estimator, loss, recipe


def of(*losses, **options) -> OneStep:
    return OneStep(tuple(Term(one) for one in losses), **options)


def test_the_loss_is_the_weighted_sum_of_its_terms():
    model, shown = estimator(of(Value())), batch()
    parts = [float(loss(of(one), model, shown)) for one in (Affine(), Gradient(), Latent())]
    summed = OneStep((Term(Affine(), 2.0), Term(Gradient(), 0.5), Term(Latent(), 3.0)))
    assert float(loss(summed, model, shown)) == pytest.approx(2 * parts[0] + 0.5 * parts[1] + 3 * parts[2], rel=1e-5)


@pytest.mark.parametrize("start", ["noise", "zeros"])
def test_with_the_modality_s_loss_it_is_end_to_end(start):
    model, shown = estimator(of(Value())), batch()
    expected = loss(EndToEnd(start, latent=0.5), model, shown)
    found = loss(OneStep((Term(Value()), Term(Latent(), 0.5)), start=start), model, shown)
    torch.testing.assert_close(found, expected)


def test_latents_are_compared_over_the_whole_batch_and_maps_over_the_share_that_is_decoded():
    model, shown = estimator(of(Value())), batch()
    both, none = of(Latent(), Value(), decoded=0.5), of(Latent())
    only_first = loss(of(Value()), model, shown.first(1))
    assert float(loss(both, model, shown)) == pytest.approx(float(loss(none, model, shown) + only_first), rel=1e-5)


def test_latents_alone_decode_nothing(monkeypatch):
    model = estimator(of(Latent()))
    monkeypatch.setattr(model, "decode_pixels", lambda latent: pytest.fail("decoded"))
    assert float(loss(of(Latent()), model, batch())) > 0


def test_metres_are_those_of_the_batch():
    model, shown = estimator(of(Affine())), batch()
    far = batch()
    far.truth.maps["depth"].mul_(10)
    assert float(loss(of(Affine()), model, far)) == pytest.approx(
        10 * float(loss(of(Affine()), model, shown)), rel=1e-4
    )


def test_gradients_reach_the_denoiser_through_a_decoder_that_stays():
    objective, shown = of(Affine(), Gradient(), Sink()), batch()
    model = estimator(objective)
    trained = objective.trainable(model).requires_grad_(True)
    loss(objective, model, shown).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in trained.parameters())
    assert all(p.grad is None for p in model.backbone.autoencoder.parameters())


@dataclass(frozen=True)
class Geometry(Depth):
    """Depth and normals, a target image each."""

    needs = ("depth", "normals")
    targets = ("depth", "normals")
    outputs = ("depth", "normals")
    channels = (1, 3)

    def encode(self, sample: Sample) -> tuple[torch.Tensor, torch.Tensor]:
        parts = [modality.encode(sample) for modality in (Depth(), Normals())]
        pixels, valid = (torch.cat(some, dim=-4) for some in zip(*parts, strict=True))
        return pixels, valid

    def decode(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.cat([Depth().decode(pixels[:, :1]), Normals().decode(pixels[:, 1:])], dim=1)


def test_depth_and_normals_of_one_network_are_taught_together():
    objective = OneStep((Term(Affine(), 0.5), Term(Angle(), 1.0)))
    model, shown = estimator(objective, modality=Geometry()), batch().truth
    normals = torch.nn.functional.normalize(
        torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1)), dim=1
    )
    sample = replace(
        shown,
        maps={**shown.maps, "normals": normals},
        valid={**shown.valid, "normals": shown.valid["depth"]},
    )
    pixels, valid = Geometry().encode(sample)
    both = Batch(sample.image * 2 - 1, pixels, valid, sample)
    objective.trainable(model)
    parts = [float(loss(of(one), model, both)) for one in (Affine(), Angle())]
    assert float(loss(objective, model, both)) == pytest.approx(0.5 * parts[0] + parts[1], rel=1e-5)
    predicted = model.decode(model.sample(model.encode_image(both.image), torch.zeros(2, 8, 8, 8), 1))
    expected = Normals().loss(predicted[:, 1:], Batch(both.image, pixels[:, 1:], valid[:, 1:], sample))
    assert parts[1] == pytest.approx(float(expected), rel=1e-4)


def test_a_loss_of_maps_that_are_not_predicted_is_refused():
    model = estimator(of(Value()))
    with pytest.raises(ConfigError, match=r"losses\.1: `angle` compares normals, which depth does not predict"):
        of(Value(), Angle()).trainable(model)


def test_losses_are_chosen_by_name_in_a_recipe():
    content = {"name": "one_step", "losses": [{"loss": "affine", "low": 0.0}, {"loss": "sink", "weight": 0.5}]}
    found = decode(Objective, content)
    assert found == OneStep((Term(Affine(low=0.0)), Term(Sink(), 0.5)))
    assert decode(Objective, encode(found)) == found


def test_a_loss_that_does_not_exist_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match="no maploss named `gradients`; did you mean `gradient`"):
        decode(Objective, {"name": "one_step", "losses": [{"loss": "gradients"}]})


@pytest.mark.parametrize("wrong", [{"losses": []}, {"decoded": 0}, {"losses": [{"loss": "value", "weight": -1}]}])
def test_what_means_nothing_is_refused(wrong):
    with pytest.raises(ConfigError, match="cannot be used"):
        decode(Objective, {"name": "one_step", **wrong})


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (of(Value()), Convention("zeros", 999)),
        (of(Value(), start="noise"), Convention()),
        (EndToEnd("zeros"), Convention("zeros", 999)),
        (EndToEnd("noise"), Convention()),
    ],
)
def test_the_card_says_how_the_network_is_called(objective, expected):
    assert estimator(objective).card.convention == expected


def test_what_was_trained_from_zeros_answers_from_zeros_when_it_is_opened(tmp_path: Path):
    train(recipe(of(Affine(), Gradient())), tmp_path / "run")
    model = checkpoint.open(tmp_path / "run" / "checkpoint")
    condition, noise = model.encode_image(batch().image), torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        v = model.backbone.network(torch.zeros_like(noise), torch.tensor([999, 999]), condition)
        found = model.sample(condition, noise, 4)
    # At the last time nothing of the signal is left: the clean latent is -v.
    torch.testing.assert_close(found, -v)
