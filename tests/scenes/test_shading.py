"""Light that is not diffuse, and the dome and sky that it comes from, in closed form."""

import math

import numpy as np
import pytest
import torch

from marigold_scenes import daylight, layout, lights, render
from marigold_scenes.daylight import Light
from scenes.placed import placed

SIZE = 32
SPHERE = ("sphere", (0.0, 0.0, -4.0), (2.0, 2.0, 2.0))
PLAIN = {layout.VARY: 0, layout.HUE: 0, layout.DIRT: 0}


def dark_sky(**changed):
    sky = np.zeros(lights.SKY_WIDTH)
    sky[lights.RISE] = sky[lights.LOBE_POWER] = sky[lights.CLOUD_SIZE] = sky[lights.CLOUD_EDGE] = 1.0
    sky[lights.LOBE_TO] = (0.0, 1.0, 0.0)
    for name, value in changed.items():
        sky[getattr(lights, name)] = value
    return sky


def lit(*rows, **changed):
    sky = dark_sky(**changed)
    return Light(daylight.rows(*rows), sky, sky[: lights.DOME_WIDTH], np.zeros(3))


def shot(light, **columns):
    named = {getattr(layout, name): value for name, value in columns.items()}
    return render.shoot(placed(SPHERE, light=light, columns=PLAIN | named), SIZE, SIZE, with_linear=True)


def column(values, batch=1):
    return torch.tensor(values, dtype=torch.float32).view(batch, 3, -1)


def row(**changed):
    return torch.tensor(dark_sky(**changed), dtype=torch.float32)[None]


SUN = daylight.directional(np.array([0.0, 0.0, 1.0]), np.ones(3), 0.001)


def test_metal_has_no_diffuse_light_and_stone_has():
    metal, stone = (shot(lit(SUN), METAL=share) for share in (1.0, 0.0))
    known = metal.valid["shading"].expand_as(metal.maps["shading"])
    assert metal.maps["shading"][known].abs().max() == 0
    assert metal.maps["residual"][known].max() > 0
    assert stone.maps["shading"][..., 16, 16].min() > 0.9


def test_in_the_dark_only_what_glows_is_seen():
    glow = {layout.GLOW: 0.3, layout.GLOW + 1: 0.2, layout.GLOW + 2: 0.1}
    sample = render.shoot(placed(SPHERE, light=lit(), columns=PLAIN | glow), SIZE, SIZE)
    known = sample.valid["residual"][0, 0]
    assert known.sum() > 100
    assert sample.maps["shading"].abs().max() == 0
    expected = torch.tensor([0.3, 0.2, 0.1])[:, None].expand(3, int(known.sum()))
    torch.testing.assert_close(sample.maps["residual"][0][:, known], expected, atol=1e-5, rtol=0)


def test_haze_dims_what_lies_behind_it_and_adds_its_own_light():
    clear, hazy = (shot(lit(SUN, HAZE=(0.5, 0.6, 0.7), HAZE_DENSITY=density)) for density in (0.0, 0.2))
    depth = clear.maps["depth"][0, 0, 16, 16]
    through = torch.exp(-0.2 * depth)
    shading = [sample.maps["shading"][0, :, 16, 16] for sample in (clear, hazy)]
    torch.testing.assert_close(shading[1], shading[0] * through)
    residual = [sample.maps["residual"][0, :, 16, 16] for sample in (clear, hazy)]
    haze = torch.tensor([0.5, 0.6, 0.7]) * (1 - through)
    torch.testing.assert_close(residual[1], residual[0] * through + haze)


def test_the_linear_picture_of_a_known_solid_is_put_together_from_its_parts():
    sample = shot(lit(SUN, ZENITH=0.2, HORIZON=0.3, NADIR=0.1))
    maps = sample.maps
    torch.testing.assert_close(maps["linear"], maps["albedo"] * maps["shading"] + maps["residual"], rtol=0, atol=1e-6)
    assert sample.valid["albedo"].sum() > 100


def test_the_sky_shows_where_nothing_is_hit():
    sample = render.shoot(placed(SPHERE, light=lit(ZENITH=0.4, HORIZON=0.4, NADIR=0.4), floor=-1e6), SIZE, SIZE)
    sky = ~sample.valid["normals"][0, 0]
    torch.testing.assert_close(sample.maps["residual"][0][:, sky], torch.full((3, int(sky.sum())), 0.4))
    assert sample.maps["shading"][0][:, sky].abs().max() == 0


@pytest.mark.parametrize(
    ("direction", "expected"),
    [((0, 1, 0), 0.8), ((0, -1, 0), 0.1), ((1, 0, 0), 0.4), ((0, 0.5, -math.sqrt(0.75)), 0.6)],
)
def test_the_dome_runs_from_the_horizon_to_its_poles(direction, expected):
    # A rise of 1 is a straight line in the height: half way up it is half way to the zenith.
    dome = row(ZENITH=0.8, HORIZON=0.4, NADIR=0.1)
    found = lights.dome(dome, column(direction))
    torch.testing.assert_close(found.flatten(), torch.full((3,), expected), atol=1e-3, rtol=0)


