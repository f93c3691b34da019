"""Suns, skies and lamps are packed as the renderer reads them, and hours of the day make sense."""

import math

import numpy as np
import pytest

from marigold_scenes import daylight, layout, lights
from marigold_scenes.daylight import HOURS
from marigold_scenes.random_stream import RandomStream

GREY = np.full(3, 0.2)


def fixed(value):
    return RandomStream(lambda: value, np.random.default_rng(0))


def test_the_hours_cover_the_day_in_order():
    shares = [hour.until for hour in HOURS]
    assert shares == sorted(shares) and shares[-1] == 1.0
    for hour in HOURS:
        assert 0 < hour.elevation[0] < hour.elevation[1] < math.pi / 2
        assert 0 <= hour.strength[0] < hour.strength[1]
        assert 0 <= hour.blue[0] < hour.blue[1] <= 1


def test_sunlight_is_white_overhead_and_red_near_the_horizon():
    noon, evening = (daylight.sun_colour(math.radians(degrees), fixed(0.5)) for degrees in (80, 4))
    assert noon.min() > 0.8
    assert evening[0] == 1.0
    assert evening[0] > evening[1] > evening[2]
    assert evening[2] < 0.5


def test_directions_are_unit_vectors_at_their_angles():
    np.testing.assert_allclose(daylight.direction(0.0, 0.0), (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(daylight.direction(math.pi / 2, 0.0), (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(daylight.direction(1.3, math.pi / 2), (0, 1, 0), atol=1e-12)


def test_the_sun_has_the_first_place_and_lamps_follow():
    lamp = daylight.area((1, 2, 3), (1, 0, 0), (0, 0, 1), np.ones(3))
    sun = daylight.directional(np.array([0.0, 1.0, 0.0]), np.ones(3), 0.01)
    packed = daylight.rows(lamp, sun)
    np.testing.assert_array_equal(packed[0], sun)
    np.testing.assert_array_equal(packed[1], lamp)
    assert packed[:, lights.USED].tolist() == [1, 1, 0]


def test_lamps_beyond_the_last_place_are_left_out():
    lamps = [daylight.area((number, 0, 0), (0, 0, 0), (0, 0, 0), np.ones(3)) for number in range(5)]
    packed = daylight.rows(*lamps)
    assert packed.shape == (lights.LIGHTS, lights.LIGHT_WIDTH)
    assert packed[1:, 0].tolist() == [0, 1]
    assert packed[0, lights.USED] == 0


def test_an_unused_place_is_dark():
    assert not daylight.rows()[:, lights.COLOUR].any()


def test_the_mean_colour_of_a_material_leans_to_its_first():
    row = np.zeros(layout.WIDTH)
    row[layout.COLOUR_A : layout.COLOUR_A + 3], row[layout.COLOUR_B : layout.COLOUR_B + 3] = (1, 0, 0), (0, 1, 0)
    np.testing.assert_allclose(daylight.mean_colour(row), (0.6, 0.4, 0.0))


@pytest.mark.parametrize("seed", range(20))
def test_any_hour_gives_finite_light_and_a_sun_above_the_horizon(seed):
    light = daylight.outdoors(RandomStream.of_seed(seed), GREY)
    for part in (light.lights, light.sky, light.dome, light.bounce):
        assert np.isfinite(part).all()
    assert light.dome[lights.ZENITH].mean() > 0.02
    towards = light.lights[0, lights.PLACE]
    assert np.linalg.norm(towards) == pytest.approx(1.0)
    assert towards[1] > 0
    assert light.lights[1:, lights.USED].sum() == 0


def test_a_dark_ground_sends_less_light_up_than_a_bright_one():
    dark, bright = (daylight.outdoors(RandomStream.of_seed(3), np.full(3, grey)).dome for grey in (0.05, 0.8))
    np.testing.assert_allclose(dark[lights.NADIR] * 16, bright[lights.NADIR])
    np.testing.assert_array_equal(dark[lights.ZENITH], bright[lights.ZENITH])
