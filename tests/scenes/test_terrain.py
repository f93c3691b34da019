"""Hills are the sum of their waves, rays meet them first where brute force does, water is level."""

import math

import numpy as np
import pytest
import torch

from marigold_scenes import terrain
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.shapes import MISS

ROWS = [terrain.sample(RandomStream.of_seed(seed)) for seed in range(8)]


def waves(row):
    return np.array(row[: 4 * terrain.WAVES]).reshape(-1, 4)


def height(row, x, z):
    """The hills at arrays of places, without the water."""
    return sum(a * np.sin(kx * x + kz * z + phase) for kx, kz, phase, a in waves(row))


def tensors(row, *arrays):
    return torch.tensor([row]), *(torch.tensor(np.array(x), dtype=torch.float32).view(1, -1) for x in arrays)


def one_wave(**changed):
    """Hills of a single wave along x: height sin(x)."""
    row = terrain.flat()
    row[:4] = [1.0, 0.0, 0.0, 1.0]
    row[terrain.WATER], row[terrain.USED] = -1e3, 1.0
    for name, value in changed.items():
        row[getattr(terrain, name)] = value
    return row


def test_a_row_has_its_columns():
    assert len(terrain.flat()) == terrain.WIDTH == len(ROWS[0])
    assert all(math.isfinite(value) for row in ROWS for value in row)


def test_the_height_is_the_sum_of_the_waves_or_the_water():
    for row in ROWS:
        expected = max(float(height(row, 3.0, -7.0)), row[terrain.WATER])
        assert terrain.height(row, 3.0, -7.0) == pytest.approx(expected)


def test_many_heights_are_the_single_heights():
    places = np.random.default_rng(0).uniform(-60, 60, (2, 50))
    for row in ROWS:
        found = terrain.heights(*tensors(row, *places))[0]
        np.testing.assert_allclose(found.numpy(), height(row, *places), atol=2e-3)


def test_slopes_are_differences_of_heights():
    x, z = np.random.default_rng(1).uniform(-60, 60, (2, 50))
    step = 1e-4
    for row in ROWS:
        by_x, by_z = terrain.slopes(*tensors(row, x, z))
        np.testing.assert_allclose(
            by_x[0], (height(row, x + step, z) - height(row, x - step, z)) / (2 * step), atol=2e-3
        )
        np.testing.assert_allclose(
            by_z[0], (height(row, x, z + step) - height(row, x, z - step)) / (2 * step), atol=2e-3
        )


def rays(count):
    """Directions [3, count] around the horizon and below it."""
    rng = np.random.default_rng(2)
    turn, fall = rng.uniform(0, 2 * np.pi, count), rng.uniform(-0.6, 0.05, count)
    return np.stack([np.cos(turn), fall, np.sin(turn)])


def test_rays_meet_the_hills_where_brute_force_does():
    directions, t = rays(40), np.arange(0, 120, 0.02)
    agreeing = []
    for row in ROWS[:4]:
        eye = np.array([0.0, terrain.height(row, 0.0, 0.0) + 1.7, 0.0])
        found = terrain.cast(
            torch.tensor([row]), torch.tensor(eye[None]).float(), torch.tensor(directions[None]).float()
        )[0].numpy()
        ground = np.maximum(height(row, directions[0, :, None] * t, directions[2, :, None] * t), row[terrain.WATER])
        below = eye[1] + directions[1, :, None] * t < ground
        first = np.where(below.any(1), t[below.argmax(1)], MISS)
        near = first < 110
        agreeing.append((np.abs(found - first) < 0.03 + 0.002 * first)[near].mean())
        # Nobody hits earlier than the ground is.
        assert (found[near] > first[near] - 0.05).all()
    assert np.mean(agreeing) > 0.97


def test_a_ray_into_the_sky_meets_nothing():
    up = torch.tensor([0.0, 1.0, -1.0]).view(1, 3, 1)
    assert terrain.cast(torch.tensor([ROWS[0]]), torch.tensor([[0.0, 500.0, 0.0]]), up).item() >= MISS


def test_a_ray_straight_down_meets_a_known_height():
    down = torch.tensor([0.0, -1.0, 0.0]).view(1, 3, 1)
    eye = torch.tensor([[math.pi / 2, 5.0, 0.0]])
    # sin(pi / 2) = 1
    assert terrain.cast(torch.tensor([one_wave()]), eye, down).item() == pytest.approx(4.0, abs=1e-3)


def test_water_is_level_and_hides_what_lies_below_it():
    row = one_wave(WATER=0.5)
    assert terrain.height(row, -math.pi / 2, 0.0) == 0.5
    normal, kind = terrain.describe(*tensors(row, [-math.pi / 2], [0.0]))
    assert kind.item() == terrain.WATERS
    assert normal[0, :, 0].tolist() == [0.0, 1.0, 0.0]
    assert not terrain.is_dry(row, -math.pi / 2, 0.0) and terrain.is_dry(row, math.pi / 2, 0.0)


def test_the_normal_of_a_slope_is_at_right_angles_to_it():
    # At x = 0 the wave rises by 1 in 1; that is too steep for grass.
    normal, kind = terrain.describe(*tensors(one_wave(), [0.0], [3.0]))
    half = math.sqrt(0.5)
    torch.testing.assert_close(normal[0, :, 0], torch.tensor([-half, half, 0.0]))
    assert kind.item() == terrain.BANK


def test_the_top_of_a_hill_is_ground():
    _, kind = terrain.describe(*tensors(one_wave(), [math.pi / 2], [0.0]))
    assert kind.item() == terrain.GROUND


def test_a_path_has_its_width_and_its_place():
    # Along x, at z = 2, 1 m to each side.
    row = one_wave(PATH_X=1.0, PATH_PHASE=2.0, PATH_WIDTH=1.0)
    x = math.pi / 2
    assert terrain.on_path(row, x, 2.9) and terrain.on_path(row, x, 1.1)
    assert not terrain.on_path(row, x, 3.1) and not terrain.on_path(row, x, 0.9)
    _, kind = terrain.describe(*tensors(row, [x, x], [2.0, 4.0]))
    assert kind[0].tolist() == [terrain.PATH, terrain.GROUND]


def test_flat_land_has_no_path():
    assert not terrain.on_path(one_wave(), 0.0, 0.0)
