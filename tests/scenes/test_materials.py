"""Every role gives rows that the patterns can paint, in colours that the role has in the world."""

import numpy as np
import pytest

from marigold_scenes import layout, materials, textures
from marigold_scenes.palette import BRIGHTEST, DARKEST, oklch

ASKED_FOR = (
    "wall floor ceiling wood fabric metal plastic ceramic paper stone brick tile concrete asphalt grass soil sand snow "
    "water bark leaf roof skin car glass rug picture book food window lamp screen any"
)


def draw(role: str, count: int = 40) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.stack([materials.sample(rng, role) for _ in range(count)])


def colour(rows: np.ndarray, column: int = layout.COLOUR_A) -> np.ndarray:
    return rows[:, column : column + 3]


def test_every_role_of_a_scene_is_known():
    assert set(ASKED_FOR.split()) <= set(materials.ROLES)


@pytest.mark.parametrize("role", materials.ROLES)
def test_rows_are_valid(role):
    rows = draw(role)
    assert rows.shape == (40, materials.WIDTH)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert np.isin(rows[:, layout.KIND], np.arange(len(textures.PATTERNS))).all()
    for column in (layout.COLOUR_A, layout.COLOUR_B, layout.COLOUR_C, layout.COLOUR_D, layout.DIRT_COLOUR):
        assert colour(rows, column).min() >= DARKEST - 1e-6
        assert colour(rows, column).max() <= BRIGHTEST + 1e-6
    shares = rows[:, [layout.ROUGH_LOW, layout.ROUGH_HIGH, layout.METAL, layout.DIRT, layout.DIRT_SHARE]]
    assert shares.min() >= 0
    assert shares.max() <= 1
    sizes = rows[:, [layout.PERIOD, layout.ASPECT, layout.VARY_PERIOD, *range(layout.STRETCH, layout.STRETCH + 3)]]
    assert sizes.min() > 0
    assert rows[:, [layout.RELIEF, layout.GLOW, layout.VARY]].min() >= 0


def test_the_same_generator_gives_the_same_material():
    assert (draw("any") == draw("any")).all()


def test_roles_vary():
    for role in materials.ROLES:
        assert len(np.unique(draw(role), axis=0)) == 40


def test_every_kind_of_pattern_is_used():
    kinds = np.concatenate([draw(role)[:, layout.KIND] for role in materials.ROLES])
    assert set(kinds.astype(int)) == set(range(len(textures.PATTERNS)))


def test_grass_is_green_and_water_is_dark_and_snow_is_white():
    red, green, blue = colour(draw("grass")).mean(0)
    assert green > red > blue
    assert colour(draw("water")).mean() < 0.08
    assert colour(draw("snow")).mean() > 0.7


def test_ceilings_are_light_and_walls_are_mostly_muted():
    assert colour(draw("ceiling")).mean() > 0.55
    walls = colour(draw("wall", 300))
    chroma = (walls.max(1) - walls.min(1)) / walls.max(1)
    assert np.median(chroma) < 0.35
    assert (chroma > 0.8).mean() < 0.1


def test_lamps_shine_and_stones_do_not():
    assert colour(draw("lamp"), layout.GLOW).min() > 0
    assert colour(draw("stone"), layout.GLOW).max() == 0


def test_only_metal_and_car_paint_are_metallic():
    assert (draw("metal")[:, layout.METAL] == 1).all()
    for role in ("wood", "wall", "fabric", "grass", "skin", "book"):
        assert draw(role)[:, layout.METAL].max() == 0


def test_colours_follow_the_definition_of_oklch():
    assert oklch(0.5, 0.0, 123.0) == pytest.approx((0.125, 0.125, 0.125), abs=1e-4)
    # The primaries of sRGB by CSS Color 4; nine tenths of lightness and chroma is 0.729 of the light.
    primaries = {0: (0.627955, 0.257683, 29.234), 1: (0.866440, 0.294827, 142.495), 2: (0.452014, 0.313214, 264.052)}
    for channel, (light, chroma, hue) in primaries.items():
        expected = [DARKEST] * 3
        expected[channel] = 0.729
        assert oklch(0.9 * light, 0.9 * chroma, hue) == pytest.approx(expected, abs=1e-3)
