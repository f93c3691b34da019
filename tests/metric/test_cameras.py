"""Cameras as stated and from EXIF data."""

import json
import math

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import ConfigError
from marigold.core.view import View
from marigold.export._surface import Lens, surface
from marigold.metric.cameras import of_photo, stated

SIZE = (400, 600)


def photo(path, **tags):
    image = PIL.Image.new("RGB", (600, 400))
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8769).update({int(tag[1:], 16): value for tag, value in tags.items()})
    image.save(path, exif=exif)
    return path


def test_the_equivalent_of_35_mm_film_is_by_the_diagonal(tmp_path):
    view = of_photo(photo(tmp_path / "a.jpg", xA405=36), SIZE)
    assert view.fx == view.fy == pytest.approx(600)  # of a photo of the film's own shape, 36 mm is its width
    assert (view.cx, view.cy) == (300, 200) and "35 mm" in view.origin


def test_a_stated_focal_plane_counts_first(tmp_path):
    # 20 mm at 100 pixels to the millimetre, of a photo that was 1200 wide and is half as large now
    view = of_photo(photo(tmp_path / "a.jpg", xA405=36, x920A=20.0, xA20E=1000.0, xA210=3, xA002=1200), SIZE)
    assert view.fx == pytest.approx(1000)


def test_photos_that_say_nothing_have_no_camera(tmp_path):
    assert of_photo(photo(tmp_path / "a.jpg", xA405=0), SIZE) is None
    PIL.Image.new("RGB", (4, 4)).save(tmp_path / "b.png")
    assert of_photo(tmp_path / "b.png", (4, 4)) is None


def test_a_camera_is_four_numbers_or_a_file(tmp_path):
    assert stated("500, 510,300,200", tmp_path / "a.jpg", SIZE) == View(500, 510, 300, 200, 600, 400, "as stated")
    (tmp_path / "c.json").write_text(json.dumps(dict(fx=50, fy=51, cx=30, cy=20, width=60, height=40)))
    found = stated(str(tmp_path / "c.json"), tmp_path / "a.jpg", SIZE).at(600, 400)
    assert (found.fx, found.fy, found.cx, found.cy) == pytest.approx((500, 510, 300, 200))


@pytest.mark.parametrize(
    ("camera", "words"),
    [
        ("1,2,3", "is no camera; give fx,fy,cx,cy"),
        ("nan,2,3,4", "cannot be"),
        ("-1,2,3,4", "cannot be"),
        ("none.json", "no such file"),
    ],
)
def test_what_is_no_camera_is_refused(tmp_path, monkeypatch, camera, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=words):
        stated(camera, tmp_path / "a.jpg", SIZE)


def test_a_camera_of_another_size_is_refused(tmp_path):
    (tmp_path / "c.json").write_text(json.dumps(dict(fx=50, fy=51, cx=30, cy=20, width=40, height=60)))
    with pytest.raises(ConfigError, match="the photo has 600 x 400"):
        stated(str(tmp_path / "c.json"), tmp_path / "a.jpg", SIZE)


def test_points_lie_where_the_camera_sees_them():
    view = View(2, 4, 0.5, 1.5, 2, 2, "as stated")
    found = surface(np.full((2, 2), 8, np.float32), Lens(55, 0, 1, view), cut=0, detail=0)
    # right = (x + 0.5 - cx) / fx * 8, up = (cy - y - 0.5) / fy * 8
    assert found.points.tolist() == [[0, 2, -8], [4, 2, -8], [0, 0, -8], [4, 0, -8]]
    assert math.isclose(Lens(90, 0, 1).camera(100, 200).fx, 100)
