"""Depth as a picture: quantiles, sky, and what decoding gives back."""

import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError
from marigold.core.sample import Batch, Sample
from marigold.measure.alignment import Protocol
from marigold.modalities.depth import Depth


def sample(depth: torch.Tensor, valid: torch.Tensor | None = None) -> Sample:
    """A sample of this depth [..., H, W]."""
    depth = depth[..., None, :, :]
    image = torch.zeros(*depth.shape[:-3], 3, *depth.shape[-2:])
    valid = torch.ones_like(depth, dtype=torch.bool) if valid is None else valid[..., None, :, :]
    return Sample("scene/0", image, {"depth": depth}, {"depth": valid})


def test_the_two_percent_quantiles_are_encoded_minus_one_and_one():
    depth = torch.rand(20, 30, generator=torch.Generator().manual_seed(0)) * 7 + 1
    pixels, _ = Depth().encode(sample(depth))
    low, high = np.quantile(depth.numpy(), [0.02, 0.98])
    expected = np.clip((depth.numpy() - low) / (high - low) * 2 - 1, -1, 1)
    np.testing.assert_allclose(pixels[0, 0].numpy(), expected, atol=1e-5)


def test_all_three_channels_are_the_same():
    pixels, valid = Depth().encode(sample(torch.rand(4, 5) + 1))
    assert pixels.shape == (1, 3, 4, 5)
    assert valid.shape == (1, 1, 4, 5)
    assert torch.equal(pixels[0, 0], pixels[0, 2])


def test_pixels_without_truth_are_encoded_far_and_may_not_be_used():
    depth = torch.tensor([[1.0, 2.0, 3.0, 0.0, torch.nan, torch.inf, 2.0]])
    allowed = torch.tensor([[True, True, True, True, True, True, False]])
    pixels, valid = Depth(low=0, high=1).encode(sample(depth, allowed))
    assert valid[0, 0, 0].tolist() == [True, True, True, False, False, False, False]
    assert pixels[0, 0, 0].tolist() == [-1, 0, 1, 1, 1, 1, 1]


def test_sky_does_not_move_the_quantiles():
    depth = torch.tensor([[1.0, 2.0, 3.0, 1e6]])
    pixels, _ = Depth(low=0, high=1).encode(sample(depth, depth < 10))
    assert pixels[0, 0, 0].tolist() == [-1, 0, 1, 1]


def test_each_image_of_a_batch_has_its_own_quantiles():
    depth = torch.rand(3, 6, 8) * torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1) + 1
    together, _ = Depth().encode(sample(depth))
    for index in range(3):
        alone, _ = Depth().encode(sample(depth[index]))
        assert torch.equal(together[index], alone)


def test_a_scene_of_one_depth_is_encoded_in_the_middle():
    pixels, valid = Depth().encode(sample(torch.full((4, 4), 3.3)))
    assert not pixels.any()
    assert valid.all()


def test_a_scene_without_truth_is_encoded_far():
    pixels, valid = Depth().encode(sample(torch.ones(4, 4), torch.zeros(4, 4, dtype=torch.bool)))
    assert (pixels == 1).all()
    assert not valid.any()


def test_without_shift_zero_metres_stay_the_near_end():
    depth = torch.tensor([[2.0, 4.0, 8.0]])
    pixels, _ = Depth(shift_invariant=False, high=1).encode(sample(depth))
    assert pixels[0, 0, 0].tolist() == [-0.5, 0, 1]


def test_metric_depth_has_no_encoded_range():
    with pytest.raises(ConfigError, match="scale_invariant"):
        Depth(scale_invariant=False).encode(sample(torch.ones(2, 2)))


def test_decoding_averages_the_channels_and_clips():
    pixels = torch.tensor([0.0, 0.3, 0.6]).view(1, 1, 3, 1, 1).expand(1, 1, 3, 1, 2).clone()
    pixels[..., 1] = 2
    assert Depth().decode(pixels)[0, 0, 0].tolist() == pytest.approx([0.65, 1])


def test_decoded_half_precision_is_single_precision():
    assert Depth().decode(torch.zeros(1, 1, 3, 2, 2, dtype=torch.bfloat16)).dtype == torch.float32


def test_the_shown_quantile_of_a_prediction_becomes_one():
    values = torch.rand(3, 1, 20, 30, generator=torch.Generator().manual_seed(2)) ** 4
    whole, spread = Depth(target_space="log", high=1.0).ensemble(values)
    shown, its_spread = Depth(target_space="log", high=1.0, shown=0.9).ensemble(values)
    far = np.quantile(whole.numpy(), 0.9)
    assert far < 0.9
    np.testing.assert_allclose(shown.numpy(), np.minimum(whole.numpy() / far, 1), atol=1e-6)
    np.testing.assert_allclose(its_spread.numpy(), spread.numpy() / far, rtol=1e-5)


def test_one_flat_member_stays_flat_whatever_is_shown():
    merged, _ = Depth(shown=0.9).ensemble(torch.zeros(1, 1, 4, 5))
    assert not merged.any()


@pytest.mark.parametrize("shown", [0.0, 1.1])
def test_a_quantile_beyond_the_picture_cannot_be_shown(shown):
    with pytest.raises(ConfigError, match="depth: shown"):
        Depth(shown=shown)


def test_the_score_does_not_see_scale_and_shift():
    truth = torch.rand(6, 7, generator=torch.Generator().manual_seed(0)) * 5 + 1
    score = Depth().score((truth / 9 + 0.02)[None], sample(truth))
    assert score["abs_rel"].mean == pytest.approx(0, abs=1e-6)
    assert score["delta1"].mean == 1


def test_the_score_follows_the_protocol():
    truth = torch.tensor([[1.0, 2.0]])
    score = Depth().score(2 * truth[None], sample(truth), Protocol(space="none"))
    assert score["abs_rel"].mean == pytest.approx(1)


def test_the_baselines_are_the_row_and_a_constant():
    rows = torch.tensor([[9.0], [5.0], [1.0]]).expand(3, 4)
    floor = sample(rows)
    scores = {name: Depth().score(values, floor)["abs_rel"].mean for name, values in Depth().baselines(floor).items()}
    # A floor whose depth is affine in the row is explained by the row; its mean 5 errs by 4/9, 0 and 4.
    assert scores == pytest.approx({"affine in the row": 0, "constant": (4 / 9 + 0 + 4) / 3}, abs=1e-9)


def test_options_are_those_of_diffusers():
    assert Depth(shift_invariant=False).options() == {
        "prediction_type": "depth",
        "scale_invariant": True,
        "shift_invariant": False,
    }


def test_near_is_red_and_far_is_violet():
    picture = Depth().colorize({"depth": np.array([[0.0, 1.0]], dtype=np.float32)})["depth"]
    assert picture[0].tolist() == [[158, 1, 66], [94, 79, 162]]


def test_the_loss_is_that_of_the_best_scale_and_shift_to_the_encoded_truth():
    # Painted truth 0, 1/2, 1, 1/2; the answer 0, 1, 1, 0 fits it best as (1 + 2 * answer) / 4: errors of 1/4.
    scene = sample(torch.tensor([[[2.0, 4.0, 6.0, 4.0]]]))
    pixels, valid = Depth(low=0, high=1).encode(scene)
    shown = Batch(scene.image, pixels, valid, scene)
    values = torch.tensor([0.0, 1, 1, 0]).view(1, 1, 1, 4)
    assert Depth(low=0, high=1).loss(values, shown).item() == pytest.approx(0.25)
    assert Depth(low=0, high=1).loss(7 - 3 * values, shown).item() == pytest.approx(0.25)
