"""Rays go into the recesses of a box as deep as their walls let them, all by hand.

The box is 4 m wide, 2 m high and 1 m deep; its front at z = 0.5 has two columns of recesses, 1 m apart, 0.6 m wide,
0.8 m high and 0.3 m deep, whose lowest row starts 0.1 m above the foot.
"""

import pytest
import torch

from marigold_scenes import recesses
from marigold_scenes.assembly import Panels
from marigold_scenes.recesses import Face

PANELS = Panels((1.0, 1.0), (0.6, 0.8), depth=0.3, lift=0.1, rows=1, material=1, margin=0.5)
HALF = torch.tensor([[2.0, 1.0, 0.5]])
# Three columns fit between the margins: 3 m of 4 m; their middles are x = -1, 0, 1, and y = -1 + 0.1 + 0.5.
MIDDLE = (0.0, -0.4, 0.5)


def enter(point, heading, normal=(0.0, 0.0, 1.0), panels=PANELS, is_box=True):
    face = Face(torch.tensor([point]), torch.tensor([heading]), torch.tensor([normal]), HALF, torch.tensor([is_box]))
    return recesses.enter(face, torch.tensor([panels.packed(1.0)]))


def test_a_ray_at_right_angles_ends_at_the_back():
    inside = enter(MIDDLE, (0.0, 0.0, -1.0))
    torch.testing.assert_close(inside.point, torch.tensor([[0.0, -0.4, 0.2]]))
    assert inside.deeper.item() == pytest.approx(0.3)
    assert inside.back.item()
    assert inside.normal.tolist() == [[0.0, 0.0, 1.0]]


@pytest.mark.parametrize("x", [-1.29, -0.75, 0.29, 1.2])
def test_recesses_repeat_along_the_face(x):
    assert enter((x, -0.4, 0.5), (0.0, 0.0, -1.0)).back.item()


@pytest.mark.parametrize(
    "point",
    [(0.4, -0.4, 0.5), (1.9, -0.4, 0.5), (0.0, 0.1, 0.5), (0.0, -0.95, 0.5), (0.0, 0.6, 0.5)],
    ids=["between columns", "in the margin", "above the opening", "below the opening", "in a row too many"],
)
def test_the_face_around_them_stays_where_it_is(point):
    inside = enter(point, (0.0, 0.0, -1.0))
    assert inside.deeper.item() == 0
    assert not inside.back.item()
    assert inside.sheltered.item() == 1
    torch.testing.assert_close(inside.point, torch.tensor([point]))


def test_a_slanting_ray_ends_at_the_side_and_sees_it_from_inside():
    # From x = 0.2 to the side at 0.3 is 0.1; the ray moves as far across as it goes in.
    inside = enter((0.2, -0.4, 0.5), (1.0, 0.0, -1.0))
    torch.testing.assert_close(inside.point, torch.tensor([[0.3, -0.4, 0.4]]))
    assert inside.normal.tolist() == [[-1.0, 0.0, 0.0]]
    assert not inside.back.item()


@pytest.mark.parametrize(("fall", "normal"), [(-1.0, 1.0), (1.0, -1.0)], ids=["sill", "lintel"])
def test_a_falling_ray_ends_on_the_sill_and_a_rising_one_under_the_lintel(fall, normal):
    # 0.4 from the middle to either; the ray falls twice as fast as it goes in.
    inside = enter(MIDDLE, (0.0, 2 * fall, -1.0))
    torch.testing.assert_close(inside.point, torch.tensor([[0.0, -0.4 + 0.4 * fall, 0.3]]))
    assert inside.normal.tolist() == [[0.0, normal, 0.0]]


def test_the_other_upright_faces_have_recesses_too():
    # On the face x = 2 the columns run along z; between margins of 0.25 m there is room for none of 1 m.
    narrow = PANELS._replace(pitch=(0.5, 1.0), size=(0.3, 0.8), margin=0.2)
    inside = enter((2.0, -0.4, 0.0), (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0), narrow)
    torch.testing.assert_close(inside.point, torch.tensor([[1.7, -0.4, 0.0]]))
    assert not enter((2.0, -0.4, 0.0), (-1.0, 0.0, 0.0), (1.0, 0.0, 0.0)).back.item()


def test_tops_have_none_and_neither_have_solids_that_are_no_boxes():
    assert enter((0.0, 1.0, 0.0), (0.0, -1.0, 0.0), (0.0, 1.0, 0.0)).deeper.item() == 0
    assert enter(MIDDLE, (0.0, 0.0, -1.0), is_box=False).deeper.item() == 0


def test_the_deeper_a_point_the_less_light_reaches_it():
    # Depth over half the smaller side of the opening: 0.3 / 0.3; at most 60 % of the light is lost.
    assert enter(MIDDLE, (0.0, 0.0, -1.0)).sheltered.item() == pytest.approx(0.4)
    shallow = PANELS._replace(depth=0.15)
    assert enter(MIDDLE, (0.0, 0.0, -1.0), panels=shallow).sheltered.item() == pytest.approx(0.7)
