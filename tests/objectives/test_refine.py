"""A refiner learns behind a frozen model's maps, fitted to the truth, where they are near it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints import store
from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError, UnknownNameError
from marigold.core.sample import Batch
from marigold.estimator import Estimator
from marigold.measure.alignment import least_squares
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.normals import Normals
from marigold.objectives import _coarse as coarse_model
from marigold.objectives.denoise import Denoise
from marigold.objectives.refine import Refine, cropped
from marigold.predict.predictor import Predictor
from toys.scenes import NETWORK, Toy

NOBODY = torch.nn.Module()
CARD = Card("toy", "depth", defaults={"steps": 3, "resolution": 8, "ensemble": 4, "tta": "flip-scale"})


def estimator(conditions: int = 2, modality=None, card: Card = CARD) -> Estimator:
    torch.manual_seed(conditions)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(conditions, 1) if conditions else None
    return Estimator(backbone, modality or Depth(), card).requires_grad_(False).eval()


@pytest.fixture(scope="module")
def coarse(tmp_path_factory) -> Path:
    """A model of depth with random weights, which works at 8 pixels."""
    folder = tmp_path_factory.mktemp("coarse") / "checkpoint"
    store.save(estimator(1), folder)
    return folder


def batch() -> Batch:
    sample = Toy().read_many(None, ["train/0", "train/1"], "cpu")
    pixels, valid = Depth().encode(sample)
    return Batch(sample.image * 2 - 1, pixels, valid, sample)


def rng(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image(rows) -> torch.Tensor:
    """One grey target image [1, 1, 3, H, W] of these numbers."""
    return torch.tensor(rows).expand(1, 1, 3, -1, -1)


# ---- patches ----


def everywhere(height: int, width: int, count: int = 1) -> torch.Tensor:
    return torch.ones(count, 1, 1, height, width, dtype=torch.bool)


def near(off, known=None) -> list:
    """Where an image that is off by so much counts as near, with patches of 2 pixels and eta 0.1."""
    coarse = image(off)
    valid = everywhere(*coarse.shape[-2:]) if known is None else torch.tensor(known)[None, None, None]
    return coarse_model.near(coarse, torch.zeros_like(coarse), valid, 2, 0.1)[0, 0, 0].tolist()


def test_a_patch_is_left_out_where_its_distance_is_above_its_side_times_eta():
    # 2 * 0.1 is the most. One pixel that is off by 0.19 is a distance of 0.19, and one by 0.21 of 0.21; four by 0.09
    # are one of 0.18, and four by 0.11 of 0.22.
    off = [
        [0.19, 0.0, 0.21, 0.0, 0.09, 0.09, 0.11, 0.11],
        [0.0, 0.0, 0.0, 0.0, 0.09, 0.09, 0.11, 0.11],
    ]
    assert near(off) == [[True, True, False, False] * 2] * 2


def test_it_is_the_patch_of_8_pixels_as_published():
    off = torch.zeros(1, 1, 3, 16, 16)
    off[..., 3, 3] = 0.81  # 8 * 0.1 is 0.8
    off[..., 9, 12] = 0.79
    found = coarse_model.near(off, torch.zeros_like(off), everywhere(16, 16), 8, 0.1)[0, 0, 0]
    assert not found[:8, :8].any() and int((~found).sum()) == 64


def test_pixels_without_truth_do_not_count():
    # Of the three that are left the mean square is 0.09 ** 2 in the first patch and 0.11 ** 2 in the second.
    off = [[5.0, 0.09, 5.0, 0.11], [0.09, 0.09, 0.11, 0.11]]
    known = [[False, True, False, True], [True] * 4]
    assert near(off, known) == [[True, True, False, False]] * 2


def test_a_patch_that_the_border_cuts_is_judged_by_what_is_there():
    off = [[0.0, 0.0, 0.11], [0.0, 0.0, 0.11], [0.09, 0.09, 0.0]]
    assert near(off) == [[True, True, False]] * 2 + [[True] * 3]


def test_the_three_channels_of_a_target_image_weigh_a_third_each():
    off = torch.zeros(1, 1, 3, 2, 2)
    off[:, :, 0] = 0.18  # a root mean square of 0.18 / sqrt(3) = 0.104
    zeros, known = torch.zeros_like(off), everywhere(2, 2)
    assert not coarse_model.near(off, zeros, known, 2, 0.1).any()
    assert coarse_model.near(off * 0.95, zeros, known, 2, 0.1).all()


# ---- alignment ----


def test_the_coarse_map_is_brought_to_the_truth_by_least_squares():
    # y = 0.4 x + 0.1 of the points (0, 0), (0, 0.2), (1, 0.4), (1, 0.6)
    known = everywhere(1, 4)
    found = coarse_model.aligned(image([[0.0, 0.0, 1.0, 1.0]]), image([[0.0, 0.2, 0.4, 0.6]]), known)
    torch.testing.assert_close(found, image([[0.1, 0.1, 0.5, 0.5]]))


def test_each_image_is_aligned_over_its_own_valid_pixels():
    ramps = torch.stack([torch.linspace(-1, 0.5, 64), torch.linspace(0.2, -0.3, 64)])
    truth, known = ramps.view(2, 1, 1, 8, 8).expand(2, 1, 3, 8, 8), everywhere(8, 8, 2)
    known[..., :2] = False
    shown = torch.where(known, (truth - torch.tensor([0.3, -0.1]).view(2, 1, 1, 1, 1)) / 0.7, 9.0)
    found = coarse_model.aligned(shown, truth, known)
    torch.testing.assert_close(torch.where(known, found, 0.0), torch.where(known, truth, 0.0))
    assert found.abs().max() <= 1


def test_a_flat_map_becomes_the_mean_and_one_without_truth_is_grey():
    truth, known = image([[0.0, 0.2, 0.4, 0.6]]), everywhere(1, 4)
    torch.testing.assert_close(coarse_model.aligned(torch.ones_like(truth), truth, known), torch.full_like(truth, 0.3))
    assert not coarse_model.aligned(truth, truth, ~known).any()


# ---- the coarse map ----


@torch.no_grad()
@pytest.mark.parametrize("modality", [Depth(), Depth(target_space="log", shown=0.9)])
@pytest.mark.parametrize("size", [(16, 16), (12, 18)])
def test_the_coarse_image_is_that_of_the_map_that_users_get_of_the_whole_photo(modality, size, tmp_path):
    store.save(estimator(1, modality), tmp_path / "coarse")
    model, photos = store.open(tmp_path / "coarse"), torch.rand(2, 3, *size, generator=rng())
    found = modality.decode(coarse_model.predicted(model, photos * 2 - 1, 1))
    user = Predictor(store.open(tmp_path / "coarse"))
    for photo, values in zip(photos, found, strict=True):
        made = user.predict(photo.permute(1, 2, 0).numpy(), steps=1, ensemble=1, match_input=False)
        assert max(made.maps["depth"].shape) == 8
        # Distances in the map are those in the image, up to a scale and shift.
        map_ = torch.from_numpy(np.ascontiguousarray(made.maps["depth"]))
        scale, shift = least_squares(values[0], map_, torch.ones_like(map_, dtype=torch.bool))
        torch.testing.assert_close((scale * values[0] + shift).float(), map_, atol=1e-4, rtol=0)


@torch.no_grad()
def test_what_the_map_does_not_show_is_not_in_the_coarse_image(coarse):
    model, photos = coarse_model.opened(str(coarse), "cpu"), torch.rand(2, 3, 8, 8, generator=rng()) * 2 - 1
    found = coarse_model.predicted(model, photos, 1)
    # Depth is the mean of three channels, between which this network makes a difference.
    decoded = model.decode_pixels(model.sample(model.encode_image(photos), torch.zeros(2, 4, 4, 4), 1))
    assert decoded.std(dim=2).max() > 0.01
    torch.testing.assert_close(found, found[:, :, :1].expand_as(found))


def test_a_second_phase_has_the_same_model(coarse):
    assert coarse_model.opened(str(coarse), "cpu") is coarse_model.opened(str(coarse), "cpu")


@pytest.mark.parametrize(
    ("conditions", "modality", "said"),
    [
        (0, Image(), "sees no photo; name a checkpoint that predicts"),
        (2, Depth(), "sees more than the photo"),
        (1, Normals(), r"other target images than those of recipe\.modality \(depth\)"),
        (1, Depth(target_space="log"), "state the settings of its own modality there"),
    ],
)
def test_a_model_of_something_else_is_refused(conditions, modality, said, tmp_path):
    store.save(estimator(conditions, modality), tmp_path / "other")
    with pytest.raises(ConfigError, match=f"refine: coarse: `.*other` .*{said}"):
        Refine(coarse=str(tmp_path / "other")).setup(estimator())


def test_a_model_has_to_be_named():
    with pytest.raises(ConfigError, match="refine: coarse: names no model; give the one"):
        Refine().setup(estimator())
    with pytest.raises(UnknownNameError, match="no checkpoint named `dept`; did you mean `depth`"):
        Refine(coarse="dept").setup(estimator())


# ---- what is learnt ----


@torch.no_grad()
def test_the_conditions_are_the_photo_and_the_fitted_map(coarse):
    model, shown = estimator(), batch()
    prepared = Refine(coarse=str(coarse), eta=2.0).prepare(model, shown)
    low = coarse_model.predicted(coarse_model.opened(str(coarse), "cpu"), shown.image, 1)
    large = torch.nn.functional.interpolate(low[:, 0], (16, 16), mode="bilinear")[:, None]
    fitted = coarse_model.aligned(large, shown.pixels, shown.valid)
    torch.testing.assert_close(prepared["condition"][:, :4], model.encode_image(shown.image))
    torch.testing.assert_close(prepared["condition"][:, 4:], model.encode_target(fitted), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(prepared["clean"], model.encode_target(shown.pixels))
    assert prepared["valid"].all()  # no pixel of -1 to 1 is farther than 2 from another


def test_a_cell_is_left_out_with_any_of_its_pixels(monkeypatch):
    model, shown = estimator(), batch()
    far = shown.pixels.clone()
    far[0, ..., 4, 5] += 0.31  # of a patch of 3 x 3, whose distance may be 0.3: rows and columns 3 to 5
    monkeypatch.setattr(Refine, "_shown", lambda self, estimator, batch: far)
    found = Refine(patch=3).prepare(model, shown)["valid"]
    # Cells of 2 x 2 pixels: those of rows and columns 1 and 2 hold pixels 2 to 5.
    expected = torch.ones(2, 4, 8, 8, dtype=torch.bool)
    expected[0, :, 1:3, 1:3] = False
    assert torch.equal(found, expected)


def test_maps_without_scale_and_shift_stay_as_they_are(coarse):
    shown = batch()
    exact = estimator(modality=Depth(scale_invariant=False, shift_invariant=False))
    low = coarse_model.predicted(coarse_model.opened(str(coarse), "cpu"), shown.image, 1)
    found = Refine(coarse=str(coarse))._shown(exact, shown)
    torch.testing.assert_close(found, coarse_model.enlarged(low, 16, 16))


def test_the_loss_is_that_of_denoising_on_what_is_shown(coarse):
    how, model = Refine(coarse=str(coarse), eta=2.0, error=Denoise(noise="gaussian")), estimator()
    prepared = how.prepare(model, batch())
    expected = Denoise(noise="gaussian").loss(model, prepared, NOBODY, rng())
    assert float(how.loss(model, prepared, NOBODY, rng())) == float(expected)
    part = replace(how, crop=(8, 4)).loss(model, prepared, NOBODY, rng())
    assert float(part) != float(expected)


def test_gradients_reach_the_refiner_alone(coarse):
    how, model = Refine(coarse=str(coarse), crop=(8, 8), eta=2.0), estimator()
    how.setup(model)
    how.trainable(model).requires_grad_(True)
    how.loss(model, how.prepare(model, batch()), NOBODY, rng()).backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert "backbone.unet.conv_in.weight" in moved and all(name.startswith("backbone.unet.") for name in moved)
    assert model.backbone.unet.conv_in.weight.grad[:, 4:8].abs().sum() > 0
    assert all(p.grad is None for p in coarse_model.opened(str(coarse), "cpu").parameters())


@pytest.mark.parametrize("empty", ["no truth", "nowhere near"])
def test_without_a_cell_that_is_left_the_loss_is_zero_and_so_is_its_gradient(coarse, empty):
    model, shown = estimator(), batch()
    how = Refine(coarse=str(coarse), eta=2.0 if empty == "no truth" else 0.0)
    if empty == "no truth":
        shown = replace(shown, valid=torch.zeros_like(shown.valid))
    how.trainable(model).requires_grad_(True)
    loss = how.loss(model, how.prepare(model, shown), NOBODY, rng())
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert not any(p.grad is not None and p.grad.any() for p in model.parameters())


def test_preparing_draws_nothing(coarse):
    how, model = Refine(coarse=str(coarse)), estimator()
    torch.manual_seed(3)
    one = how.prepare(model, batch())
    torch.manual_seed(4)
    other = how.prepare(model, batch())
    assert all(torch.equal(one[name], other[name]) for name in one)


# ---- crops ----


def test_every_tensor_of_a_sample_is_cut_at_one_place():
    places = torch.arange(6 * 5).view(1, 1, 6, 5).expand(64, 1, 6, 5)
    found = cropped({"one": places, "other": places.repeat(1, 3, 1, 1) + 100}, 4, 2, rng())
    assert found["one"].shape == (64, 1, 4, 2) and found["other"].shape == (64, 3, 4, 2)
    assert all(torch.equal(found["other"][:, channel], found["one"][:, 0] + 100) for channel in range(3))
    corner = found["one"][:, 0, 0, 0]
    window = torch.arange(4)[:, None] * 5 + torch.arange(2)
    assert torch.equal(found["one"][:, 0], corner[:, None, None] + window)
    # 3 x 4 places, all of which come up
    assert sorted(set(corner.tolist())) == [5 * row + column for row in range(3) for column in range(4)]


def test_a_sample_that_is_smaller_is_shown_whole():
    latents = {"one": torch.randn(2, 4, 3, 7, generator=rng())}
    assert torch.equal(cropped(latents, 9, 9, rng())["one"], latents["one"])


def test_a_preview_shows_photo_coarse_map_refined_map_and_truth(coarse):
    how, model, shown = Refine(coarse=str(coarse), crop=(8, 6)), estimator(), batch()
    preview = how.preview(model, shown, rng())
    assert preview.shape == (2, 4, 3, 8, 6)
    assert torch.equal(preview[:, 0], shown.image[..., 4:12, 5:11])
    assert torch.equal(preview[:, 3], shown.pixels[:, 0, :, 4:12, 5:11])
    assert replace(how, crop=()).preview(model, shown, rng()).shape == (2, 4, 3, 16, 16)


# ---- what is refused ----


def test_a_network_that_sees_no_coarse_map_is_refused():
    with pytest.raises(ConfigError, match="refine: the network has 1 conditions; train it for a modality"):
        Refine().trainable(estimator(1))


@pytest.mark.parametrize("crop", [(1, 8), (8, 1)])
def test_a_crop_holds_a_cell(crop):
    with pytest.raises(ConfigError, match=r"refine: crop: .* at least 2 pixels a side"):
        Refine(crop=crop).trainable(estimator())


@pytest.mark.parametrize("crop", [(8,), (8, 8, 8), (0, 8), (8, 1 << 20)])
def test_a_crop_is_a_height_and_a_width(crop):
    with pytest.raises(ConfigError, match=r"refine: crop: .* must be a height and a width"):
        Refine(crop=crop)


def test_what_is_minimised_is_denoising():
    with pytest.raises(ConfigError, match="refine: error: `refine` cannot be used; it must be `denoise`"):
        Refine(error=Refine())
