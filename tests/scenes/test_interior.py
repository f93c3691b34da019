"""Walls are closed but for their openings, and rooms are lit through their windows."""

import numpy as np
import pytest

from marigold_scenes import interior, lights, room_light
from marigold_scenes.assembly import Assembly
from marigold_scenes.interior import THICK, Opening, Wall
from marigold_scenes.placement import Placement
from marigold_scenes.random_stream import RandomStream

HEIGHT = 2.5


def assembly(seed=0):
    parts = Assembly(RandomStream.of_seed(seed))
    parts.material("grass")
    return parts


def built(openings, length=4.0):
    """The boxes of one wall along x: lower and upper corners [N, 3]."""
    parts = assembly()
    interior._wall(parts, Wall(Placement(), length, list(openings)), 0, HEIGHT)
    solids = parts.finish()
    return solids.centre - solids.half, solids.centre + solids.half


def covered(boxes, x, y):
    """How many boxes hold a point of the wall's face."""
    low, high = boxes
    point = np.array([x, y])
    return int(((low[:, :2] <= point) & (point <= high[:, :2])).all(1).sum())


def test_an_opening_knows_its_edges():
    window = Opening(x=1.0, sill=0.9, width=0.8, height=1.2)
    assert (window.left, window.top) == pytest.approx((0.6, 2.1))
    assert not window.is_door
    assert Opening(0.0, 0.0, 0.9, 2.0).is_door


def test_a_place_is_clear_of_an_opening_beyond_its_edge():
    window = Opening(1.0, 0.9, 0.8, 1.2)
    assert window.clear_of(1.5, 0.05) and window.clear_of(0.5, 0.05)
    assert not window.clear_of(1.5, 0.2) and not window.clear_of(1.0, 0.0)


def test_a_wall_without_openings_is_one_box_that_laps_over_the_corners():
    low, high = built([])
    np.testing.assert_allclose(low, [[-2 - THICK, 0, -THICK]])
    np.testing.assert_allclose(high, [[2 + THICK, HEIGHT, 0]])


@pytest.mark.parametrize(
    "openings",
    [
        [Opening(0.0, 0.9, 1.0, 1.2)],
        [Opening(1.2, 0.0, 0.9, 2.0), Opening(-1.0, 0.8, 0.7, 1.0)],
        [Opening(-1.5, 0.5, 0.5, 1.5), Opening(0.0, 0.5, 0.5, 1.5), Opening(1.5, 0.5, 0.5, 1.5)],
    ],
    ids=["a window", "a door and a window", "a row of windows"],
)
def test_a_wall_has_its_area_but_for_the_openings(openings):
    low, high = built(openings)
    area = ((high - low)[:, 0] * (high - low)[:, 1]).sum()
    holes = sum(opening.width * opening.height for opening in openings)
    assert area == pytest.approx((4 + 2 * THICK) * HEIGHT - holes)
    for opening in openings:
        assert covered((low, high), opening.x, opening.sill + opening.height / 2) == 0


def test_there_is_wall_beside_above_and_below_a_window():
    boxes = built([Opening(0.0, 0.9, 1.0, 1.2)])
    for x, y in ((-0.6, 1.5), (0.6, 1.5), (0.0, 0.5), (0.0, 2.3)):
        assert covered(boxes, x, y) == 1


def test_a_skirting_runs_along_the_wall_and_stops_at_doors():
    parts = assembly()
    openings = [Opening(0.5, 0.0, 1.0, 2.0), Opening(-1.2, 0.8, 0.6, 1.0)]
    interior._skirting(parts, Wall(Placement(), 4.0, openings), 0, 0.1)
    solids = parts.finish()
    ends = sorted(zip(solids.centre[:, 0] - solids.half[:, 0], solids.centre[:, 0] + solids.half[:, 0], strict=True))
    np.testing.assert_allclose(ends, [(-2.0, 0.0), (1.0, 2.0)])


@pytest.fixture(params=range(12))
def room(request):
    parts = assembly(request.param)
    return parts, interior.shell(parts, 4.0, 5.0, HEIGHT)


def test_openings_lie_in_their_walls_and_keep_clear_of_each_other(room):
    _, shell = room
    for wall in shell.walls:
        for number, opening in enumerate(wall.openings):
            assert abs(opening.x) + opening.width / 2 < wall.length / 2
            assert 0 <= opening.sill < opening.top < HEIGHT
            for other in wall.openings[:number]:
                assert abs(opening.x - other.x) >= (opening.width + other.width) / 2


def test_walls_stand_around_the_room_and_face_into_it(room):
    _, shell = room
    assert [wall.length for wall in shell.walls] == [4.0, 5.0, 4.0, 5.0]
    for wall in shell.walls:
        inside = wall.at.point(0.0, 0.0, 0.5)
        assert abs(inside[0]) < 2.0 and abs(inside[2]) < 2.5


def test_the_windows_of_a_room_are_openings_of_its_walls(room):
    _, shell = room
    glazed = [opening for wall in shell.walls for opening in wall.openings if not opening.is_door]
    assert [window.opening for window in shell.windows] == glazed
    assert all(window.at in [wall.at for wall in shell.walls] for window in shell.windows)


def test_a_room_is_lit_from_inside_or_through_its_windows(room):
    parts, shell = room
    light = room_light.illuminate(parts, shell)
    assert light.lights[:, lights.USED].any()
    assert light.bounce.min() > 0
    assert light.dome[lights.ZENITH].min() > 0
    for row in light.lights[1:]:
        if row[lights.USED]:
            x, y, z = row[lights.PLACE]
            assert abs(x) <= 2.1 and abs(z) <= 2.6 and 0 < y < HEIGHT


def test_window_light_shines_into_the_room():
    at, opening = Placement(0.0, 0.0, -2.0), Opening(0.5, 1.0, 1.0, 1.2)
    row = room_light._window_light(interior.Window(at, opening), np.ones(3))
    np.testing.assert_allclose(row[lights.PLACE], (0.5, 1.6, -1.95))
    facing = np.cross(row[lights.AXIS_U], row[lights.AXIS_V])
    # Half-edges of 0.5 and 0.6 m span a quarter of the window, and their product points to +z.
    np.testing.assert_allclose(facing, (0.0, 0.0, 0.3), atol=1e-12)
    assert row[lights.ONE_SIDED] == 1
