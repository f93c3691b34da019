"""Runs over many photos: what one that cannot be used does, what is logged and shown, what ends a run."""

import io
import json
import os
import re
import sys

import numpy as np
import PIL.Image
import pytest
import torch

from marigold.core.errors import ConfigError, OutputError
from marigold.export.glb import Glb
from marigold.export.npy import Npy
from marigold.folders import threads
from marigold.folders.batch import predict_photos
from marigold.predict.settings import Request
from toys.runs import both, identity, photo, run


def test_photos_of_one_name_do_not_overwrite_each_other(tmp_path):
    photos = [photo(tmp_path / "a.png", 0), photo(tmp_path / "a.bmp", 255)]
    outcome = predict_photos(identity(), photos, Request(), tmp_path / "out")
    assert outcome.done == 2 and len(os.listdir(tmp_path / "out")) == 8
    assert np.load(tmp_path / "out" / "a_png_depth.npy").max() == 0
    assert np.load(tmp_path / "out" / "a_bmp_depth.npy").min() == 1


def test_results_of_another_photo_of_that_name_are_replaced_with_a_note(tmp_path, capsys):
    for folder, level in (("x", 0), ("y", 255)):
        (tmp_path / folder).mkdir()
        run([photo(tmp_path / folder / "a.png", level)], tmp_path / "out", both())
    first, second = capsys.readouterr().out.splitlines()
    note = (
        "replaces results of another photo of this name, or of this one before it changed; another --output keeps both"
    )
    assert second.endswith(f" ({note})") and note not in first
    for report in ("a_depth", "a_normals"):
        assert note in json.loads((tmp_path / "out" / f"{report}.json").read_text())["notes"]


@pytest.mark.parametrize("change", [{"overwrite": True}, {"formats": "npy"}, {"request": Request(seed=1)}])
def test_results_of_the_same_photo_are_replaced_without_a_note(tmp_path, change, capsys):
    photos = [photo(tmp_path / "a.png", 9)]
    run(photos, tmp_path / "out")
    run(photos, tmp_path / "out", **change)
    assert "replaces" not in capsys.readouterr().out


def test_how_a_photo_was_read_is_told_in_its_line_and_its_reports(tmp_path, capsys):
    PIL.Image.fromarray(np.full((16, 24), 4095, np.uint16)).save(tmp_path / "a.png")
    predict_photos(identity(), [tmp_path / "a.png"], Request(), tmp_path / "out")
    assert "end at 4095 of 65535" in capsys.readouterr().out
    assert "end at 4095 of 65535" in (tmp_path / "out" / "a_depth.json").read_text()


