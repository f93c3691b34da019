"""Teaching by the result: the modality's own loss on what is decoded, the error of the latents beside it."""

import pytest
import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError
from marigold.core.sample import Batch
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.objectives.end_to_end import EndToEnd
from toys.scenes import NETWORK, Toy


def estimator() -> Estimator:
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**{**NETWORK, "schedule": {**NETWORK["schedule"], "prediction_type": "sample"}})
    backbone.adapt(conditions=1, targets=1)
    return Estimator(backbone, Depth(), Card("toy", "depth")).requires_grad_(False)


def batch() -> Batch:
    sample = Toy().read_many(None, ["train/0", "train/1"], "cpu")
    pixels, valid = Depth().encode(sample)
    return Batch(sample.image * 2 - 1, pixels, valid, sample)


def predicting(predicted) -> Estimator:
    """An estimator whose network predicts this."""
    model = estimator()
    model.backbone.network = lambda x, t, condition: predicted
    return model


def loss(model: Estimator, shown: Batch, **options) -> float:
    objective = EndToEnd(**options)
    prepared = objective.prepare(model, shown)
    return float(objective.loss(model, prepared, torch.nn.Module(), torch.Generator().manual_seed(5)))


def test_the_loss_is_the_modalitys_own_on_the_decoded_answer():
    shown, predicted = batch(), torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    model = predicting(predicted)
    assert loss(model, shown) == pytest.approx(float(Depth().loss(model.decode(predicted), shown)), rel=1e-5)


def test_only_the_share_that_is_decoded_counts_as_a_result():
    shown, predicted = batch(), torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    model = predicting(predicted)
    first = float(Depth().loss(model.decode(predicted[:1]), shown.first(1)))
    assert loss(model, shown, decoded=0.5) == pytest.approx(first, rel=1e-5)


def test_the_error_of_the_latents_is_added_over_the_whole_batch():
    shown, predicted = batch(), torch.zeros(2, 4, 8, 8)
    model = predicting(predicted)
    clean = model.encode_target(shown.pixels)
    both, alone = loss(model, shown, latent=2.0), loss(model, shown)
    assert both - alone == pytest.approx(2 * float(clean.square().mean()), rel=1e-4)


@pytest.mark.parametrize("start", ["noise", "zeros"])
def test_the_step_is_taken_at_the_last_time_from_what_is_asked_for(start):
    seen = {}
    model = estimator()

    def network(x, t, condition):
        seen.update(x=x, t=t)
        return x

    model.backbone.network = network
    loss(model, batch(), start=start)
    assert seen["t"].tolist() == [999, 999]
    assert (seen["x"].abs().sum() == 0) == (start == "zeros")


def test_gradients_reach_the_denoiser_through_a_decoder_that_stays():
    model, shown = estimator(), batch()
    objective = EndToEnd()
    trained = objective.trainable(model).requires_grad_(True)
    objective.loss(model, objective.prepare(model, shown), torch.nn.Module(), torch.Generator()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in trained.parameters())
    assert all(p.grad is None for p in model.backbone.autoencoder.parameters())


def test_a_share_that_decodes_nothing_is_refused():
    with pytest.raises(ConfigError, match="decoded"):
        EndToEnd(decoded=0)
