"""OpenEXR files, read back by the OpenEXR library itself."""

import numpy as np
import OpenEXR
import pytest

from marigold.core.errors import ConfigError, OutputError
from marigold.export._openexr import write_openexr
from marigold.export.base import Maps
from marigold.export.exr import Exr
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals


def opened(file):
    """Channels by name, and the header."""
    with OpenEXR.File(str(file), separate_channels=True) as exr:
        return {name: channel.pixels for name, channel in exr.channels().items()}, dict(exr.header())


def random(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.mark.parametrize("size", [(1, 1), (15, 3), (16, 40), (17, 33), (100, 7)])
@pytest.mark.parametrize("kind", ["noise", "ramp", "flat"])
def test_every_number_comes_back_to_the_bit(tmp_path, size, kind):
    height, width = size
    ramp = np.linspace(-3, 1e6, height * width, dtype=np.float32).reshape(size)
    values = {"noise": random(height, width), "ramp": ramp, "flat": np.zeros(size, np.float32)}[kind]
    write_openexr(tmp_path / "a.exr", {"a.V": values, "b.V": -values}, {"comments": "two"})
    channels, header = opened(tmp_path / "a.exr")
    np.testing.assert_array_equal(channels["a.V"], values)
    np.testing.assert_array_equal(channels["b.V"], -values)
    assert channels["a.V"].dtype == np.float32 and header["comments"] == "two"
    assert header["dataWindow"][1].tolist() == [width - 1, height - 1]


def test_numbers_that_are_not_finite_come_back(tmp_path):
    values = np.array([[np.nan, np.inf, -np.inf, 1e-42]], np.float32)
    write_openexr(tmp_path / "a.exr", {"V": values}, {})
    np.testing.assert_array_equal(opened(tmp_path / "a.exr")[0]["V"], values)


def test_long_names_and_words_of_any_language_are_held(tmp_path):
    name = "a_layer_with_a_name_that_is_longer_than_most.R"
    write_openexr(tmp_path / "a.exr", {name: random(3, 4)}, {"owner": "Zoë 深度"})
    channels, header = opened(tmp_path / "a.exr")
    assert list(channels) == [name] and header["owner"] == "Zoë 深度"


def test_names_and_words_of_every_kind_leave_a_file_that_can_be_read(tmp_path):
    words = {"owner": "zo\udce9", "größe": "ja", "compression": "not the header's own", "深度": "\x1b", "empty": ""}
    write_openexr(tmp_path / "a.exr", {"größe.V": random(3, 4), "B": random(3, 4)}, words)
    channels, header = opened(tmp_path / "a.exr")
    assert list(channels) == ["B", "größe.V"]
    assert header["owner"] == r"zo\udce9" and header["größe"] == "ja" and header["深度"] == "\x1b"
    assert header["compression"] == OpenEXR.ZIP_COMPRESSION


def test_smooth_maps_are_compressed(tmp_path):
    steps = np.round(np.linspace(0, 1, 40_000, dtype=np.float32), 2).reshape(200, 200)
    write_openexr(tmp_path / "a.exr", {"Z": steps}, {})
    assert (tmp_path / "a.exr").stat().st_size < steps.nbytes / 4


def test_depth_is_in_z_and_says_what_it_means(tmp_path):
    depth, uncertainty = random(20, 30), 0.1 * random(20, 30)
    (file,) = Exr().write(Maps(Depth(), {"depth": depth}, uncertainty, facts={"Source": "toy"}), tmp_path, "a")
    channels, header = opened(file)
    assert file.name == "a_depth.exr" and list(channels) == ["depth.Z", "uncertainty.V"]
    np.testing.assert_array_equal(channels["depth.Z"], depth)
    np.testing.assert_array_equal(channels["uncertainty.V"], uncertainty)
    assert header["depth"].startswith("planar depth, 0 near to 1 far") and header["Source"] == "toy"


def test_normals_are_x_y_z(tmp_path):
    normals = random(20, 30, 3)
    (file,) = Exr().write(Maps(Normals(), {"normals": normals}), tmp_path, "a")
    channels, header = opened(file)
    assert list(channels) == ["normals.X", "normals.Y", "normals.Z"]
    np.testing.assert_array_equal(np.stack(list(channels.values()), axis=-1), normals)
    assert "y up" in header["normals"]


def test_albedo_in_srgb_becomes_linear_light(tmp_path):
    albedo = np.full((4, 5, 3), [0.0, 0.5, 1.0], np.float32)
    values = {"albedo": albedo, "roughness": random(4, 5), "metallicity": random(4, 5)}
    (file,) = Exr().write(Maps(Appearance(), values), tmp_path, "a")
    channels, _ = opened(file)
    assert list(channels) == ["albedo.B", "albedo.G", "albedo.R", "metallicity.V", "roughness.V"]
    linear = {"R": 0.0, "G": 0.2140411, "B": 1.0}  # IEC 61966-2-1
    for letter, expected in linear.items():
        assert channels[f"albedo.{letter}"] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_array_equal(channels["roughness.V"], values["roughness"])


def test_flat_files_hold_one_map_each_in_plain_channels(tmp_path):
    normals, depth, values = random(4, 5, 3), random(4, 5), {"albedo": random(4, 5, 3), "roughness": random(4, 5)}
    (one, doubt) = Exr("flat").write(Maps(Depth(), {"depth": depth}, depth / 3, facts={"Source": "toy"}), tmp_path, "a")
    (two,) = Exr("flat").write(Maps(Normals(), {"normals": normals}), tmp_path, "a")
    three = Exr("flat").write(Maps(Appearance(), values), tmp_path, "a")
    assert [one.name, doubt.name, two.name] == ["a_depth.exr", "a_depth_uncertainty.exr", "a_normals.exr"]
    assert [file.name for file in three] == ["a_appearance_albedo.exr", "a_appearance_roughness.exr"]
    found, header = opened(one)
    np.testing.assert_array_equal(found["Y"], depth)
    assert list(found) == ["Y"] and header["depth"].startswith("planar depth") and header["Source"] == "toy"
    np.testing.assert_array_equal(opened(doubt)[0]["Y"], depth / 3)
    with OpenEXR.File(str(two)) as exr:
        np.testing.assert_array_equal(exr.channels()["RGB"].pixels, normals)
    assert [list(opened(file)[0]) for file in three] == [["B", "G", "R"], ["Y"]]


def test_a_map_of_any_number_of_channels_has_a_flat_file(tmp_path):
    (file,) = Exr("flat").write(Maps(Appearance(), {"albedo": random(4, 5, 2)}), tmp_path, "a")
    assert list(opened(file)[0]) == ["0", "1"]


def test_an_unknown_layout_names_the_nearest():
    with pytest.raises(ConfigError, match="exr_layout: no layout named `flatt`; did you mean `flat`"):
        Exr("flatt")


def test_light_stays_as_it_is(tmp_path):
    values = {name: 5 * random(4, 5, 3) for name in Lighting.outputs}
    (file,) = Exr().write(Maps(Lighting(), values), tmp_path, "a")
    channels, _ = opened(file)
    assert len(channels) == 9
    np.testing.assert_array_equal(channels["shading.G"], values["shading"][..., 1])


def test_a_file_that_cannot_be_written_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        write_openexr(tmp_path / "nowhere" / "a.exr", {"V": random(2, 2)}, {})
