"""Point clouds, read back by trimesh."""

import numpy as np
import pytest
import trimesh

from marigold.core.errors import ConfigError
from marigold.export.base import Maps
from marigold.export.ply import Ply
from marigold.modalities.depth import Depth

DEPTH = np.linspace(0, 1, 20 * 30, dtype=np.float32).reshape(20, 30)
PHOTO = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_points_and_colours_come_back(tmp_path):
    (file,) = Ply(cut=0).write(Maps(Depth(), {"depth": DEPTH}, photo=PHOTO), tmp_path, "a")
    cloud = trimesh.load(file)
    assert file.name == "a_depth.ply" and isinstance(cloud, trimesh.PointCloud)
    np.testing.assert_allclose(-cloud.vertices[:, 2], 1 + 2 * DEPTH.ravel(), atol=1e-6)
    np.testing.assert_array_equal(np.asarray(cloud.colors)[:, :3], PHOTO.reshape(-1, 3))
    assert cloud.vertices[0, 0] < 0 < cloud.vertices[0, 1]  # the first pixel is at the upper left


def test_without_a_photo_points_are_grey(tmp_path):
    (file,) = Ply().write(Maps(Depth(), {"depth": DEPTH}), tmp_path, "a")
    assert (np.asarray(trimesh.load(file).colors)[:, :3] == 200).all()


def test_the_header_says_what_is_assumed(tmp_path):
    (file,) = Ply(fov=70, near=2, far=9).write(Maps(Depth(), {"depth": DEPTH}, facts={"Source": "x\ny"}), tmp_path, "a")
    header = file.read_bytes().split(b"end_header\n")[0].decode("ascii").splitlines()
    assert header[:2] == ["ply", "format binary_little_endian 1.0"]
    assert "comment assumed: field of view 70 degrees, depth 0 at 2 m, depth 1 at 9 m" in header
    assert "comment Source: x y" in header and any("y up" in line for line in header)


def test_depth_that_has_no_unknown_shift_starts_at_the_camera(tmp_path):
    maps = Maps(Depth(shift_invariant=False), {"depth": np.full((4, 4), 0.5, np.float32)})
    (file,) = Ply(far=10).write(maps, tmp_path, "a")
    np.testing.assert_allclose(-trimesh.load(file).vertices[:, 2], 5)


def test_a_map_of_which_nothing_is_left_is_an_error(tmp_path):
    ragged = np.indices((20, 30)).sum(axis=0).astype(np.float32) % 2
    with pytest.raises(ConfigError, match="cut: all of `depth` is seen flatter than 80 degrees; choose less"):
        Ply(cut=80).write(Maps(Depth(), {"depth": ragged}), tmp_path, "a")
    assert not list(tmp_path.iterdir())
