"""16-bit PNG: levels by hand, and values recovered from what the file says of itself."""

import imagecodecs
import numpy as np
import PIL.Image

from marigold.export.base import Maps
from marigold.export.png16 import Png16, levels
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals


def recovered(file):
    """Values by offset and scale in the file's own words."""
    with PIL.Image.open(file) as image:
        words = image.text
    share = imagecodecs.png_decode(file.read_bytes()) / 65535
    return float(words["Offset"]) + float(words["Scale"]) * share, words


def test_levels_are_rounded_and_clipped():
    values = np.array([[-1.0, 0.0, 1 / 65535, 0.5, 1.0, 2.0]], np.float32)
    assert levels(values).tolist() == [[0, 0, 1, 32768, 65535, 65535]]
    assert levels(np.array([-1.0, 0.0, 1.0], np.float32), -1.0, 2.0).tolist() == [0, 32768, 65535]


def test_depth_is_grey_from_0_to_65535(tmp_path):
    depth = np.array([[0.0, 0.25, 0.5], [0.75, 1.0, 1 / 3]], np.float32)
    (file,) = Png16().write(Maps(Depth(), {"depth": depth}, facts={"Source": "toy"}), tmp_path, "a")
    assert file.name == "a_depth_16bit.png"
    with PIL.Image.open(file) as image:
        assert np.asarray(image).tolist() == [[0, 16384, 32768], [49151, 65535, 21845]]
        assert image.text["Source"] == "toy" and image.text["Title"] == "depth"
        assert image.text["Description"].startswith("planar depth, 0 near to 1 far")
        assert "gamma" not in image.info and "srgb" not in image.info  # numbers, no colours


def test_normals_come_back_by_their_own_offset_and_scale(tmp_path):
    normals = np.random.default_rng(0).normal(size=(9, 8, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    (file,) = Png16().write(Maps(Normals(), {"normals": normals}), tmp_path, "a")
    values, words = recovered(file)
    assert (words["Offset"], words["Scale"]) == ("-1", "2")
    assert np.abs(values - normals).max() < 1.1 / 65535


def test_light_beyond_one_states_its_scale_and_that_it_is_linear(tmp_path):
    random = np.random.default_rng(0)
    values = {name: random.random((9, 8, 3), np.float32) for name in Lighting.outputs}
    values["shading"] *= 7.5
    albedo, shading, residual = Png16().write(Maps(Lighting(), values), tmp_path, "a")
    found, words = recovered(shading)
    assert np.abs(found - values["shading"]).max() < 7.5 / 65535
    assert float(words["Scale"]) == np.float32(values["shading"].max())
    for file in (albedo, residual):
        assert recovered(file)[1]["Scale"] == "1"
        with PIL.Image.open(file) as image:
            assert image.info["gamma"] == 1.0


def test_albedo_of_appearance_declares_srgb_and_materials_nothing(tmp_path):
    values = {"albedo": np.full((9, 8, 3), 0.5, np.float32)}
    values |= {name: np.full((9, 8), 0.5, np.float32) for name in ("roughness", "metallicity")}
    albedo, roughness, metallicity = Png16().write(Maps(Appearance(), values), tmp_path, "a")
    with PIL.Image.open(albedo) as image:
        assert image.info["srgb"] == 0
    for file in (roughness, metallicity):
        with PIL.Image.open(file) as image:
            assert image.mode == "I;16" and "srgb" not in image.info and "gamma" not in image.info
