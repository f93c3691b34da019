"""Solids stand where they are put, in the size that they are given, and materials are reused."""

import math

import numpy as np
import pytest

from marigold_scenes import layout
from marigold_scenes.assembly import Assembly, Disc, Panels
from marigold_scenes.placement import Placement
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.shapes import KINDS, SHAPE_WIDTH

AT = Placement(1.0, 2.0, 3.0, math.pi / 2, 2.0)


@pytest.fixture
def parts():
    assembly = Assembly(RandomStream.of_seed(0))
    assembly.material("wood")
    return assembly


def only(parts):
    """Kind, centre, half size, packed shape and materials of the only solid."""
    solids = parts.finish()
    assert len(solids.kind) == 1
    return KINDS[solids.kind[0]], solids.centre[0], solids.half[0], solids.shape[0], solids.material[0]


def test_a_solid_has_its_centre_and_half_its_size_in_the_placement(parts):
    parts.add(AT, "sphere", 0, (0.0, 1.0, 1.0), (0.2, 0.4, 0.6))
    kind, centre, half, *_ = only(parts)
    assert kind == "quadric"
    np.testing.assert_allclose(centre, (3.0, 4.0, 3.0))
    np.testing.assert_allclose(half, (0.2, 0.4, 0.6))


def test_a_box_stands_on_its_base(parts):
    parts.box(Placement(), 0, (1.0, 2.0, 3.0), (4.0, 6.0, 8.0))
    _, centre, half, *_ = only(parts)
    np.testing.assert_allclose(centre, (1.0, 5.0, 3.0))
    np.testing.assert_allclose(half, (2.0, 3.0, 4.0))


def test_a_post_is_a_cylinder_of_its_radius_and_height(parts):
    parts.post(Placement(), 0, (0.0, 1.0, 0.0), 0.25, 3.0)
    kind, centre, half, shape, _ = only(parts)
    assert kind == "quadric"
    np.testing.assert_allclose((centre, half), ((0.0, 2.5, 0.0), (0.25, 1.5, 0.25)))
    # x^2 + z^2 = 1, closed at both ends
    np.testing.assert_allclose(shape[:5], (1.0, 0.0, 0.0, 0.0, 0.0))


def test_nothing_is_thinner_than_two_millimetres(parts):
    parts.box(Placement(), 0, (0, 0, 0), (1.0, 0.0, 1.0))
    assert only(parts)[2][1] == 1e-3


def test_a_limb_runs_from_its_start_to_its_end(parts):
    start, end = np.array([0.1, 0.2, 0.3]), np.array([0.9, -0.5, 1.1])
    parts.limb(Placement(), 0, tuple(start), tuple(end), 0.05)
    solids = parts.finish()
    axis = solids.rotation[0] @ [0.0, solids.half[0, 1], 0.0]
    np.testing.assert_allclose(solids.centre[0] + axis, end, atol=1e-9)
    np.testing.assert_allclose(solids.centre[0] - axis, start, atol=1e-9)


def test_a_limb_narrows_to_its_taper(parts):
    parts.limb(Placement(), 0, (0, 0, 0), (0, 2, 0), 0.1, taper=0.5)
    # A cone of radius 1 at y = -1 and 0.5 at y = 1: (0.75 - 0.25 y)^2
    np.testing.assert_allclose(only(parts)[3][:5], (0.5625, -0.375, 0.0625, 0.0, 0.0))


def test_rounded_edges_are_never_wider_than_the_box(parts):
    parts.add(Placement(), "rounded", 0, (0, 0, 0), (2.0, 0.2, 2.0), numbers=(0.5,))
    kind, *_, shape, _ = only(parts)
    assert kind == "round"
    # The radius ends at 98 % of half the height; the core is what is left of each half size.
    np.testing.assert_allclose(shape[:5], (1 - 0.098, 0.1 - 0.098, 1 - 0.098, 0.098, 0.0), rtol=1e-5)


def test_the_radius_of_rounded_edges_grows_with_the_placement(parts):
    parts.add(Placement(scale=2.0), "rounded", 0, (0, 0, 0), (1.0, 1.0, 1.0), numbers=(0.1,))
    np.testing.assert_allclose(only(parts)[3][:5], (0.8, 0.8, 0.8, 0.2, 0.0), rtol=1e-6)


def test_a_torus_lies_flat_and_its_height_is_its_tube(parts):
    parts.add(Placement(), "torus", 0, (0, 0, 0), (2.0, 0.4, 2.0))
    ring, tube = 0.8, 0.2
    np.testing.assert_allclose(only(parts)[3][:5], (ring, 0.0, ring, tube, ring), rtol=1e-6)


