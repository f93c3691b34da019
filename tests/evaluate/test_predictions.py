"""Predictions in files: by which names they are found, and what their numbers mean."""

from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError, DataError, MissingPredictionError
from marigold.evaluate.predictions import PredictionFolder
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from toys.measured import HEIGHT, KEYS, WIDTH, Measured

SAMPLE = Measured().read(Path(), KEYS[0])
MAP = np.arange(HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)


def save(file, array):
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".png":
        file.write_bytes(imagecodecs.png_encode(array))
    else:
        np.save(file, array)


@pytest.mark.parametrize(
    "name",
    [
        *("room/000_depth.npy", "room/000.npy", "000_depth.npy", "000.npy", "depth/000.npy", "depth/room/000.npy"),
        *("room/pred_000.npy", "pred_000.npy"),
    ],
)
def test_usual_names_are_found(tmp_path, name):
    save(tmp_path / name, MAP)
    assert torch.equal(PredictionFolder(tmp_path, Depth()).answer(SAMPLE).values[0], torch.from_numpy(MAP))


def test_the_published_code_s_name_is_found(tmp_path):
    """It calls the prediction of `rgb_0045.png` `pred_0045.npy`."""
    save(tmp_path / "test" / "bath" / "pred_0045.npy", MAP)
    sample = replace(SAMPLE, key="test/bath/rgb_0045.png")
    assert PredictionFolder(tmp_path, Depth()).answer(sample).values[0, 0, 1] == 1


def test_a_pattern_says_where_they_are(tmp_path):
    save(tmp_path / "out" / "room" / "z-000.npy", MAP)
    found = PredictionFolder(tmp_path, Depth(), pattern="out/{folder}/z-{name}.npy").answer(SAMPLE)
    assert found.values[0, 0, 3] == 3


def test_pictures_of_16_bits_are_shares_of_their_range(tmp_path):
    save(tmp_path / "room" / "000.png", np.full((HEIGHT, WIDTH), 13107, np.uint16))
    assert PredictionFolder(tmp_path, Depth()).answer(SAMPLE).values[0, 0, 0] == pytest.approx(0.2)


def test_pictures_of_normals_reach_from_minus_one_to_one(tmp_path):
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint16)
    picture[..., 2] = 65535
    save(tmp_path / "room" / "000.png", picture)
    assert PredictionFolder(tmp_path, Normals()).answer(SAMPLE).values[:, 0, 0].tolist() == [-1, -1, 1]


def test_each_map_has_its_file(tmp_path):
    for name, value, shape in (("albedo", 0.5, (HEIGHT, WIDTH, 3)), ("roughness", 0.2, (HEIGHT, WIDTH))):
        save(tmp_path / "room" / f"000_{name}.npy", np.full(shape, value, np.float32))
    with pytest.raises(MissingPredictionError, match=r"room/000.png: no prediction of metallicity"):
        PredictionFolder(tmp_path, Appearance()).answer(SAMPLE)
    save(tmp_path / "room" / "000_metallicity.npy", np.ones((HEIGHT, WIDTH), np.float32))
    found = PredictionFolder(tmp_path, Appearance()).answer(SAMPLE).values[:, 5, 5]
    torch.testing.assert_close(found, torch.tensor([0.5, 0.5, 0.5, 0.2, 1.0]))


def test_a_missing_file_says_what_it_would_be_called(tmp_path):
    with pytest.raises(MissingPredictionError, match=r"such as room/000_depth.npy; write it, or give --pattern"):
        PredictionFolder(tmp_path, Depth()).answer(SAMPLE)


def test_a_prediction_of_another_size_is_refused(tmp_path):
    save(tmp_path / "room" / "000.npy", MAP[:5])
    with pytest.raises(DataError, match=r"room/000.png: depth of .* is \[5, 16\]; give \[12, 16\]"):
        PredictionFolder(tmp_path, Depth()).answer(SAMPLE)


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "000.npy").write_bytes(b"\x93NUMPY nonsense")
    with pytest.raises(DataError, match=r"000.npy: damaged"):
        PredictionFolder(tmp_path, Depth()).answer(SAMPLE)


@pytest.mark.parametrize("key", ["../secret", "/etc/secret", "a/../../secret", ""])
def test_no_key_leads_out_of_the_folder(tmp_path, key):
    save(tmp_path / "secret.npy", MAP)
    (tmp_path / "inside").mkdir()
    with pytest.raises(DataError):
        PredictionFolder(tmp_path / "inside", Depth(), pattern="{key}.npy").answer(replace(SAMPLE, key=key))


