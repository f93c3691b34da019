"""Cameras look where they should, and views are chosen by what they show."""

import math

import numpy as np
import pytest

from marigold_scenes import daylight, view
from marigold_scenes.assembly import Assembly
from marigold_scenes.placement import Placement
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.view import Limits, View

GREY = np.full(3, 0.3)
ANYTHING = Limits(near=0.1, middle=50.0, share=0.0, solids=0)


def settled(propose, limits, *boxes):
    """The description of a scene of boxes (centre and size) on a floor at 0."""
    parts = Assembly(RandomStream.of_seed(0))
    parts.material("concrete")
    for centre, size in boxes:
        parts.add(Placement(), "box", 0, centre, size)
    light = daylight.outdoors(RandomStream.of_seed(1), GREY)
    return view.settle(parts, propose, light, limits, ground=lambda x, z: 0.0, reach=1.0)


def test_a_level_camera_has_the_axes_of_the_world():
    turn = view.orientation(View((0.0, 1.0, 5.0), (0.0, 1.0, 0.0), 0.0, 1.0))
    np.testing.assert_allclose(turn, np.eye(3), atol=1e-12)


def test_the_target_lies_straight_ahead():
    looking = View((1.0, 2.0, 3.0), (-2.0, 0.5, 7.0), 0.2, 1.0)
    turn = view.orientation(looking)
    ahead = np.subtract(looking.target, looking.eye)
    np.testing.assert_allclose(turn.T @ ahead, (0.0, 0.0, -np.linalg.norm(ahead)), atol=1e-12)
    np.testing.assert_allclose(turn.T @ turn, np.eye(3), atol=1e-12)


def test_a_roll_turns_the_camera_about_its_axis():
    level, rolled = (view.orientation(View((0, 0, 0), (0, 0, -1), roll, 1.0)) for roll in (0.0, 0.3))
    np.testing.assert_allclose(rolled[:, 2], level[:, 2])
    assert rolled[:, 0] @ level[:, 0] == pytest.approx(math.cos(0.3))
    assert rolled[1, 0] == pytest.approx(math.sin(0.3))


def test_an_orbit_keeps_its_distance_and_its_angles():
    eye = np.subtract(view.orbit((1.0, 2.0, 3.0), 5.0, 0.4, 0.6), (1.0, 2.0, 3.0))
    assert np.linalg.norm(eye) == pytest.approx(5.0)
    assert eye[1] == pytest.approx(5.0 * math.sin(0.6))
    assert math.atan2(eye[2], eye[0]) == pytest.approx(0.4)


def test_lenses_stay_in_their_range_and_are_mostly_normal():
    rng = RandomStream.of_seed(2)
    degrees = [2 * math.degrees(math.atan(view.lens(rng, 35, 90))) for _ in range(400)]
    assert min(degrees) >= 35 - 1e-9 and max(degrees) <= 90 + 1e-9
    assert 50 < np.median(degrees) < 65


def test_the_first_view_that_fits_is_taken():
    views = iter([View((0.0, 1.0, 6.0), (0.0, 1.0, 0.0), 0.0, 0.5) for _ in range(3)])
    description = settled(lambda: next(views), ANYTHING, ((0, 0.5, 0), (2, 1, 2)), ((3, 2, -8), (9, 4, 1)))
    assert description.eye.tolist() == [0.0, 1.0, 6.0]
    assert len(list(views)) == 2


def test_a_camera_inside_a_solid_or_under_the_ground_is_the_last_choice():
    inside, below, free = (View(eye, (0.0, 1.0, -9.0), 0.0, 0.5) for eye in ((0, 1, 0), (0, -1, 6), (0.0, 1.0, 6.0)))
    views = iter([inside, below, free] + [inside] * view.TRIES)
    description = settled(lambda: next(views), ANYTHING, ((0, 1, 0), (2, 2, 2)), ((0, 2, -8), (9, 4, 1)))
    assert description.eye.tolist() == [0.0, 1.0, 6.0]


def test_a_view_without_enough_solids_gives_way_to_a_better_one():
    limits = Limits(near=0.1, middle=50.0, share=0.0, solids=2)
    away, towards = (View((0.0, 1.0, 6.0), target, 0.0, 0.5) for target in ((0.0, 1.0, 20.0), (0.0, 1.0, 0.0)))
    views = iter([away, towards] + [away] * view.TRIES)
    description = settled(lambda: next(views), limits, ((-1, 0.5, 0), (1, 1, 1)), ((1, 0.5, 0), (1, 1, 1)))
    np.testing.assert_allclose(description.turn, view.orientation(towards))


def test_something_close_by_spoils_a_view():
    limits = Limits(near=1.0, middle=50.0, share=0.0, solids=0)
    close, free = (View((0.0, 1.0, z), (0.0, 1.0, 0.0), 0.0, 0.5) for z in (1.4, 8.0))
    views = iter([close, free] + [close] * view.TRIES)
    description = settled(lambda: next(views), limits, ((0, 0.5, 0), (1, 1, 1)), ((2, 2, -8), (9, 4, 1)))
    assert description.eye[2] == 8.0


def test_the_description_holds_what_the_view_was_chosen_with():
    looking = View((0.0, 1.5, 6.0), (0.0, 1.0, 0.0), 0.0, 0.7)
    description = settled(lambda: looking, ANYTHING, ((0, 0.5, 0), (2, 1, 2)))
    assert (description.tangent, description.floor, description.far, description.reach) == (0.7, 0.0, 80.0, 1.0)
    assert not any(description.hills)
    assert len(description.materials) == 1
