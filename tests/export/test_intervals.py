"""Ends of intervals as files."""

import numpy as np
import PIL.Image

from marigold.core.colour import srgb_to_linear
from marigold.export.base import Maps
from marigold.export.exr import Exr
from marigold.export.npy import Npy
from marigold.export.png16 import Png16
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals

RNG = np.random.default_rng(0)


def random(*shape):
    return RNG.random(shape, dtype=np.float32)


DEPTH = Maps(Depth(), {"depth": random(4, 5)}, bounds={"depth": {"lower": random(4, 5), "upper": random(4, 5)}})
NORMALS = Maps(Normals(), {"normals": random(4, 5, 3)}, bounds={"normals": {"cone": 90 * random(4, 5)}})
ALBEDO = Maps(Appearance(), {"albedo": random(4, 5, 3)}, bounds={"albedo": {"lower": random(4, 5, 3)}})


def written(format_, maps, folder):
    return {file.name for file in format_.write(maps, folder, "a")}


def test_npy_holds_them_to_the_bit(tmp_path):
    assert written(Npy(), DEPTH, tmp_path) == {"a_depth.npy", "a_depth_lower.npy", "a_depth_upper.npy"}
    assert written(Npy(), NORMALS, tmp_path) == {"a_normals.npy", "a_normals_cone.npy"}
    assert written(Npy(), ALBEDO, tmp_path) == {"a_appearance_albedo.npy", "a_appearance_albedo_lower.npy"}
    np.testing.assert_array_equal(np.load(tmp_path / "a_depth_lower.npy"), DEPTH.bounds["depth"]["lower"])


def test_png_says_what_they_mean(tmp_path):
    assert written(Png16(), DEPTH, tmp_path) == {f"a_depth{end}_16bit.png" for end in ("", "_lower", "_upper")}
    with PIL.Image.open(tmp_path / "a_depth_lower_16bit.png") as image:
        assert image.text["Title"] == "depth_lower"
        assert image.text["Description"].startswith("lower end of an interval: planar depth, 0 near to 1 far")
        read = np.asarray(image) / 65535
    np.testing.assert_allclose(read, DEPTH.bounds["depth"]["lower"], atol=1e-5)


def test_png_of_a_cone_is_in_degrees(tmp_path):
    written(Png16(), NORMALS, tmp_path)
    with PIL.Image.open(tmp_path / "a_normals_cone_16bit.png") as image:
        assert image.text["Description"] == "half the opening angle, in degrees, of a cone around the normal"
        degrees = float(image.text["Offset"]) + float(image.text["Scale"]) * np.asarray(image) / 65535
    np.testing.assert_allclose(degrees, NORMALS.bounds["normals"]["cone"], atol=1e-3)


def test_exr_has_layers_or_files_of_them(tmp_path):
    assert written(Exr(), DEPTH, tmp_path) == {"a_depth.exr"}
    content = (tmp_path / "a_depth.exr").read_bytes()
    assert b"depth_lower.Z\0" in content and b"depth_upper.Z\0" in content
    flat = {"a_appearance_albedo.exr", "a_appearance_albedo_lower.exr"}
    assert written(Exr("flat"), ALBEDO, tmp_path) == flat
    assert written(Exr("flat"), NORMALS, tmp_path) == {"a_normals.exr", "a_normals_cone.exr"}


def test_ends_of_what_is_shown_in_srgb_are_in_linear_light_in_exr():
    from marigold.export.exr import _layers

    (_, (name, label, values, letters, meaning)) = _layers(ALBEDO)
    assert (name, label, letters) == ("albedo_lower", "appearance_albedo_lower", "RGB")
    assert meaning == "lower end of an interval: linear values"
    np.testing.assert_allclose(values, srgb_to_linear(ALBEDO.bounds["albedo"]["lower"]))
