"""A prediction's files, and that a stop in the middle leaves no half of one."""

import json
import os

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import ConfigError, OutputError, UnknownNameError
from marigold.export.npy import Npy
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.predict.prediction import Prediction
from marigold.predict.predictor import Predictor
from toys.identity import identity_estimator

DEPTH = np.array([[0.0, 0.25, 0.5], [0.75, 1.0, 1 / 3]], np.float32)


def test_depth_is_saved_as_values_grey_picture_colours_and_report(tmp_path):
    files = Prediction({"depth": DEPTH}, None, Depth(), report={"seed": 1}).save(tmp_path / "out", "a.b")
    names = ["a.b_depth.npy", "a.b_depth_16bit.png", "a.b_depth_colored.png", "a.b_depth.json"]
    assert [file.name for file in files] == names and sorted(os.listdir(tmp_path / "out")) == sorted(names)
    values = np.load(files[0])
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, DEPTH)
    with PIL.Image.open(files[1]) as grey:
        assert np.asarray(grey).tolist() == [[0, 16384, 32768], [49151, 65535, 21845]]
    with PIL.Image.open(files[2]) as colours:
        assert colours.mode == "RGB" and colours.getpixel((0, 0)) == (158, 1, 66)  # near is red
    report = json.loads(files[3].read_text())
    assert report["seed"] == 1 and report["files"] == names and report["seconds"]["write"] > 0


def test_uncertainty_is_saved_with_the_value_that_is_white(tmp_path):
    uncertainty = np.linspace(0, 0.2, 6, dtype=np.float32).reshape(2, 3)
    files = Prediction({"depth": DEPTH}, uncertainty, Depth(), name="p").save(tmp_path)
    assert {"p_depth_uncertainty.npy", "p_depth_uncertainty.png"} <= {file.name for file in files}
    np.testing.assert_array_equal(np.load(tmp_path / "p_depth_uncertainty.npy"), uncertainty)
    with PIL.Image.open(tmp_path / "p_depth_uncertainty.png") as grey:
        assert np.asarray(grey).ravel().tolist() == [0, 54, 107, 161, 215, 255]  # k * 0.04 / 0.19 * 255
    white = json.loads((tmp_path / "p_depth.json").read_text())["uncertainty_white"]
    assert white == pytest.approx(0.19, abs=1e-6)


def test_no_uncertainty_anywhere_is_black(tmp_path):
    Prediction({"depth": DEPTH}, np.zeros_like(DEPTH), Depth(), name="p").save(tmp_path)
    with PIL.Image.open(tmp_path / "p_depth_uncertainty.png") as grey:
        assert np.asarray(grey).max() == 0


def test_only_the_formats_asked_for_are_written(tmp_path):
    normals = np.full((4, 5, 3), [0, 0, 1], np.float32)
    made = Prediction({"normals": normals}, None, Normals(), name="p")
    assert [file.name for file in made.save(tmp_path, formats="npy")] == ["p_normals.npy", "p_normals.json"]
    shown = made.save(tmp_path, formats=["preview", Npy()])
    assert [file.name for file in shown] == ["p_normals_colored.png", "p_normals.npy", "p_normals.json"]


def test_an_unknown_format_names_the_nearest(tmp_path):
    with pytest.raises(UnknownNameError, match="no format named `nyp`; did you mean `npy`"):
        Prediction({"depth": DEPTH}, None, Depth()).save(tmp_path, formats="png16,nyp")


@pytest.mark.parametrize(
    ("formats", "odd"), [(["npy", 3], "3"), ([None], "None"), (3, "3"), (Npy(), r"Npy\(\)"), ([Npy], "<class .*Npy'>")]
)
def test_what_is_neither_a_format_nor_the_name_of_one_is_refused_before_anything_is_written(tmp_path, formats, odd):
    with pytest.raises(
        ConfigError, match=f"formats: {odd} cannot be used; give a sequence of names and formats, such as"
    ):
        Prediction({"depth": DEPTH}, None, Depth()).save(tmp_path / "out", formats=formats)
    assert not (tmp_path / "out").exists()


def test_a_format_that_holds_nothing_of_the_modality_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="normal_map` holds nothing of depth"):
        Prediction({"depth": DEPTH}, None, Depth()).save(tmp_path, formats="normal_map")


def test_a_format_that_fails_is_named(tmp_path):
    class Broken(Npy):
        def write(self, maps, folder, stem):
            raise ZeroDivisionError("by nothing")

    message = r"format `.*test_write` cannot hold its maps \(ZeroDivisionError: by nothing\); leave it out"
    with pytest.raises(OutputError, match=message):
        Prediction({"depth": DEPTH}, None, Depth()).save(tmp_path, formats=[Broken()])


def test_the_albedos_of_two_modalities_do_not_overwrite_each_other(tmp_path):
    grey, white = np.full((4, 5), 0.5, np.float32), np.ones((4, 5, 3), np.float32)
    surface = Prediction({"albedo": white, "roughness": grey, "metallicity": grey}, None, Appearance(), name="p")
    light = Prediction({"albedo": white / 2, "shading": white, "residual": white}, None, Lighting(), name="p")
    files = [file for made in (surface, light) for file in made.save(tmp_path, formats="npy")]
    assert {"p_appearance_albedo.npy", "p_lighting_albedo.npy"} <= {file.name for file in files}
    assert len({file.name for file in files}) == len(files)


def test_an_earlier_result_stays_whole_until_all_of_the_next_one_is(tmp_path, monkeypatch):
    made = Prediction({"depth": DEPTH}, None, Depth(), name="p")
    made.save(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.save(tmp_path, formats="png16,npy")
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def renames(monkeypatch, most):
    """Lets a process rename so many files, and interrupts it then."""
    replace, count = os.replace, iter(range(most))

    def interrupted(source, target):
        if next(count, None) is None:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)


@pytest.mark.parametrize("most", range(8))
@pytest.mark.parametrize("earlier", ["png16,glb", None])
def test_an_interrupt_leaves_whole_files_that_are_listed_and_no_report_that_says_complete(
    tmp_path, monkeypatch, most, earlier
):
    made = Prediction({"depth": DEPTH}, None, Depth(), name="p")
    if earlier:
        made.save(tmp_path, formats=earlier)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        renames(patch, most)
        made.save(tmp_path)
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]
    there = set(os.listdir(tmp_path))
    report = json.loads((tmp_path / "p_depth.json").read_text()) if there else {"files": []}
    assert there <= set(report["files"]) and ("unfinished" in report) is (most > 3)
    made.save(tmp_path)
    last = ["p_depth.json", "p_depth.npy", "p_depth_16bit.png", "p_depth_colored.png"]
    assert sorted(os.listdir(tmp_path)) == last
    np.testing.assert_array_equal(np.load(tmp_path / "p_depth.npy"), DEPTH)


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        Predictor(identity_estimator()).predict(np.zeros((9, 9), np.uint8)).save(tmp_path / "file")