def test_panels_are_packed_in_metres_of_the_placement(parts):
    panels = Panels((1.0, 2.0), (0.5, 0.6), depth=0.1, lift=0.3, rows=4, material=7, margin=0.2)
    parts.add(Placement(scale=2.0), "box", 0, (0, 0, 0), (1, 1, 1), panels=panels)
    *_, shape, material = only(parts)
    np.testing.assert_allclose(shape, (2.0, 4.0, 1.0, 1.2, 0.2, 0.6, 4, 0.4, *(0.0,) * (SHAPE_WIDTH - 8)), rtol=1e-6)
    assert material.tolist() == [0, 7]


def test_a_solid_without_panels_has_one_material(parts):
    parts.box(Placement(), 0, (0, 0, 0), (1, 1, 1))
    assert only(parts)[4].tolist() == [0, 0]


def test_solids_are_sorted_by_kind_and_keep_their_order_within_it(parts):
    for name, x in (("sphere", 1.0), ("box", 2.0), ("leaves", 3.0), ("box", 4.0), ("prism", 5.0)):
        parts.add(Placement(), name, 0, (x, 0, 0), (1, 1, 1))
    solids = parts.finish()
    assert [KINDS[kind] for kind in solids.kind] == ["box", "box", "polytope", "quadric", "leaves"]
    assert solids.centre[:, 0].tolist() == [2.0, 4.0, 5.0, 1.0, 3.0]


def test_moving_solids_is_the_same_as_building_them_there():
    made = []
    for at_once in (True, False):
        parts = Assembly(RandomStream.of_seed(0))
        goal = Placement(1.0, 0.5, -2.0, 0.7)
        since = parts.count()
        start = goal if at_once else Placement()
        parts.limb(start, 0, (0.1, 0.2, 0.3), (0.5, 1.0, -0.4), 0.1)
        parts.box(start, 0, (0.3, 0.0, 0.2), (1.0, 2.0, 3.0))
        if not at_once:
            parts.moved(since, goal)
        made.append(parts.finish())
    np.testing.assert_allclose(made[0].centre, made[1].centre, atol=1e-9)
    np.testing.assert_allclose(made[0].rotation, made[1].rotation, atol=1e-9)


def test_moving_and_dropping_leave_earlier_solids_alone(parts):
    parts.box(Placement(), 0, (0, 0, 0), (1, 1, 1))
    since = parts.count()
    parts.box(Placement(), 0, (0, 0, 0), (1, 1, 1))
    parts.moved(since, Placement(5.0))
    assert parts.finish().centre[:, 0].tolist() == [0.0, 5.0]
    parts.dropped(since)
    assert parts.finish().centre[:, 0].tolist() == [0.0]


def test_an_assembly_without_solids_is_finished_all_the_same(parts):
    solids = parts.finish()
    assert solids.centre.shape == (0, 3) and solids.shape.shape == (0, SHAPE_WIDTH)


def test_a_copy_shines_and_the_original_does_not(parts):
    lit = parts.glowing(0, (1.0, 2.0, 3.0))
    assert parts.materials[lit][layout.GLOW : layout.GLOW + 3].tolist() == [1.0, 2.0, 3.0]
    assert parts.materials[0][layout.GLOW] == 0


def test_a_recoloured_copy_has_one_colour(parts):
    red = parts.materials[parts.recoloured(0, (0.5, 0.25, 0.125))]
    for start in layout.COLOURS:
        assert red[start : start + 3].tolist() == [0.5, 0.25, 0.125]
    assert red[layout.KIND] == parts.materials[0][layout.KIND]


def test_materials_are_reused_for_the_same_roles_alone():
    parts = Assembly(RandomStream.of_seed(1))
    woods = {parts.material("wood") for _ in range(40)}
    assert 1 < len(woods) < 15
    assert woods.isdisjoint(parts.material("metal") for _ in range(40))


def test_a_taken_place_is_not_given_twice(parts):
    assert parts.claim(0.0, 0.0, 1.0)
    assert not parts.claim(1.5, 0.0, 1.0)
    assert parts.claim(2.5, 0.0, 1.0)


def test_discs_that_touch_do_not_overlap():
    assert not Disc(0.0, 0.0, 1.0).overlaps(Disc(2.0, 0.0, 1.0))
    assert Disc(0.0, 0.0, 1.0).overlaps(Disc(1.2, 1.2, 1.0))
