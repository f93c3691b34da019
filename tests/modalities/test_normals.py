"""Normals as a picture: channels, holes, half ranges, members and angles."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from marigold.core.errors import ConfigError
from marigold.core.sample import Batch, Sample
from marigold.modalities.normals import Normals, median_direction


def sample(normals: torch.Tensor, valid: torch.Tensor | None = None) -> Sample:
    """A sample of these vectors [..., 3, H, W]."""
    everywhere = torch.ones_like(normals[..., :1, :, :], dtype=torch.bool)
    return Sample("scene/0", normals.abs(), {"normals": normals}, {"normals": everywhere if valid is None else valid})


def field(*vectors: tuple[float, float, float]) -> torch.Tensor:
    """These vectors side by side in one row, [3, 1, W]."""
    return torch.tensor(vectors).T[:, None]


def tilted(*degrees: float) -> torch.Tensor:
    """Unit vectors that lean to the right by these angles, [3, 1, W]."""
    return field(*((math.sin(math.radians(a)), 0.0, math.cos(math.radians(a))) for a in degrees))


def random_directions(*shape: int, seed: int = 0) -> torch.Tensor:
    """Unit vectors [..., 3, H, W]."""
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-3)


def test_x_y_z_are_encoded_red_green_blue():
    pixels, valid = Normals().encode(sample(field((0.6, 0.0, 0.8), (0.0, -1.0, 0.0))))
    assert pixels.shape == (1, 3, 1, 2)
    assert pixels[0, :, 0, 0].tolist() == pytest.approx([0.6, 0, 0.8])
    assert pixels[0, :, 0, 1].tolist() == [0, -1, 0]
    assert valid.all()


def test_holes_are_encoded_facing_the_viewer_and_may_not_be_used():
    vectors = field((0.0, 0.0, 0.0), (math.nan, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    allowed = torch.tensor([[[True, True, True, False]]])
    pixels, valid = Normals().encode(sample(vectors, allowed))
    assert valid[0, 0, 0].tolist() == [False, False, True, False]
    assert pixels[0, :, 0].T.tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0], [0, 0, 1]]


def test_stored_vectors_beyond_unit_length_are_clipped():
    pixels, _ = Normals().encode(sample(field((0.0, 0.0, 1.0005))))
    assert pixels.max() == 1


@pytest.mark.parametrize("full", [True, False])
def test_decoding_gives_back_what_was_encoded(full):
    normals = random_directions(2, 3, 5, 7)
    normals[:, 2] = normals[:, 2].abs()
    modality = Normals(use_full_z_range=full)
    pixels, _ = modality.encode(sample(normals))
    torch.testing.assert_close(modality.decode(pixels), normals, rtol=0, atol=1e-6)


def test_half_range_blue_is_z_from_zero_to_one():
    pixels, _ = Normals(use_full_z_range=False).encode(sample(field((0.6, 0.0, 0.8), (1.0, 0.0, 0.0))))
    assert pixels[0, 2, 0].tolist() == pytest.approx([0.6, -1])
    encoded = torch.tensor([0.0, 1.0, 1.0]).view(1, 1, 3, 1, 1)
    assert Normals(use_full_z_range=False).decode(encoded).flatten().tolist() == pytest.approx([0, 0.5**0.5, 0.5**0.5])


def test_decoding_clips_before_it_normalises():
    encoded = torch.tensor([3.0, 1.0, 0.0], dtype=torch.bfloat16).view(1, 1, 3, 1, 1)
    decoded = Normals().decode(encoded)
    assert decoded.dtype == torch.float32
    assert decoded.flatten().tolist() == pytest.approx([0.5**0.5, 0.5**0.5, 0])


def test_a_encoded_vector_without_length_faces_the_viewer():
    assert Normals().decode(torch.zeros(1, 1, 3, 1, 1)).flatten().tolist() == [0, 0, 1]


def test_the_member_closest_to_the_mean_direction_wins():
    merged, uncertainty = Normals().ensemble(torch.stack([tilted(-10), tilted(2), tilted(11)]))
    torch.testing.assert_close(merged, tilted(2))
    # The unit vectors at -10, 2 and 11 degrees sum to one that leans by atan2(sum of sines, sum of cosines).
    sines, cosines = (sum(f(math.radians(a)) for a in (-10, 2, 11)) for f in (math.sin, math.cos))
    lean = math.degrees(math.atan2(sines, cosines))
    expected = (abs(-10 - lean) + abs(2 - lean) + abs(11 - lean)) / 3 / 180
    assert uncertainty.shape == (1, 1, 1)
    assert uncertainty.item() == pytest.approx(expected, abs=1e-6)


def test_of_two_members_the_result_is_the_direction_between():
    merged, uncertainty = Normals().ensemble(torch.stack([tilted(-10), tilted(30)]))
    torch.testing.assert_close(merged, tilted(10))
    assert uncertainty.item() == pytest.approx(20 / 180, abs=1e-6)


def test_opposite_members_leave_a_unit_vector():
    merged, uncertainty = Normals().ensemble(torch.stack([field((1, 0, 0)), field((-1, 0, 0))]).float())
    assert merged.flatten().tolist() == [0, 0, 1]
    assert uncertainty.item() == pytest.approx(0.5)


def test_one_member_is_the_result():
    member = random_directions(1, 3, 4, 5)
    merged, uncertainty = Normals().ensemble(member)
    assert torch.equal(merged, member[0])
    assert uncertainty.max() < 1e-6


@pytest.mark.parametrize("size", [(3, 4), (9, 20)])
def test_resized_normals_have_unit_length(size):
    resized = Normals().resize(random_directions(2, 3, 6, 8), *size)
    torch.testing.assert_close(resized.norm(dim=1), torch.ones(2, *size))


def test_a_known_tilt_is_scored_as_that_angle():
    turn = torch.tensor(Rotation.from_euler("xyz", [8, 0, 0], degrees=True).as_matrix(), dtype=torch.float32)
    truth = torch.zeros(3, 4, 5)
    truth[2] = 1
    score = Normals().score(torch.einsum("ij,jhw->ihw", turn, truth), sample(truth))
    assert {name: tally.mean for name, tally in score.items()} == pytest.approx(
        {
            "mean_angle": 8,
            "median_angle": 8,
            "rmse_angle": 8,
            "below_5": 0,
            "below_7.5": 0,
            "below_11.25": 1,
            "below_22.5": 1,
            "below_30": 1,
        },
        abs=1e-4,
    )


def test_pixels_without_truth_do_not_count():
    truth = field((0.0, 0.0, 1.0), (0.0, 0.0, 0.0))
    assert Normals().score(field((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)), sample(truth))["mean_angle"].mean == 0


def test_a_prediction_of_no_number_is_not_left_out():
    truth = field((0.0, 0.0, 1.0), (0.0, 0.0, 1.0))
    score = Normals().score(field((0.0, 0.0, 1.0), (math.nan, 0.0, 1.0)), sample(truth))
    assert math.isnan(score["mean_angle"].mean)


def test_the_best_constant_direction_is_that_of_the_largest_plane():
    # Three of five pixels face up: turning away from them costs more than it gains at the two others.
    truth = field((0, 1, 0), (0, 1, 0), (0, 1, 0), (1, 0, 0), (0, 0, 1)).float()
    constant = Normals().baselines(sample(truth))["constant"]
    assert constant.shape == truth.shape
    assert torch.allclose(constant[:, 0, 0], torch.tensor([0.0, 1.0, 0.0]), atol=1e-3)
    assert Normals().score(constant, sample(truth))["mean_angle"].mean == pytest.approx(2 * 90 / 5, abs=0.05)


def test_the_best_constant_direction_beats_a_fine_grid_of_directions():
    vectors = random_directions(3, 12, 16, seed=3)
    vectors[2] = vectors[2].abs()
    found = median_direction(vectors, torch.ones(1, 12, 16, dtype=torch.bool)).flatten().numpy()
    turn = np.pi * (3 - np.sqrt(5)) * np.arange(4000)
    z = 1 - 2 * (np.arange(4000) + 0.5) / 4000
    grid = np.stack([np.sqrt(1 - z**2) * np.cos(turn), np.sqrt(1 - z**2) * np.sin(turn), z], axis=1)
    flat = vectors.flatten(1).double().numpy()
    best = np.arccos(np.clip(grid @ flat, -1, 1)).mean(axis=1).min()
    assert np.arccos(np.clip(found @ flat, -1, 1)).mean() <= best + 1e-9


def test_colours_are_rounded():
    maps = {"normals": np.array([[[0.0, 0.0, 1.0], [-1.0, 0.5, 0.0]]], dtype=np.float32)}
    # (0 + 1) / 2 * 255 = 127.5 becomes 128, and (0.5 + 1) / 2 * 255 = 191.25 becomes 191.
    assert Normals().colorize(maps)["normals"].tolist() == [[[128, 128, 255], [0, 191, 128]]]


def test_options_are_those_of_diffusers():
    assert Normals(use_full_z_range=False).options() == {"prediction_type": "normals", "use_full_z_range": False}


def test_the_mean_of_members_is_their_mean_direction():
    members = random_directions(5, 3, 4, 6, seed=4)
    merged, uncertainty = Normals(reduction="mean").ensemble(members)
    vectors = members.double().numpy()
    mean = vectors.mean(axis=0)
    mean /= np.linalg.norm(mean, axis=0)
    angles = np.arccos(np.clip((vectors * mean).sum(axis=1), -1, 1))
    np.testing.assert_allclose(merged.numpy(), mean, atol=1e-5)
    np.testing.assert_allclose(uncertainty[0].numpy(), angles.mean(axis=0) / np.pi, atol=1e-5)


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ConfigError, match="did you mean `mean`"):
        Normals(reduction="means")


def test_the_loss_is_the_mean_angle_in_radians():
    truth = field((0.0, 0.0, 1.0), (0.0, 1.0, 0.0))[None]
    pixels, valid = Normals().encode(sample(truth))
    shown = Batch(torch.zeros(1, 3, 1, 2), pixels, valid, sample(truth))
    values = field((0.0, 1.0, 0.0), (0.0, 1.0, 0.0))[None]
    assert Normals().loss(values.float(), shown).item() == pytest.approx(math.pi / 4, abs=1e-6)
