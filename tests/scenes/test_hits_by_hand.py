"""Hits of single rays with every kind of solid, worked out by hand."""

import math

import pytest
import torch

from marigold_scenes import shapes
from marigold_scenes.primitives import form, round_form
from marigold_scenes.shapes import KINDS, MISS


def ray(origin, direction):
    return (torch.tensor(x, dtype=torch.float32).view(1, 1, 3, 1) for x in (origin, direction))


def hit(name, origin, direction, *numbers):
    """The ray parameter of the first hit with a shape in its cube."""
    o, d = ray(origin, direction)
    kind, values = form(name, *numbers)
    row = torch.tensor(values).view(1, 1, -1, 1)
    if KINDS[kind] == "box":
        return float(shapes.box(o, d))
    if KINDS[kind] == "polytope":
        planes = row.view(1, 8, 4)
        values = (planes[..., :3] @ o[0] + planes[..., 3:], planes[..., :3] @ d[0])
        return float(shapes.polytope(*(value[None] for value in values)))
    return float(shapes.quadric(o, d, row))


def hit_round(origin, direction, row):
    return float(shapes.round_solid(*ray(origin, direction), torch.tensor(row[:5]).view(1, 1, 5, 1)))


def test_a_sphere_is_hit_at_the_smaller_root_of_its_quadratic():
    # o = (0.3, 0.4, 5), d = (0, 0, -2): (5 - 2 t)^2 = 1 - 0.25
    assert hit("sphere", (0.3, 0.4, 5.0), (0.0, 0.0, -2.0)) == pytest.approx((5 - math.sqrt(0.75)) / 2, rel=1e-5)


def test_a_ray_that_is_longer_than_the_radius_away_misses_the_sphere():
    assert hit("sphere", (0.8, 0.7, 5.0), (0.0, 0.0, -1.0)) == MISS


def test_a_sphere_behind_the_origin_is_not_hit():
    assert hit("sphere", (0.0, 0.0, 5.0), (0.0, 0.0, 1.0)) == MISS


def test_a_box_is_hit_where_the_last_slab_is_entered():
    # x enters at t = 2, y at t = 1, z is always inside.
    assert hit("box", (3.0, 1.5, 0.2), (-1.0, -0.5, 0.0)) == pytest.approx(2.0)


def test_a_ray_that_leaves_one_slab_before_it_enters_another_misses_the_box():
    assert hit("box", (3.0, 0.0, 0.0), (-1.0, 0.6, 0.0)) == MISS


def test_a_cylinder_is_hit_on_its_side_and_on_its_cap():
    # Side: (3 - t)^2 = 1 - 0.36; cap: y falls from 3 to 1 in t = 2 at x = 0.5.
    assert hit("cylinder", (3.0, 0.0, 0.6), (-1.0, 0.0, 0.0)) == pytest.approx(2.2, rel=1e-5)
    assert hit("cylinder", (0.5, 3.0, 0.0), (0.0, -1.0, 0.0)) == pytest.approx(2.0, rel=1e-5)


def test_one_looks_through_a_tube_along_its_axis():
    assert hit("tube", (0.5, 3.0, 0.0), (0.0, -1.0, 0.0)) == MISS
    assert hit("cylinder", (0.5, 3.0, 0.0), (0.0, -1.0, 0.0)) == pytest.approx(2.0, rel=1e-5)


@pytest.mark.parametrize("y", [-0.8, 0.0, 0.7])
def test_a_cone_narrows_from_its_base_to_its_tip(y):
    # Radius 1 at y = -1 and 0 at y = 1.
    assert hit("cone", (3.0, y, 0.0), (-1.0, 0.0, 0.0)) == pytest.approx(3 - (1 - y) / 2, rel=1e-4)


def test_a_cone_that_is_cut_has_its_top_radius():
    assert hit("cone", (3.0, 0.999, 0.0), (-1.0, 0.0, 0.0), 0.4) == pytest.approx(2.6, abs=1e-3)


def test_one_looks_into_a_bowl_and_onto_a_dome():
    # The bowl is the lower half of a sphere that fills the cube: open above, its bottom at y = -1.
    assert hit("bowl", (0.0, 3.0, 0.0), (0.0, -1.0, 0.0)) == pytest.approx(4.0, rel=1e-4)
    assert hit("dome", (0.0, 3.0, 0.0), (0.0, -1.0, 0.0)) == pytest.approx(2.0, rel=1e-4)
    # From below the dome is closed, and the bowl shows its bottom.
    assert hit("dome", (0.5, -3.0, 0.0), (0.0, 1.0, 0.0)) == pytest.approx(2.0, rel=1e-4)
    assert hit("bowl", (0.0, -3.0, 0.0), (0.0, 1.0, 0.0)) == pytest.approx(2.0, rel=1e-4)


@pytest.mark.parametrize(("x", "height"), [(-0.5, -0.5), (0.0, 0.0), (0.5, 0.5)])
def test_a_ramp_rises_towards_x(x, height):
    assert hit("ramp", (x, 3.0, 0.0), (0.0, -1.0, 0.0)) == pytest.approx(3 - height, abs=1e-5)


