"""A small decoder learns what the frozen decoder gives; nothing else changes."""

from dataclasses import replace

import pytest
import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError
from marigold.core.sample import Batch
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.objectives.distil_decoder import DistilDecoder, _mean, _slopes
from toys.scenes import NETWORK, Toy

NOBODY = torch.nn.Module()


def objective(**changes) -> DistilDecoder:
    return DistilDecoder(
        **{"widths": (8, 4), "blocks": (1, 1), "values": 0.0, "absolute": 1.0, "gradient": 1.0, **changes}
    )


def estimator(how: DistilDecoder, conditions: int = 0) -> Estimator:
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK)
    if conditions:
        backbone.adapt(conditions, 1)
    how.extend(backbone)
    return Estimator(backbone, Depth(), Card("toy", "depth")).requires_grad_(False)


def batch() -> Batch:
    sample = Toy().read_many(None, ["train/0", "train/1"], "cpu")
    pixels, valid = Depth().encode(sample)
    return Batch(sample.image * 2 - 1, pixels, valid, sample)


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_small_decoder_comes_closer_to_its_teacher_and_all_else_stays():
    how = objective(blur=0.0, widths=(32, 16))
    model = estimator(how)
    before = {name: x.clone() for name, x in model.backbone.state_dict().items()}
    optimizer = torch.optim.Adam(how.trainable(model).requires_grad_(True).parameters(), lr=1e-2)
    prepared = how.prepare(model, batch())
    losses = []
    for _ in range(50):
        loss = how.loss(model, prepared, NOBODY, rng())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    changed = {name for name, x in model.backbone.state_dict().items() if not torch.equal(x, before[name])}
    assert changed and all(name.startswith("vae.small.") for name in changed)


def test_the_teacher_is_the_decoder_that_was_there():
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK).requires_grad_(False)
    latent = torch.randn(1, 4, 8, 8, generator=rng())
    before = backbone.decode(latent)
    objective().extend(backbone)
    torch.testing.assert_close(backbone.autoencoder.teach(latent), before)
    assert not torch.allclose(backbone.decode(latent), before)


def test_the_error_is_a_weighted_mean_of_absolute_values():
    error = torch.tensor([[[[1.0, -3.0], [0.0, 2.0]]]]).expand(1, 3, 2, 2)
    weight = torch.tensor([[[[1.0, 1.0], [0.0, 0.5]]]])
    # (1 * 1 + 1 * 3 + 0 * 0 + 0.5 * 2) / 2.5
    assert float(_mean(error, weight)) == pytest.approx(2.0)
    # To the right |-3 - 1| with 1 and |2 - 0| with 0; downwards |0 - 1| with 0 and |2 + 3| with 0.5.
    assert float(_slopes(error, weight)) == pytest.approx(4.0 + 0.5 * 5.0 / 0.5)


def test_what_is_not_known_counts_by_its_weight_alone():
    how = objective(elsewhere=0.0, blur=0.0, gradient=0.0)
    model = estimator(how)
    prepared = how.prepare(model, batch())
    known = prepared["usable"].clone()
    known[..., :8] = False
    loss = how.loss(model, {**prepared, "usable": known}, NOBODY, rng())
    vae, latent = model.backbone.autoencoder, prepared["clean"]
    difference = (vae.decoder(latent) - vae.teach(latent))[..., 8:]
    assert float(loss) == pytest.approx(float(difference.abs().mean()), rel=1e-5)


def test_all_targets_of_a_sample_count_alike():
    how = objective(blur=0.0, gradient=0.0)
    model = estimator(how)
    prepared = how.prepare(model, batch())
    clean, usable = prepared["clean"], prepared["usable"]
    one = how.loss(model, prepared, NOBODY, rng())
    other = how.loss(model, {**prepared, "clean": -clean}, NOBODY, rng())
    both = {"clean": torch.cat([clean, -clean], dim=1), "usable": usable.repeat(1, 2, 1, 1, 1)}
    assert float(how.loss(model, both, NOBODY, rng())) == pytest.approx(float(one + other) / 2, rel=1e-5)


def test_maps_are_compared_by_the_modalitys_loss_with_the_teachers_as_truth():
    how = objective(values=2.0, absolute=0.0, gradient=0.0, blur=0.0)
    model = estimator(how, conditions=1)
    prepared = how.prepare(model, batch())
    pixels = model.decode_pixels(prepared["clean"])
    taught = model.backbone.autoencoder.teach(prepared["clean"])[:, None]
    truth = replace(batch(), pixels=taught)
    expected = 2 * float(Depth().loss(Depth().decode(pixels), truth))
    assert expected > 0.01
    assert float(how.loss(model, prepared, NOBODY, rng())) == pytest.approx(expected, rel=1e-5)


def test_the_stated_share_of_latents_is_predicted_from_the_photo():
    how = objective(predicted=0.5, blur=0.0)
    model = estimator(how, conditions=1)
    prepared = how.prepare(model, batch())
    latents = how._latents(model, prepared, rng())
    assert not torch.allclose(latents[0], prepared["clean"][0])
    assert torch.equal(latents[1], prepared["clean"][1])
    noise = torch.randn(prepared["clean"].shape, generator=rng())
    torch.testing.assert_close(latents[:1], model.sample(prepared["condition"][:1], noise[:1], 1))


def test_noise_on_latents_stays_below_the_stated_deviation():
    how = objective(blur=0.5)
    clean = torch.zeros(4, 4, 64, 64)
    noisy = how._latents(estimator(how), {"clean": clean}, rng())
    deviations = noisy.flatten(1).std(dim=1)
    assert (deviations < 0.52).all() and deviations.min() < 0.8 * deviations.max()


def test_a_preview_shows_target_teacher_and_small_decoder():
    how = objective()
    model, shown = estimator(how), batch()
    preview = how.preview(model, shown, rng())
    assert preview.shape == (2, 3, 3, 16, 16)
    assert torch.equal(preview[:, 0], shown.pixels[:, 0].clamp(-1, 1))
    taught = model.backbone.autoencoder.teach(model.encode_target(shown.pixels))
    torch.testing.assert_close(preview[:, 1], taught.clamp(-1, 1))


@pytest.mark.parametrize("name", ["predicted", "values"])
def test_a_network_that_sees_no_photo_has_neither_predictions_nor_maps(name):
    how = objective(**{name: 0.5})
    with pytest.raises(ConfigError, match=f"{name}: the network of `start` sees no photo; use 0"):
        how.trainable(estimator(how))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"widths": (8,), "blocks": (1,)}, "widths: a list of 1 .* 2 long"),
        ({"widths": (8, 4), "blocks": (1,)}, "blocks: a list of 1 .* 2 long"),
        ({"widths": (8, 0)}, "channels: 0"),
        ({"blocks": (1, 65)}, "blocks: 65"),
    ],
)
def test_a_shape_that_does_not_go_from_latents_to_images_is_refused(changes, said):
    with pytest.raises(ConfigError, match=said):
        estimator(objective(**changes))
