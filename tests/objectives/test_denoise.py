"""The fine-tuning loss: zero for a perfect network, blind to masked cells, right for every prediction type."""

import pytest
import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.sample import Batch
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.objectives.denoise import Denoise
from toys.scenes import NETWORK, Toy


def estimator(prediction: str = "v_prediction") -> Estimator:
    torch.manual_seed(0)
    terminal = prediction != "epsilon"
    schedule = {**NETWORK["schedule"], "prediction_type": prediction, "rescale_betas_zero_snr": terminal}
    backbone = StableDiffusion.tiny(**{**NETWORK, "schedule": schedule})
    backbone.adapt(conditions=1, targets=1)
    return Estimator(backbone, Depth(), Card("toy", "depth")).requires_grad_(False)


def batch() -> Batch:
    sample = Toy().read_many(None, ["train/0", "train/1"], "cpu")
    pixels, valid = Depth().encode(sample)
    return Batch(sample.image * 2 - 1, pixels, valid, sample)


def loss(estimator: Estimator, shown: Batch, **options) -> float:
    rng = torch.Generator().manual_seed(5)
    objective = Denoise(**options)
    return float(objective.loss(estimator, objective.prepare(estimator, shown), torch.nn.Module(), rng))


@pytest.mark.parametrize("noise", ["gaussian", "multi_resolution", "annealed"])
@pytest.mark.parametrize("prediction", ["v_prediction", "sample", "epsilon"])
def test_a_network_that_knows_the_answer_has_no_loss(prediction, noise):
    model, shown = estimator(prediction), batch()
    clean = model.encode_target(shown.pixels)

    def oracle(x, t, condition):
        a, s = model.backbone.schedule(t)
        noise = (x - a * clean) / s
        return {"v_prediction": a * noise - s * clean, "sample": clean, "epsilon": noise}[prediction]

    model.backbone.network = oracle
    assert loss(model, shown, noise=noise) < 1e-6


def test_a_network_that_answers_zero_has_the_mean_square_of_the_target():
    model, shown = estimator("sample"), batch()
    model.backbone.network = lambda x, t, condition: torch.zeros_like(x)
    expected = model.encode_target(shown.pixels).square().mean()
    assert loss(model, shown) == pytest.approx(float(expected), rel=1e-5)


def test_masked_cells_do_not_count():
    model, shown = estimator("sample"), batch()
    clean = model.encode_target(shown.pixels)
    model.backbone.network = lambda x, t, condition: torch.zeros_like(x)
    valid = shown.valid.clone()
    valid[..., :8, :] = False
    half = Batch(shown.image, shown.pixels, valid, shown.truth)
    assert loss(model, half) == pytest.approx(float(clean[..., 4:, :].square().mean()), rel=1e-5)


def test_a_batch_without_a_valid_pixel_has_no_loss():
    model, shown = estimator(), batch()
    nothing = Batch(shown.image, shown.pixels, torch.zeros_like(shown.valid), shown.truth)
    assert loss(model, nothing) == 0


def test_a_cell_with_one_unusable_pixel_does_not_count():
    model, shown = estimator(), batch()
    stride, valid = model.backbone.stride, shown.valid.clone()
    valid[0, 0, 0, stride, 2 * stride - 1] = False  # in the second row of cells, the last pixel of the second cell
    mask = Denoise().prepare(model, Batch(shown.image, shown.pixels, valid, shown.truth))["valid"]
    expected = torch.ones_like(mask)
    expected[0, :, 1, 1] = False
    assert torch.equal(mask, expected)


def test_every_valid_element_of_a_batch_weighs_alike():
    model, shown = estimator("sample"), batch()
    clean = model.encode_target(shown.pixels)
    model.backbone.network = lambda x, t, condition: torch.zeros_like(x)
    valid = shown.valid.clone()
    valid[0, ..., 4:, :] = False  # a quarter of the first sample is left, all of the second
    part = Batch(shown.image, shown.pixels, valid, shown.truth)
    used = torch.cat([clean[0, :, :2].flatten(), clean[1].flatten()])
    assert loss(model, part) == pytest.approx(float(used.square().mean()), rel=1e-5)


def test_the_condition_comes_before_the_noisy_latent():
    model, shown = estimator(), batch()
    seen = {}

    def spy(x, t, condition):
        seen["condition"] = condition
        return x

    model.backbone.network = spy
    loss(model, shown)
    assert torch.equal(seen["condition"], model.encode_image(shown.image))


@pytest.mark.parametrize(("unit_variance", "shared"), [("sample", False), ("batch", True)])
def test_noise_has_unit_variance_over_what_the_setting_says(unit_variance, shared):
    model, shown = estimator(), batch()
    seen = []
    model.backbone.network = lambda x, t, condition: seen.append((x, t)) or torch.zeros_like(x)
    loss(model, shown, noise="multi_resolution", unit_variance=unit_variance)
    (x, t), clean = seen[0], model.encode_target(shown.pixels)
    a, s = model.backbone.schedule(t)
    noise = (x - a * clean) / s
    each = torch.allclose(noise.std(dim=(1, 2, 3)), torch.ones(2), atol=1e-3)
    assert (float(noise.std()) == pytest.approx(1, abs=1e-3), each) == (shared, not shared)


def test_samples_of_pure_noise_are_white_and_at_the_last_time():
    model, shown = estimator(), batch()
    seen = []

    def network(x, t, condition):
        seen.append((x, t))
        return torch.zeros_like(x)

    model.backbone.network = network
    loss(model, shown, pure=1.0)
    (x, t), last = seen[0], model.backbone.schedule.length - 1
    assert t.tolist() == [last] * len(t)
    # Zero terminal SNR: the network sees the noise alone. A mean of 4 x 4 white cells has a sixteenth of their power.
    means = torch.nn.functional.avg_pool2d(x, 4)
    assert float(means.var()) == pytest.approx(1 / 16, rel=0.5)


def test_no_sample_is_pure_unless_asked_for():
    model, shown = estimator(), batch()
    times = []
    model.backbone.network = lambda x, t, condition: times.append(t) or torch.zeros_like(x)
    loss(model, shown)
    assert max(times[0].tolist()) < model.backbone.schedule.length - 1
