"""Light on surfaces against Lambert's law, shadows and skies by hand."""

import math

import numpy as np
import torch

from marigold_scenes import daylight, lights, render
from marigold_scenes.daylight import Light
from scenes.placed import placed

SIZE = 48
DARK = np.zeros(lights.SKY_WIDTH)
DARK[lights.RISE] = DARK[lights.LOBE_POWER] = DARK[lights.CLOUD_SIZE] = DARK[lights.CLOUD_EDGE] = 1.0
DARK[lights.LOBE_TO] = (0.0, 1.0, 0.0)
BEHIND = ("box", (0.0, 0.0, 30.0), (1.0, 1.0, 1.0))


def only(*rows):
    """Nothing but these lights: no sky, no bounce."""
    return Light(daylight.rows(*rows), DARK, DARK[: lights.DOME_WIDTH], np.zeros(3))


def test_a_matte_floor_in_the_sun_follows_lamberts_law():
    towards = daylight.direction(0.7, math.radians(35))
    sun = daylight.directional(towards, np.array([1.0, 0.8, 0.5]), 0.001)
    scenes = placed(BEHIND, eye=(0.0, 2.0, 0.0), target=(0.0, 0.0, -2.0), floor=0.0, light=only(sun))
    shading = render.shoot(scenes, SIZE, SIZE).maps["shading"][0]
    expected = torch.tensor([1.0, 0.8, 0.5]) * math.sin(math.radians(35))
    torch.testing.assert_close(shading[:, 30, 20], expected, rtol=1e-3, atol=1e-3)


def test_a_lamp_fades_with_the_square_of_the_distance():
    lamp = daylight.area((0.0, 3.0, -2.0), (0, 0, 0), (0, 0, 0), np.full(3, 9.0), one_sided=False)
    eye = {"eye": (0.0, 5.0, -2.0), "target": (0.0, 0.0, -2.001), "floor": 0.0}
    shading = render.shoot(placed(BEHIND, light=only(lamp), **eye), SIZE, SIZE).maps["shading"][0]
    # Straight below, 3 m away, the light falls at right angles; 0.01 m2 keeps lamps finite near by.
    torch.testing.assert_close(shading[:, 24, 24], torch.full((3,), 9 / 9.01), rtol=3e-3, atol=1e-3)


def test_a_box_casts_a_shadow_where_the_sun_is_hidden():
    sun = daylight.directional(np.array([0.0, 1.0, 0.0]), np.ones(3), 0.001)
    things = (("box", (0.0, 2.0, -4.0), (1.0, 0.2, 1.0)),)
    options = {"eye": (0.0, 1.0, 0.0), "target": (0.0, 0.4, -4.0), "floor": 0.0, "light": only(sun)}
    sample = render.shoot(placed(*things, **options), SIZE, SIZE)
    shading, depth = sample.maps["shading"][0, 0], sample.maps["depth"][0, 0]
    # Around the middle of the picture the floor lies below the box, in the lower corners it does not.
    column = SIZE // 2
    under = (depth[:, column] - 4).abs().argmin()
    assert float(shading[under, column]) < 0.05
    assert float(shading[-1, 2]) > 0.95


def test_light_from_one_side_leaves_the_other_side_dark():
    sun = daylight.directional(np.array([1.0, 0.0, 0.0]), np.ones(3), 0.001)
    scenes = placed(("sphere", (0.0, 0.0, -3.0), (2.0, 2.0, 2.0)), light=only(sun))
    shading = render.shoot(scenes, SIZE, SIZE).maps["shading"][0, 0]
    middle = SIZE // 2
    assert float(shading[middle, middle - 10]) == 0
    assert float(shading[middle, middle + 10]) > 0.3


def test_a_uniform_sky_lights_a_free_floor_with_its_own_radiance():
    sky = DARK.copy()
    for part in (lights.ZENITH, lights.HORIZON, lights.NADIR):
        sky[part] = 0.7
    around = Light(daylight.rows(), sky, sky[: lights.DOME_WIDTH], np.zeros(3))
    scenes = placed(BEHIND, eye=(0.0, 2.0, 0.0), target=(0.0, 0.0, -2.0), floor=0.0, light=around)
    shading = render.shoot(scenes, SIZE, SIZE).maps["shading"][0]
    torch.testing.assert_close(shading[:, 24, 24], torch.full((3,), 0.7), rtol=1e-3, atol=1e-3)


def test_tangents_are_unit_and_at_right_angles():
    axis = torch.nn.functional.normalize(torch.randn(1, 3, 200, generator=torch.Generator().manual_seed(0)), dim=1)
    u, v = lights.tangents(axis)
    for a, b, expected in ((u, u, 1.0), (v, v, 1.0), (u, v, 0.0), (u, axis, 0.0), (v, axis, 0.0)):
        product = (a * b).sum(1)
        torch.testing.assert_close(product, torch.full_like(product, expected), rtol=0, atol=1e-5)


def test_the_highlight_lies_where_the_light_is_mirrored():
    normal = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1)
    light = torch.tensor([0.6, 0.8, 0.0]).view(1, 3, 1)
    angles = torch.linspace(0.1, math.pi - 0.1, 400)
    view = torch.stack((angles.cos(), angles.sin(), torch.zeros(400))).unsqueeze(0)
    rough, base, size = torch.full((1, 1, 400), 0.4), torch.full((1, 3, 400), 0.9), torch.zeros(1, 1, 400)
    shine = lights.glossy(normal.expand_as(view), view, light.expand_as(view), rough, base, size)[0, 0]
    assert abs(float(angles[shine.argmax()]) - math.atan2(0.8, -0.6)) < 0.05
