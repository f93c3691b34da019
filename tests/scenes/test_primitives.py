"""The forms of primitives: packed alike, with the proportions that their numbers ask for."""

import math

import pytest

from marigold_scenes.primitives import OPEN, POLYTOPE, QUADRIC, SHAPES, form
from marigold_scenes.shapes import KINDS, PLANES, SHAPE_WIDTH


def radius(name, y, *numbers):
    """The radius of a surface of revolution at height y."""
    kind, values = form(name, *numbers)
    assert kind == QUADRIC
    c0, c1, c2 = values[:3]
    return math.sqrt(max(c0 + c1 * y + c2 * y * y, 0.0))


@pytest.mark.parametrize("name", SHAPES)
def test_every_form_fills_one_row_of_its_kind(name):
    kind, values = form(name)
    assert 0 <= kind < len(KINDS)
    assert len(values) == SHAPE_WIDTH
    assert all(math.isfinite(value) for value in values)


@pytest.mark.parametrize("name", [name for name in SHAPES if form(name)[0] == POLYTOPE])
def test_planes_point_away_from_the_middle(name):
    values = form(name)[1]
    planes = [values[4 * number : 4 * number + 4] for number in range(PLANES)]
    # The value of a half-space at the middle is d, and the middle is never outside; planes to spare hold everything.
    assert all(d <= 1e-9 for *_, d in planes)
    assert all(any(normal) or d == -1 for *normal, d in planes)


@pytest.mark.parametrize(
    ("name", "numbers", "low", "middle", "high"),
    [
        ("sphere", (), 0.0, 1.0, 0.0),
        ("cylinder", (), 1.0, 1.0, 1.0),
        ("cone", (0.5,), 1.0, 0.75, 0.5),
        ("cup", (0.6,), 0.6, 0.8, 1.0),
        ("shade", (0.2,), 1.0, 0.6, 0.2),
        ("barrel", (0.5,), 0.5, 1.0, 0.5),
        ("vase", (0.3,), 1.0, 0.3, 1.0),
        ("dome", (), 1.0, math.sqrt(0.75), 0.0),
        ("bowl", (), 0.0, math.sqrt(0.75), 1.0),
        ("paraboloid", (), 0.0, math.sqrt(0.5), 1.0),
    ],
)
def test_radii_at_the_foot_the_middle_and_the_top(name, numbers, low, middle, high):
    found = [radius(name, y, *numbers) for y in (-1.0, 0.0, 1.0)]
    assert found == pytest.approx((low, middle, high), abs=1e-6)


@pytest.mark.parametrize(("base", "mouth"), [(0.5, 0.4), (0.3, 0.6), (0.7, 0.2)])
def test_an_urn_has_its_base_its_mouth_and_a_belly_of_one(base, mouth):
    assert radius("urn", -1.0, base, mouth) == pytest.approx(base)
    assert radius("urn", 1.0, base, mouth) == pytest.approx(mouth)
    belly = max(radius("urn", y / 1000, base, mouth) for y in range(-1000, 1001))
    assert belly == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "numbers", "low", "high"),
    [
        ("cylinder", (), 0.0, 0.0),
        ("tube", (), OPEN, OPEN),
        ("cup", (), 0.0, OPEN),
        ("shade", (), OPEN, OPEN),
        ("dome", (), 0.0, OPEN),
        ("vase", (0.6, True), 0.0, 0.0),
        ("urn", (0.5, 0.4), 0.0, OPEN),
    ],
)
def test_which_ends_are_open(name, numbers, low, high):
    assert form(name, *numbers)[1][3:5] == (low, high)


@pytest.mark.parametrize("sides", [3.0, 4.0, 5.0, 6.0])
def test_a_prism_has_its_sides_a_top_and_a_bottom(sides):
    values = form("prism", sides)[1]
    used = [number for number in range(PLANES) if any(values[4 * number : 4 * number + 3])]
    assert len(used) == sides + 2