def test_bad_photos_are_listed_and_the_good_ones_finished(tmp_path, capsys):
    (tmp_path / "bad.jpg").write_text("no photo")
    photos = [tmp_path / "bad.jpg", photo(tmp_path / "good.png", 9), tmp_path / "missing.jpg"]
    outcome = predict_photos(identity(), photos, Request(), tmp_path / "out")
    assert outcome.done == 1 and (tmp_path / "out" / "good_depth.npy").exists()
    assert "bad.jpg: not an image" in outcome.failures[0] and "missing.jpg: no such" in outcome.failures[1]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{photos[0]}: failed: not an image that can be read (JPEG, PNG, ")
    assert lines[2] == f"{photos[2]}: failed: no such file" and "good.png: 24 x 16, " in lines[1]
    assert lines[1].endswith(os.path.join("out", "good_depth_colored.png"))


def test_a_photo_whose_surface_is_cut_away_whole_leaves_the_others_alone(tmp_path):
    photos = [tmp_path / "steep.png", photo(tmp_path / "flat.png", 9)]
    PIL.Image.fromarray(np.tile(np.uint8([0, 255]), (16, 12))).save(photos[0])  # every triangle spans all of the depth
    formats = [Npy(), Glb(near=0.1, far=1000, cut=45)]
    outcome = predict_photos(identity(), photos, Request(), tmp_path / "out", formats=formats)
    assert outcome.done == 1 and (tmp_path / "out" / "flat_depth.glb").exists()
    assert "steep.png: cut: all of `depth` is seen flatter than 45 degrees" in outcome.failures[0]
    assert not (tmp_path / "out" / "steep_depth.json").exists()


def test_a_photo_with_a_name_too_long_for_results_leaves_the_others_alone(tmp_path):
    photos = [photo(tmp_path / f"{'x' * 245}.png", 0), photo(tmp_path / "short.png", 9)]
    outcome = predict_photos(identity(), photos, Request(), tmp_path / "out")
    assert outcome.done == 1 and (tmp_path / "out" / "short_depth.npy").exists()
    assert outcome.failures[0].endswith("xxx.png: its name is too long for the names of its results; rename it")


@pytest.mark.parametrize("own", ["a_depth_colored.png", "a_Depth_16bit.PNG", "a_all.jpg"])
def test_a_photo_of_the_run_is_not_replaced_by_the_result_of_another(tmp_path, own):
    photos = [photo(tmp_path / "a.png", 10), photo(tmp_path / own, 20), photo(tmp_path / "b.png", 30)]
    before = photos[1].read_bytes()
    outcome = run(photos, tmp_path, both())
    assert outcome.done == 2 and photos[1].read_bytes() == before
    (failure,) = outcome.failures
    assert failure == f"{photos[0]}: its result {photos[1]} is a photo of this run; choose another --output"
    assert not (tmp_path / "a_depth.npy").exists() and (tmp_path / "b_depth.json").exists()
    assert run(photos, tmp_path / "out", both()).done == 3


def test_photos_whose_names_only_resemble_those_of_results_are_no_hindrance(tmp_path):
    photos = [photo(tmp_path / f"{name}.png", 10) for name in ("a", "a_depth", "a_2", "a_depth_colored_2")]
    assert run(photos, tmp_path).done == 4


def test_a_texture_that_is_a_photo_of_the_run_is_not_replaced(tmp_path):
    (tmp_path / "a_pbr" / "blender").mkdir(parents=True)
    photos = [photo(tmp_path / "a.png", 10), photo(tmp_path / "a_pbr" / "blender" / "a_normal.png", 20)]
    outcome = run(photos, tmp_path, both(), formats="npy,pbr")
    assert outcome.done == 1 and "a_normal.png is a photo of this run" in outcome.failures[0]


def test_a_photo_s_map_does_not_depend_on_what_ran_before_it(tmp_path):
    photos = [photo(tmp_path / "a.png", 50), photo(tmp_path / "b.png", 90)]
    predictor = identity(leak=0.1)
    predict_photos(predictor, photos, Request(seed=2), tmp_path / "both")
    predict_photos(predictor, photos[1:], Request(seed=2), tmp_path / "one")
    together, alone = (np.load(tmp_path / run / "b_depth.npy") for run in ("both", "one"))
    np.testing.assert_array_equal(together, alone)


def test_an_output_that_cannot_be_written_ends_the_run(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be written"):
        predict_photos(identity(), [photo(tmp_path / "a.png", 0)], Request(), tmp_path / "file")


def test_every_photo_has_a_line_in_the_log(tmp_path):
    (tmp_path / "bad.jpg").write_text("no photo")
    photos = [photo(tmp_path / "a.png", 9), tmp_path / "bad.jpg", photo(tmp_path / "b.png", 9)]
    run(photos[:1], tmp_path / "out")
    run(photos, tmp_path / "out", log=tmp_path / "log.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(line["photo"], line["status"]) for line in lines] == list(
        zip(map(str, photos), ["skipped", "failed", "done"], strict=True)
    )
    skipped, failed, done = lines
    assert "not an image" in failed["error"] and failed["files"] == [] and done["error"] is None
    assert done["files"] == ["b_depth.npy", "b_depth_16bit.png", "b_depth_colored.png", "b_depth.json"]
    assert list(done["stages"]) == ["read", "predict", "write"] and list(skipped["stages"]) == ["read"]
    assert done["seconds"] == pytest.approx(sum(done["stages"].values()), abs=0.003) and skipped["files"] == []


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 4e15")],
    ids=["device", "computer"],
)
def test_a_photo_too_large_for_the_memory_is_noted_and_the_others_are_finished(tmp_path, error):
    photos = [photo(tmp_path / f"{name}.png", 9) for name in "abc"]
    predictors = identity()
    (predictor,) = predictors.predictors.values()
    sample = predictor.estimator.sample
    calls = []

    def cramped(*arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise error
        return sample(*arguments, **options)

    predictor.estimator.sample = cramped
    outcome = run(photos, tmp_path / "out", predictors)
    assert outcome.done == 2
    (failure,) = outcome.failures
    assert failure.startswith(f"{photos[1]}: resolution: 24 x 16 pixels do not fit into cpu; choose")


def test_settings_that_do_not_work_end_the_run(tmp_path):
    photos = [photo(tmp_path / f"{name}.png", 9) for name in "abc"]
    with pytest.raises(ConfigError, match="steps: 5000 is not between 1 and 1000"):
        run(photos, tmp_path / "out", request=Request(steps=5000))


def test_settings_that_do_not_suit_one_photo_leave_out_that_photo(tmp_path):
    photos = [photo(tmp_path / f"{name}.png", 9) for name in "abc"]
    predictors = identity()
    predict, calls = predictors.predict, []

    def picky(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise ConfigError("compat: 24 x 16 pixels hold no latent cell; choose more")
        return predict(*arguments)

    predictors.predict = picky
    outcome = run(photos, tmp_path / "out", predictors)
    assert outcome.done == 2 and outcome.failures == [
        f"{photos[1]}: compat: 24 x 16 pixels hold no latent cell; choose more"
    ]


def test_a_full_disk_ends_the_run(tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "_cores", lambda: 1)  # one photo is written at a time
    photos = [photo(tmp_path / f"{number:02}.png", 9) for number in range(20)]
    predictors = identity()
    (predictor,) = predictors.predictors.values()
    save = np.save

    def full(file, values, **options):
        if len(list((tmp_path / "out").glob("*.json"))) == 2:
            raise OSError(28, "No space left on device")
        save(file, values, **options)

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OutputError, match=r"02_depth.npy: cannot be written \(no space left on device\)"):
        run(photos, tmp_path / "out", predictors)
    assert predictor.estimator.backbone.photos < 8
    assert not list((tmp_path / "out").glob(".*"))


def test_a_format_that_no_modality_fills_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(ConfigError, match="normal_map` holds nothing of depth"):
        run([tmp_path / "missing.png"], tmp_path / "out", formats="normal_map")


def test_a_terminal_shows_how_many_are_done_the_rate_and_the_time_left(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    run([photo(tmp_path / f"{name}.png", 9) for name in "abc"], tmp_path / "out")
    assert re.search(r"3/3 \[\d\d:\d\d<\d\d:\d\d, .*photo", terminal.getvalue())
