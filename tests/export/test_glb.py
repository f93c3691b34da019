"""Textured meshes: read back by trimesh, and the container taken apart by hand."""

import json
import struct

import numpy as np
import pytest
import trimesh

from marigold.core.errors import ConfigError
from marigold.export import glb
from marigold.export.base import Maps
from marigold.export.glb import Glb
from marigold.modalities.depth import Depth

HEIGHT, WIDTH = 24, 32
DEPTH = np.zeros((HEIGHT, WIDTH), np.float32)
DEPTH[:, WIDTH // 2 :] = 1
PHOTO = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
PHOTO[: HEIGHT // 2, :, 0] = 250  # red above
PHOTO[:, : WIDTH // 2, 2] = 250  # blue on the left
MAPS = Maps(Depth(), {"depth": DEPTH}, photo=PHOTO, facts={"Source": "toy"})


@pytest.fixture
def file(tmp_path):
    (file,) = Glb().write(MAPS, tmp_path, "a")
    assert file.name == "a_depth.glb"
    return file


def content(file):
    """The JSON chunk and the binary chunk."""
    whole = file.read_bytes()
    magic, version, length, size, kind = struct.unpack("<4sIII4s", whole[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(whole), b"JSON")
    binary_size, binary_kind = struct.unpack("<I4s", whole[20 + size : 28 + size])
    assert binary_kind == b"BIN\0" and 28 + size + binary_size == len(whole) and size % 4 == binary_size % 4 == 0
    return json.loads(whole[20 : 20 + size]), whole[28 + size :]


def mesh(file):
    (found,) = trimesh.load(file, process=False).geometry.values()
    return found


def test_two_planes_are_two_pieces_at_their_distances(file):
    found = mesh(file)
    assert len(found.vertices) == HEIGHT * WIDTH and len(found.faces) == 2 * (HEIGHT - 1) * (WIDTH - 2)
    pieces = found.split(only_watertight=False)
    assert sorted(-piece.vertices[:, 2].mean() for piece in pieces) == pytest.approx([1, 3])


def test_triangles_face_the_camera(file):
    assert (mesh(file).face_normals[:, 2] > 0.99).all()


def test_the_texture_lies_as_the_photo_does(file):
    found = mesh(file)
    colours = np.asarray(found.visual.to_color().vertex_colors)[:, :3].astype(int)
    right, up = found.vertices[:, 0] > 0, found.vertices[:, 1] > 0
    inner = (np.abs(found.vertices[:, :2]) > 0.15).all(axis=1)  # JPEG bleeds a little at the borders
    assert (np.abs(colours[inner & up, 0] - 250) < 60).all() and (colours[inner & ~up, 0] < 60).all()
    assert (np.abs(colours[inner & ~right, 2] - 250) < 60).all() and (colours[inner & right, 2] < 60).all()


def test_texture_coordinates_are_pixel_centres_from_the_upper_left(file):
    described, binary = content(file)
    view = described["bufferViews"][1]
    places = np.frombuffer(binary, "<f4", view["byteLength"] // 4, view["byteOffset"]).reshape(-1, 2)
    expected = np.stack(np.meshgrid((np.arange(WIDTH) + 0.5) / WIDTH, (np.arange(HEIGHT) + 0.5) / HEIGHT), axis=-1)
    np.testing.assert_allclose(places, expected.reshape(-1, 2), atol=1e-6)


def test_the_scene_is_what_the_specification_asks_for(file):
    described, binary = content(file)
    assert described["asset"]["version"] == "2.0" and described["buffers"] == [{"byteLength": len(binary)}]
    (material,) = described["materials"]
    assert material["doubleSided"] and "KHR_materials_unlit" in material["extensions"]
    assert described["extensionsUsed"] == ["KHR_materials_unlit"]
    position = described["accessors"][0]
    low, high = mesh(file).bounds
    assert position["min"] == pytest.approx(low.tolist()) and position["max"] == pytest.approx(high.tolist())
    for accessor in described["accessors"]:
        assert described["bufferViews"][accessor["bufferView"]]["byteOffset"] % 4 == 0


def test_the_file_says_what_is_assumed(file):
    extras = content(file)[0]["asset"]["extras"]
    assert extras["assumed"] == "field of view 55 degrees, depth 0 at 1 m, depth 1 at 3 m"
    assert extras["Source"] == "toy" and "y up" in extras["axes"]


@pytest.mark.parametrize("size", [(8, 66_000), (66_000, 8)])
def test_a_photo_longer_than_jpeg_allows_is_a_smaller_texture_of_all_of_it(tmp_path, size):
    photo = np.zeros((*size, 3), np.uint8)
    photo[-size[0] // 2 :, -size[1] // 2 :, 1] = 240  # green at the lower right
    (file,) = Glb(detail=600).write(Maps(Depth(), {"depth": np.zeros(size, np.float32)}, photo=photo), tmp_path, "a")
    texture = mesh(file).visual.material.baseColorTexture.convert("RGB")
    assert max(texture.size) == 65_500 and (texture.width > texture.height) == (size[1] > size[0])
    assert texture.getpixel((texture.width - 1, texture.height - 1))[1] > 200 > 40 > texture.getpixel((0, 0))[1]


def test_a_mesh_larger_than_the_format_holds_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(glb, "_LARGEST", 20_000)
    with pytest.raises(ConfigError, match=r"^detail: the mesh takes .* GB, and glb holds .*; choose less"):
        Glb().write(MAPS, tmp_path, "a")
    assert not list(tmp_path.iterdir())


def test_without_a_photo_the_mesh_is_grey(tmp_path):
    (file,) = Glb().write(Maps(Depth(), {"depth": DEPTH}), tmp_path, "a")
    assert mesh(file).visual.material.baseColorTexture.convert("RGB").getpixel((0, 0)) == (200, 200, 200)