@pytest.mark.parametrize(
    ("pattern", "modality", "complaint"),
    [
        ("{nothing}.npy", Depth(), "no place `nothing`; there are: {key}"),
        ("depth.npy", Depth(), "one file for all samples"),
        ("{key}.npy", Appearance(), "one file for 3 maps"),
        ("../{key}.npy", Depth(), "leads out of the folder"),
        ("/{key}.npy", Depth(), "leads out of the folder"),
    ],
)
def test_patterns_that_cannot_work_are_refused_before_the_first_photo(tmp_path, pattern, modality, complaint):
    with pytest.raises(ConfigError, match=complaint):
        PredictionFolder(tmp_path, modality, pattern=pattern)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder; give --predictions"):
        PredictionFolder(tmp_path / "nowhere", Depth())


def test_one_file_is_not_the_prediction_of_two_samples(tmp_path):
    save(tmp_path / "rgb_1.npy", MAP)
    save(tmp_path / "a" / "rgb_2.npy", MAP)
    folder = PredictionFolder(tmp_path, Depth())
    folder.check(["a/rgb_1.png", "a/rgb_2.png", "b/rgb_3.png"])
    with pytest.raises(DataError, match=r"rgb_1.npy: is the prediction of a/rgb_1.png and of b/rgb_1.png; write one"):
        folder.check(["a/rgb_1.png", "b/rgb_1.png"])


def test_a_name_that_is_too_long_for_a_file_is_no_prediction(tmp_path):
    with pytest.raises(MissingPredictionError, match="no prediction of depth"):
        PredictionFolder(tmp_path, Depth()).answer(replace(SAMPLE, key="x" * 300))


def exr(file, channels):
    import OpenEXR

    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = {name: np.full((HEIGHT, WIDTH), value, np.float32) for name, value in channels.items()}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, pixels).write(str(file))


@pytest.mark.parametrize(
    "names",
    ["RGB", "XYZ", "rgb", "RGBA", ("normals.X", "normals.Y", "normals.Z", "uncertainty.V")],
)
def test_channels_of_openexr_are_taken_in_the_order_of_the_map(tmp_path, names):
    """A file holds them in alphabetical order: B, G, R."""
    exr(tmp_path / "room" / "000_normals.exr", dict(zip(names, (0.6, 0.0, 0.8, 1.0), strict=False)))
    found = PredictionFolder(tmp_path, Normals()).answer(SAMPLE).values[:, 0, 0]
    assert found.tolist() == pytest.approx([0.6, 0.0, 0.8])


@pytest.mark.parametrize("names", [("depth.Z", "uncertainty.V"), ("Z", "ZBack"), ("anything",)])
def test_depth_is_found_among_the_channels_of_openexr(tmp_path, names):
    exr(tmp_path / "room" / "000_depth.exr", dict(zip(names, (0.25, 0.5), strict=False)))
    assert PredictionFolder(tmp_path, Depth()).answer(SAMPLE).values[0, 0, 0] == 0.25


LAYERS = {"albedo.R": 0.5, "albedo.G": 0.25, "albedo.B": 0.0, "roughness.V": 0.3, "metallicity.V": 0.7}


def test_the_maps_of_a_modality_may_be_layers_of_one_file_in_linear_light(tmp_path):
    """As `marigold predict --format exr` writes it. The sRGB curve at 0.5 is 0.735357, at 0.25 0.537099."""
    exr(tmp_path / "room" / "000_appearance.exr", LAYERS)
    found = PredictionFolder(tmp_path, Appearance()).answer(SAMPLE).values[:, 0, 0]
    assert found.tolist() == pytest.approx([0.735357, 0.537099, 0.0, 0.3, 0.7], abs=1e-5)


def test_one_picture_is_not_taken_for_all_maps(tmp_path):
    exr(tmp_path / "room" / "000_appearance.exr", {"R": 0.1, "G": 0.2, "B": 0.3})
    with pytest.raises(DataError, match=r"has no channel albedo.R, albedo.G, albedo.B, only B, G, R"):
        PredictionFolder(tmp_path, Appearance()).answer(SAMPLE)


def test_names_with_the_modality_are_found(tmp_path):
    """As `marigold predict` calls the maps of a modality that has several."""
    shapes = {"albedo": (HEIGHT, WIDTH, 3), "roughness": (HEIGHT, WIDTH), "metallicity": (HEIGHT, WIDTH)}
    for name, shape in shapes.items():
        save(tmp_path / "room" / f"000_appearance_{name}.npy", np.full(shape, 0.5, np.float32))
    assert PredictionFolder(tmp_path, Appearance()).answer(SAMPLE).values.unique().tolist() == [0.5]
