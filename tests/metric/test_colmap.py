"""COLMAP's two formats, written here from their description, say the same and are checked."""

import struct

import numpy as np
import pytest

from marigold.core.errors import ConfigError, ImageError
from marigold.metric.colmap import read_model
from toys.mutations import damaged_bytes, survives

HALF = 0.5**0.5
# The camera of b.jpg is turned by a quarter around the y axis: world (x, y, z) is (z, y, -x) there, then moved.
POSES = {"a.jpg": ((1, 0, 0, 0), (0, 0, 0)), "sub/b.jpg": ((HALF, 0, HALF, 0), (0, 0, 6))}
PLACES = {7: (0.0, 0.0, 4.0), 9: (1.0, -1.0, 2.0)}
PIXELS = ((4.5, 3.5, 7), (9.0, 1.0, -1), (6.25, 2.0, 9))


def write_text(folder, distortion=0):
    folder.mkdir()
    (folder / "cameras.txt").write_text(f"# cameras\n3 SIMPLE_RADIAL 12 8 10 6 4 {distortion}\n")
    seen = " ".join(f"{x} {y} {one}" for x, y, one in PIXELS)
    photos = [
        f"{number} {' '.join(map(str, (*turn, *move)))} 3 {name}\n{seen}\n"
        for number, (name, (turn, move)) in enumerate(POSES.items(), 1)
    ]
    (folder / "images.txt").write_text("# images\n" + "".join(photos))
    (folder / "points3D.txt").write_text("".join(f"{n} {x} {y} {z} 0 0 0 0.5 1 0\n" for n, (x, y, z) in PLACES.items()))
    return folder


def write_binary(folder, model=2, parameters=(10.0, 6, 4, 0)):
    folder.mkdir()
    cameras = struct.pack("<QiiQQ", 1, 3, model, 12, 8) + struct.pack(f"<{len(parameters)}d", *parameters)
    (folder / "cameras.bin").write_bytes(cameras)
    photos = struct.pack("<Q", len(POSES))
    for number, (name, (turn, move)) in enumerate(POSES.items(), 1):
        photos += struct.pack("<i7di", number, *turn, *move, 3) + name.encode() + b"\0" + struct.pack("<Q", len(PIXELS))
        photos += b"".join(struct.pack("<ddq", *seen) for seen in PIXELS)
    (folder / "images.bin").write_bytes(photos)
    points = struct.pack("<Q", len(PLACES))
    for number, place in PLACES.items():
        points += struct.pack("<Q3d3BdQii", number, *place, 1, 2, 3, 0.5, 1, 1, 0)
    (folder / "points3D.bin").write_bytes(points)
    return folder


@pytest.mark.parametrize("write", [write_text, write_binary])
def test_a_model_gives_the_depth_of_the_points_that_a_photo_sees(tmp_path, write):
    model = read_model(write(tmp_path / "model"))
    photo = model.photo(tmp_path / "photos" / "a.jpg")
    known = model.known(photo, (8, 12), unit=None)
    assert known.x.tolist() == [4.5, 6.25] and known.y.tolist() == [3.5, 2] and known.depth.tolist() == [4, 2]
    assert not known.metric and known.notes == ()
    view = model.view(photo)
    assert (view.fx, view.fy, view.cx, view.cy, view.width, view.height) == (10, 10, 6, 4, 12, 8)


@pytest.mark.parametrize("write", [write_text, write_binary])
def test_poses_bring_points_to_the_camera_and_units_to_metres(tmp_path, write):
    model = read_model(write(tmp_path / "model"))
    known = model.known(model.photo(tmp_path / "b.jpg"), (16, 24), unit=0.5)
    assert known.depth == pytest.approx([6 * 0.5, (6 - 1) * 0.5])  # z there is 6 - x
    assert known.x.tolist() == [9, 12.5] and known.metric


def test_a_photo_that_is_not_in_the_model_or_has_another_shape_is_refused(tmp_path):
    model = read_model(write_text(tmp_path / "model"))
    with pytest.raises(ImageError, match="has no photo of this name"):
        model.photo(tmp_path / "c.jpg")
    with pytest.raises(ConfigError, match="is of 12 x 8 pixels, the photo has 8 x 12"):
        model.known(model.photo(tmp_path / "a.jpg"), (12, 8), unit=None)


def test_distortion_is_noted_and_a_fisheye_refused(tmp_path):
    model = read_model(write_text(tmp_path / "model", distortion=0.1))
    assert model.known(model.photo(tmp_path / "a.jpg"), (8, 12), unit=None).notes
    fisheye = read_model(write_binary(tmp_path / "fisheye", model=8, parameters=(10.0, 6, 4, 0.1)))
    with pytest.raises(ImageError, match="undistort"):
        fisheye.view(fisheye.photo(tmp_path / "a.jpg"))


def test_what_is_no_model_says_what_one_is(tmp_path):
    with pytest.raises(ImageError, match=r"cameras\.txt: no such file; give the folder"):
        read_model(tmp_path)


@pytest.mark.parametrize("name", ["cameras", "images", "points3D"])
@pytest.mark.parametrize(("write", "ending"), [(write_text, "txt"), (write_binary, "bin")])
def test_damaged_files_are_refused_or_read(tmp_path, name, write, ending):
    folder = write(tmp_path / "model")
    file = folder / f"{name}.{ending}"
    for content in damaged_bytes(file.read_bytes(), 60):
        file.write_bytes(content)
        survives(lambda: read_model(folder), (ImageError,), f"{name} {content!r}")


def test_numbers_stay_numbers(tmp_path):
    model = read_model(write_binary(tmp_path / "model"))
    assert np.array([model.points[7], model.points[9]]).tolist() == [[0, 0, 4], [1, -1, 2]]