def test_a_lobe_adds_its_colour_where_it_points():
    dome = row(LOBE=0.5, LOBE_TO=(1.0, 0.0, 0.0), LOBE_POWER=2.0)
    towards, aside, away = (
        lights.dome(dome, column(d))[0, 0, 0].item() for d in ((1, 0, 0), (0.6, 0.8, 0), (-1, 0, 0))
    )
    assert (towards, aside, away) == pytest.approx((0.5, 0.5 * 0.36, 0.0), abs=1e-6)


@pytest.mark.parametrize("normal", [(0, 1, 0), (0, -1, 0), (0.6, 0, 0.8), (0, 0.6, -0.8)])
def test_a_uniform_dome_lights_every_direction_alike(normal):
    found = lights.ambient(row(ZENITH=0.7, HORIZON=0.7, NADIR=0.7), column(normal))
    torch.testing.assert_close(found.flatten(), torch.full((3,), 0.7))


def test_light_from_above_falls_on_tops_and_not_on_undersides():
    dome = row(ZENITH=1.0)
    top, side, below = (lights.ambient(dome, column(n))[0, 0, 0].item() for n in ((0, 1, 0), (1, 0, 0), (0, -1, 0)))
    assert top > side > below == 0


def test_a_rectangle_is_dark_from_behind():
    lamp = torch.tensor(daylight.area((0, 0, 0), (1, 0, 0), (0, 1, 0), np.ones(3)), dtype=torch.float32)[None]
    none = torch.zeros(1, 2, 1)
    # u x v points to +z.
    strengths = [lights.incoming(lamp, column((0, 0, z)), none)[2].item() for z in (2.0, -2.0)]
    # cos / (distance^2 + |u|^2 + |v|^2 + 0.01)
    assert strengths == pytest.approx([1 / 6.01, 0.0])


def test_a_place_on_a_rectangle_is_picked_by_the_jitter():
    lamp = torch.tensor(daylight.area((1, 0, 0), (0.5, 0, 0), (0, 0.25, 0), np.ones(3)), dtype=torch.float32)[None]
    towards, distance, _ = lights.incoming(lamp, torch.zeros(1, 3, 1), torch.tensor([[[1.0], [-1.0]]]))
    torch.testing.assert_close((towards * distance).flatten(), torch.tensor([1.5, -0.25, 0.0]))


def test_lights_look_smaller_from_afar_but_the_sun_does_not():
    lamp = torch.tensor(daylight.area((0, 0, 0), (1, 0, 0), (0, 0, 3), np.ones(3)), dtype=torch.float32)[None]
    sun = torch.tensor(SUN, dtype=torch.float32)[None]
    far = torch.tensor([4.0, 8.0]).view(1, 1, 2)
    assert lights.apparent_size(lamp, far).flatten().tolist() == pytest.approx([0.5, 0.25])
    assert lights.apparent_size(sun, far).expand(1, 1, 2).flatten().tolist() == pytest.approx([0.001, 0.001])


@pytest.mark.parametrize("base", [0.04, 0.5, 1.0])
def test_a_surface_reflects_no_more_than_everything_and_most_at_a_glancing_angle(base):
    cosine = torch.linspace(0.02, 1, 50)
    normal = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1).expand(1, 3, 50)
    view = torch.stack((torch.sqrt(1 - cosine**2), cosine, torch.zeros(50)))[None]
    for rough in (0.0, 0.3, 1.0):
        share = lights.mirror_share(normal, view, torch.full((1, 1, 50), rough), torch.full((1, 3, 50), base))
        assert share.min() >= 0 and share.max() <= 1
        assert share[0, 0, 0] >= share[0, 0, -1] - 1e-3 or rough > 0
    smooth = lights.mirror_share(normal, view, torch.zeros(1, 1, 50), torch.full((1, 3, 50), base))
    assert smooth[0, 0, -1].item() == pytest.approx(base, abs=0.03)


def test_a_rougher_surface_spreads_its_highlight():
    angles = torch.linspace(-1.2, 1.2, 201)
    view = torch.stack((angles.sin(), angles.cos(), torch.zeros(201)))[None]
    up = torch.tensor([0.0, 1.0, 0.0]).view(1, 3, 1).expand_as(view)
    base, size = torch.full((1, 3, 201), 0.5), torch.zeros(1, 1, 201)
    lobes = [lights.glossy(up, view, up, torch.full((1, 1, 201), rough), base, size)[0, 0] for rough in (0.3, 0.7)]
    widths = [(lobe > 0.5 * lobe.max()).sum() for lobe in lobes]
    assert widths[0] < widths[1]
    assert lobes[0].max() > lobes[1].max()
    torch.testing.assert_close(lobes[0], lobes[0].flip(0), atol=1e-4, rtol=1e-3)
