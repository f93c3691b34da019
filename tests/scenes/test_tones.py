"""Tones are ranges that a colour can have, and colours come out of them."""

import numpy as np
import pytest

from marigold_scenes.palette import BRIGHTEST, DARKEST, colour, limited, mixed, oklch, scaled
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.tones import TONES

ROWS = [(name, weight, tone) for name, rows in TONES.items() for weight, tone in rows]


@pytest.mark.parametrize(("name", "weight", "tone"), ROWS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_tone_is_a_range(name, weight, tone):
    assert weight > 0
    assert 0 <= tone.light[0] < tone.light[1] <= 1
    assert 0 <= tone.chroma[0] < tone.chroma[1] <= 0.25
    assert 0 <= tone.hue[0] < tone.hue[1] <= tone.hue[0] + 360


@pytest.mark.parametrize("name", TONES)
def test_colours_of_a_tone_are_what_surfaces_reflect(name):
    rng = RandomStream.of_seed(1)
    colours = np.array([colour(rng, name) for _ in range(50)])
    assert colours.min() >= DARKEST and colours.max() <= BRIGHTEST
    assert len(np.unique(colours, axis=0)) > 25


def test_a_colour_is_drawn_between_the_ends_of_its_tone():
    middle = RandomStream(lambda: 0.5, np.random.default_rng(0))
    # Concrete has one tone: lightness 0.5 to 0.78, chroma 0.002 to 0.018, hue 60 to 120.
    assert colour(middle, "concrete") == pytest.approx(oklch(0.64, 0.01, 90.0))


def test_grey_has_equal_parts_that_are_the_cube_of_its_lightness():
    assert oklch(0.6, 0.0, 200.0) == pytest.approx((0.216, 0.216, 0.216), abs=1e-4)


def test_nothing_is_darker_than_soot_or_brighter_than_snow():
    assert limited((-1.0, 0.5, 7.0)) == (DARKEST, 0.5, BRIGHTEST)
    assert scaled((0.5, 0.5, 0.5), 3.0) == (BRIGHTEST,) * 3
    assert scaled((0.2, 0.1, 0.4), 0.5) == pytest.approx((0.1, 0.05, 0.2))


def test_a_mixture_lies_between_its_colours():
    a, b = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)
    assert mixed(a, b, 0.0) == a
    assert mixed(a, b, 1.0) == pytest.approx(b)
    assert mixed(a, b, 0.25) == pytest.approx((0.2, 0.3, 0.4))