@pytest.mark.parametrize("x", [-0.6, 0.0, 0.4])
def test_a_gable_has_its_ridge_along_z(x):
    assert hit("gable", (x, 3.0, 0.5), (0.0, -1.0, 0.0)) == pytest.approx(3 - (1 - 2 * abs(x)), abs=1e-5)


def test_a_barn_has_walls_up_to_its_eaves():
    assert hit("barn", (3.0, 0.1, 0.0), (-1.0, 0.0, 0.0), 0.2) == pytest.approx(2.0, abs=1e-5)
    # Half way up the roof, between the eaves at 0.2 and the ridge at 1, the slope is half as wide.
    assert hit("barn", (3.0, 0.6, 0.0), (-1.0, 0.0, 0.0), 0.2) == pytest.approx(2.5, abs=1e-5)


def test_a_prism_has_its_faces_at_the_inner_radius():
    # A face of the hexagon points to 30 degrees, at cos(30 degrees) from the axis.
    away = (math.cos(math.pi / 6), 0.0, math.sin(math.pi / 6))
    origin, direction = tuple(3 * x for x in away), tuple(-x for x in away)
    assert hit("prism", origin, direction, 6.0) == pytest.approx(3 - math.cos(math.pi / 6), abs=1e-5)


def test_an_octahedron_has_the_distance_of_its_faces():
    third = 1 / math.sqrt(3)
    hit_at = hit("octahedron", (2 * third, 2 * third, 2 * third), (-third, -third, -third))
    assert hit_at == pytest.approx(2 - third, abs=1e-5)


def test_a_rounded_box_has_flat_faces_and_round_edges():
    row = round_form("rounded", (1.0, 1.0, 1.0), (0.5,), 1.0)
    assert hit_round((0.2, 0.1, 4.0), (0.0, 0.0, -1.0), row) == pytest.approx(3.0, abs=1e-3)
    # Along the diagonal of x and z the edge lies at 0.5 sqrt(2) + 0.5 from the middle.
    half = math.sqrt(0.5)
    edge = 0.5 * math.sqrt(2) + 0.5
    assert hit_round((4 * half, 0.0, 4 * half), (-half, 0.0, -half), row) == pytest.approx(4 - edge, abs=1e-3)


def test_one_looks_through_the_hole_of_a_torus_and_onto_its_tube():
    row = round_form("torus", (1.0, 0.2, 1.0), (), 1.0)
    assert hit_round((0.0, 3.0, 0.0), (0.0, -1.0, 0.0), row) == MISS
    assert hit_round((0.8, 3.0, 0.0), (0.0, -1.0, 0.0), row) == pytest.approx(2.8, abs=1e-3)
    assert hit_round((3.0, 0.0, 0.0), (-1.0, 0.0, 0.0), row) == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize(
    ("point", "expected"),
    [((2.0, 0.0, 0.0), 1.0), ((2.0, 2.0, 0.0), math.sqrt(0.5) * 3 - 0.5), ((0.0, 0.0, 0.0), -1.0)],
    ids=["face", "edge", "middle"],
)
def test_the_distance_to_a_rounded_box(point, expected):
    row = torch.tensor(round_form("rounded", (1.0, 1.0, 1.0), (0.5,), 1.0)[:5]).view(5, 1)
    found = shapes.distance(torch.tensor(point).view(3, 1), row)
    assert float(found) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("point", "expected"), [((2.0, 0.0, 0.0), 1.0), ((0.8, 1.0, 0.0), 0.8), ((0.8, 0, 0), -0.2)])
def test_the_distance_to_a_torus(point, expected):
    row = torch.tensor(round_form("torus", (1.0, 0.2, 1.0), (), 1.0)[:5]).view(5, 1)
    assert float(shapes.distance(torch.tensor(point).view(3, 1), row)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("box", (0.2, 1.0, -0.3), (0.0, 1.0, 0.0)),
        ("sphere", (0.6, 0.0, 0.8), (0.6, 0.0, 0.8)),
        ("cylinder", (0.6, 0.1, 0.8), (0.6, 0.0, 0.8)),
        ("cylinder", (0.3, 1.0, 0.2), (0.0, 1.0, 0.0)),
        ("cylinder", (0.3, -1.0, 0.2), (0.0, -1.0, 0.0)),
        # The side of a cone of slope 1/2: the normal leans up by atan(1/2).
        ("cone", (0.5, 0.0, 0.0), (2 / math.sqrt(5), 1 / math.sqrt(5), 0.0)),
        ("gable", (0.5, 0.0, 0.0), (2 / math.sqrt(5), 1 / math.sqrt(5), 0.0)),
        ("leaves", (0.0, 0.6, 0.8), (0.0, 0.6, 0.8)),
    ],
)
def test_normals(name, point, expected):
    kind, values = form(name)
    where = torch.tensor([point])
    normal = shapes.normal(kind, where, torch.tensor([values]), where)[0]
    torch.testing.assert_close(normal / normal.norm(), torch.tensor(expected), atol=1e-5, rtol=0)
