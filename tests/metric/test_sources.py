"""Known distances from files, and what is wrong with some."""

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import ConfigError, DataError, ImageError
from marigold.core.view import View
from marigold.metric.sources import projected, read_map, read_table
from toys.worlds import png16

VIEW = View(10, 10, 4, 3, 8, 6, "as stated")


def table(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize("head", ["", "x,y,metres\n", "\ufeffX, Y, Metres\n"])
def test_a_table_has_a_pixel_and_metres_on_each_line(tmp_path, head):
    points = read_table(table(tmp_path / "a.csv", head + "3,4,1.5\n\n0, 5.5, 2\n"))
    assert points.x.tolist() == [3, 0] and points.y.tolist() == [4, 5.5] and points.depth.tolist() == [1.5, 2]
    rows, columns = points.pixels((6, 8), (6, 8))
    assert rows.tolist() == [4, 5] and columns.tolist() == [3, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2\n", "line 1 has 2 numbers"),
        ("1,2,3\n1,b,3\n", "line 2 holds what is no number"),
        ("1,2,nan\n", "point 1 has a depth that is no number"),
        ("1,2,3\n1,2,-1\n", r"point 2 at pixel \(1, 2\) is -1 m away"),
        ("1,2,0\n", "is 0 m away"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, words):
    with pytest.raises(ImageError, match=words):
        read_table(table(tmp_path / "a.csv", text))


@pytest.mark.parametrize(
    ("text", "words"),
    [("1,2,3\n8,2,3\n", r"point 2 at pixel \(8, 2\) is outside the photo of 8 x 6"), ("1,2,3\n", "give 2 or more")],
)
def test_points_that_a_photo_cannot_use_are_refused(tmp_path, text, words):
    with pytest.raises(ImageError, match=words):
        read_table(table(tmp_path / "a.csv", text)).inside(8, 6)


def test_no_table_says_how_one_looks(tmp_path):
    with pytest.raises(ImageError, match="no such file; give lines of x,y,metres"):
        read_table(tmp_path / "none.csv")


def test_levels_are_metres_by_the_stated_scale(tmp_path):
    levels = np.zeros((6, 8), np.uint16)
    levels[2, 5], levels[4, 1] = 512, 640
    png16(tmp_path / "a.png", levels)
    points = read_map(tmp_path / "a.png", (6, 8), per_metre=256, view=None)
    assert points.depth.tolist() == [2, 2.5]
    assert np.floor(points.x).tolist() == [5, 1] and np.floor(points.y).tolist() == [2, 4]
    with pytest.raises(ConfigError, match="give --known-scale"):
        read_map(tmp_path / "a.png", (6, 8), per_metre=None, view=None)


def test_holes_of_a_map_of_metres_are_zero_nan_or_infinite(tmp_path):
    metres = np.full((6, 8), np.nan, np.float32)
    metres[0, 0], metres[1, 1], metres[2, 2] = 0, np.inf, 3
    np.save(tmp_path / "a.npy", metres)
    assert read_map(tmp_path / "a.npy", (6, 8), per_metre=None, view=None).depth.tolist() == [3]


def test_a_map_of_another_size_or_kind_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((5, 8), np.float32))
    with pytest.raises(ImageError, match="is of 8 x 5 pixels and the photo of 8 x 6"):
        read_map(tmp_path / "a.npy", (6, 8), per_metre=None, view=None)
    PIL.Image.new("RGB", (8, 6)).save(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match="no file of distances by its ending"):
        read_map(tmp_path / "a.jpg", (6, 8), per_metre=None, view=None)
    (tmp_path / "b.npy").write_bytes(b"not numpy")
    with pytest.raises(DataError, match=r"b\.npy"):
        read_map(tmp_path / "b.npy", (6, 8), per_metre=None, view=None)


def test_points_in_space_are_projected_and_the_nearest_of_a_pixel_counts(tmp_path):
    # x = 10 * right / depth + 4, y = 10 * down / depth + 3
    space = np.array([[0.2, 0.1, 2], [0.4, 0.2, 4], [0, 0, -1], [5, 0, 1], [-0.7, 0, 2]])
    np.save(tmp_path / "a.npy", space)
    points = read_map(tmp_path / "a.npy", (6, 8), per_metre=None, view=VIEW)
    found = sorted(zip(points.x, points.y, points.depth, strict=True))
    assert np.array(found) == pytest.approx(np.array([[0.5, 3, 2], [5, 3.5, 2]]))
    assert points.notes == ("3 of 5 points are behind the camera, beside the photo or hidden",)
    with pytest.raises(ConfigError, match="give --camera"):
        projected(space, None, (6, 8), "a.npy")
