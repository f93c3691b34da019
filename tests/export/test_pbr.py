"""Texture sets: names that Blender and Unreal recognise, colours and levels by hand."""

import re

import numpy as np
import PIL.Image
import pytest

from marigold.export.base import Maps
from marigold.export.pbr import Pbr
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals

SIZE = (12, 16)
APPEARANCE = Maps(
    Appearance(),
    {
        "albedo": np.full((*SIZE, 3), [0.2, 0.4, 0.6], np.float32),
        "roughness": np.full(SIZE, 0.8, np.float32),
        "metallicity": np.full(SIZE, 0.2, np.float32),
    },
    facts={"Source": "toy"},
)
LIGHTING = Maps(Lighting(), {name: np.full((*SIZE, 3), 0.5, np.float32) for name in Lighting.outputs})
NORMALS = Maps(Normals(), {"normals": np.full((*SIZE, 3), [0, 0.6, 0.8], np.float32)})
DEPTH = Maps(Depth(), {"depth": np.full(SIZE, 0.25, np.float32)})
NODE_WRANGLER = {
    "basecolor": "diffuse diff albedo base col color basecolor",
    "roughness": "roughness rough rgh",
    "metallic": "metallic metalness metal mtl",
    "normal": "normal nor nrm nrml norm",
    "height": "displacement displace disp dsp height heightmap",
}
"""The words that Blender's Node Wrangler looks for by default."""


def levels(file):
    with PIL.Image.open(file) as image:
        return np.asarray(image)[0, 0].tolist()


@pytest.fixture
def files(tmp_path):
    written = Pbr().write_set([APPEARANCE, DEPTH, LIGHTING, NORMALS], tmp_path, "a")
    return {file.relative_to(tmp_path).as_posix(): file for file in written}


def test_the_whole_set_is_written_for_both(files):
    assert list(files) == [
        "a_pbr/blender/a_basecolor.png",
        "a_pbr/unreal/T_a_BC.png",
        "a_pbr/blender/a_roughness.png",
        "a_pbr/blender/a_metallic.png",
        "a_pbr/unreal/T_a_ORM.png",
        "a_pbr/blender/a_normal.png",
        "a_pbr/unreal/T_a_N.png",
        "a_pbr/blender/a_height.png",
        "a_pbr/unreal/T_a_H.png",
    ]


def test_every_file_for_blender_matches_the_words_of_one_socket_only(files):
    for name in (name for name in files if "/blender/" in name):
        words = set(re.split(r"[_. ]", name.rpartition("/")[2]))
        matched = [socket for socket, known in NODE_WRANGLER.items() if words & set(known.split())]
        assert matched == [name.rpartition("_")[2].removesuffix(".png")]


def test_colours_and_materials_are_levels_of_eight_bits(files):
    assert levels(files["a_pbr/blender/a_basecolor.png"]) == [51, 102, 153]
    assert levels(files["a_pbr/unreal/T_a_BC.png"]) == [51, 102, 153]
    assert levels(files["a_pbr/blender/a_roughness.png"]) == 204
    assert levels(files["a_pbr/blender/a_metallic.png"]) == 51
    assert levels(files["a_pbr/unreal/T_a_ORM.png"]) == [255, 204, 51]  # no occlusion


def test_normals_point_up_for_blender_and_down_for_unreal(files):
    # Blender's has 16 bits, of which Pillow shows the high byte: (0.6 + 1) / 2 * 65535 / 256 is 204.8, for 0.8 230.4.
    # Unreal's has 8: (-0.6 + 1) / 2 * 255 is 51.
    assert levels(files["a_pbr/blender/a_normal.png"]) == [128, 204, 230]
    assert levels(files["a_pbr/unreal/T_a_N.png"])[:2] == [128, 51]


def test_height_is_high_where_depth_is_near(files):
    assert levels(files["a_pbr/blender/a_height.png"]) == levels(files["a_pbr/unreal/T_a_H.png"]) == 49151


def test_only_the_base_colour_declares_a_display_curve(files):
    declared = set()
    for name, file in files.items():
        with PIL.Image.open(file) as image:
            declared |= {name} if "srgb" in image.info else set()
            assert image.text["Source"] == "toy"
    assert declared == {"a_pbr/blender/a_basecolor.png", "a_pbr/unreal/T_a_BC.png"}


def test_albedo_in_linear_light_is_used_where_there_is_no_other(tmp_path):
    (blender, unreal) = Pbr().write(LIGHTING, tmp_path, "a")
    assert levels(blender) == levels(unreal) == [188] * 3  # linear 0.5 is sRGB 0.735357


@pytest.mark.parametrize(("maps", "count"), [(NORMALS, 2), (DEPTH, 2), (APPEARANCE, 5)])
def test_fewer_maps_give_what_they_can(tmp_path, maps, count):
    assert len(Pbr().write(maps, tmp_path, "a")) == count
