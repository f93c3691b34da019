"""Folders in batches and on several devices: the files, the order and the log are those of one photo after another."""

import json
import os
import re

import numpy as np
import PIL.Image
import pytest
import torch

from marigold.core import device
from marigold.core.errors import ConfigError, OutputError
from marigold.folders import threads
from marigold.folders.threads import WINDOW, threads_for
from marigold.modalities.depth import Depth
from marigold.predict import together as module
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor, choose
from toys.identity import identity_estimator
from toys.runs import both, identity, photo, run


def in_batches(predictors, batch=4):
    """The same predictors, whose networks take so many inputs at once."""
    return MultiPredictor(list(predictors.predictors.values()), batch)


def wide_and_tall(folder, count=9):
    """Every third photo is upright."""
    paths = []
    for number in range(count):
        size = (24, 16) if number % 3 else (16, 24)
        paths.append(folder / f"{number}.png")
        PIL.Image.new("RGB", size, (20 * number,) * 3).save(paths[-1])
    return paths


def batches_of(predictors):
    """The sizes of the batches that are sampled, as they come."""
    (predictor,) = predictors.predictors.values()
    sample, batches = predictor.estimator.sample, []
    predictor.estimator.sample = lambda condition, noise, *rest, **options: (
        batches.append(len(noise)),
        sample(condition, noise, *rest, **options),
    )[1]
    return batches


def expected_by(predictors, monkeypatch):
    """How many photos its runtimes are told to come, in a list that a run fills."""
    told = []
    for predictor in predictors.predictors.values():
        monkeypatch.setattr(predictor.runtime, "expect", told.append)
    return told


def lines_of(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("predictors", [identity, both])
def test_batches_change_no_file_but_the_seconds(tmp_path, predictors):
    photos = wide_and_tall(tmp_path)
    for name, batch in (("one", 1), ("four", 4)):
        assert run(photos, tmp_path / name, in_batches(predictors(), batch)).done == 9
    names = sorted(os.listdir(tmp_path / "one"))
    assert names == sorted(os.listdir(tmp_path / "four"))
    for name in names:
        if not name.endswith(".json"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "four" / name).read_bytes(), name


def test_photos_of_one_size_run_together_and_lines_keep_their_order(tmp_path, capsys):
    photos, predictors = wide_and_tall(tmp_path), identity()
    batches = batches_of(predictors)
    run(photos, tmp_path / "out", in_batches(predictors), log=tmp_path / "log.jsonl")
    assert batches == [3, 4, 2]  # the upright ones begin, and wait for all of theirs
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [str(path) for path in photos]
    assert [line["photo"] for line in lines_of(tmp_path / "log.jsonl")] == [str(path) for path in photos]
    assert json.loads((tmp_path / "out" / "0_depth.json").read_text())["plan"]["batch"] == 3


def test_a_run_in_batches_is_complete_for_a_run_without_them(tmp_path):
    photos = wide_and_tall(tmp_path)
    run(photos, tmp_path / "out", in_batches(identity()))
    assert run(photos, tmp_path / "out").skipped == 9


class Picky(Depth):
    """Depth that fails for a photo that is black."""

    def ensemble(self, values, reduction=None):
        if values.max() == 0:
            raise ValueError("nothing to be seen")
        return super().ensemble(values)


def test_a_photo_that_fails_in_a_batch_costs_itself_alone(tmp_path):
    (tmp_path / "bad.jpg").write_text("no photo")
    photos = [*wide_and_tall(tmp_path), tmp_path / "bad.jpg"]
    outcome = run(photos, tmp_path / "out", in_batches(identity(modality=Picky())), log=tmp_path / "log.jsonl")
    assert outcome.done == 8 and len(outcome.failures) == 2
    assert outcome.failures[0].startswith(f"{photos[0]}: ValueError: nothing to be seen; mend")
    assert "bad.jpg: not an image" in outcome.failures[1]
    assert [line["status"] for line in lines_of(tmp_path / "log.jsonl")] == ["failed", *["done"] * 8, "failed"]


def test_settings_that_do_not_work_end_a_run_in_batches(tmp_path):
    with pytest.raises(ConfigError, match="steps: 5000 is not between 1 and 1000"):
        run(wide_and_tall(tmp_path), tmp_path / "out", in_batches(identity()), Request(steps=5000))


def test_memory_that_is_full_halves_the_batch_and_costs_no_photo(tmp_path, capsys):
    photos = [photo(tmp_path / f"{number}.png", 9) for number in range(8)]
    predictors = identity()
    (predictor,) = predictors.predictors.values()
    decode = predictor.estimator.decode

    def cramped(latent):
        if len(latent) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(latent)

    predictor.estimator.decode = cramped
    assert run(photos, tmp_path / "out", in_batches(predictors)).done == 8
    lines = capsys.readouterr().out.splitlines()
    assert [re.findall(r"no memory for a batch of \d; took \d", line) for line in lines] == [
        *[["no memory for a batch of 4; took 2"]] * 4,
        *[[]] * 4,
    ]


def files_below(folder):
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def many_cores(monkeypatch):
    """Four photos are read and four written at a time."""
    monkeypatch.setattr(threads, "_cores", lambda: 16)


@pytest.mark.usefixtures("many_cores")
def test_several_threads_change_no_file_and_no_order(tmp_path, capsys):
    photos = wide_and_tall(tmp_path, 12)
    formats = "npy,png16,pbr"
    for name, overlap in (("serial", False), ("threads", True)):
        log = tmp_path / name / "log"
        assert run(photos, tmp_path / name, both(), formats=formats, overlap=overlap, log=log).done == 12
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(path) for path in photos] * 2
    assert [line["photo"] for line in lines_of(tmp_path / "threads" / "log")] == [str(path) for path in photos]
    files, others = (files_below(tmp_path / name) for name in ("serial", "threads"))
    assert files == others
    for file in (file for file in files if file.suffix in (".npy", ".png", ".jpg")):
        assert (tmp_path / "serial" / file).read_bytes() == (tmp_path / "threads" / file).read_bytes(), file
    assert run(photos, tmp_path / "threads", both(), formats=formats).skipped == 12


@pytest.mark.usefixtures("many_cores")
def test_a_full_disk_ends_a_run_with_several_threads_and_leaves_whole_results(tmp_path, monkeypatch):
    save, calls = np.save, []

    def full(file, values, **options):
        calls.append(1)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")
        save(file, values, **options)

    monkeypatch.setattr(np, "save", full)
    photos = wide_and_tall(tmp_path, 30)
    with pytest.raises(OutputError, match=r"cannot be written \(no space left on device\)"):
        run(photos, tmp_path / "out", log=tmp_path / "log.jsonl")
    assert not list((tmp_path / "out").glob(".*"))
    reports = [json.loads(report.read_text()) for report in (tmp_path / "out").glob("*.json")]
    assert len(reports) == 6 and all((tmp_path / "out" / file).is_file() for one in reports for file in one["files"])
    assert len(lines_of(tmp_path / "log.jsonl")) == 6


@pytest.fixture
def devices(monkeypatch):
    """Two devices, of which each loads a predictor of its own."""
    loaded = []

    def load(folder, **how):
        loaded.append(Predictor(identity_estimator(leak=0.1)))
        return loaded[-1]

    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(module, "devices_of", lambda name: ["cpu", "cpu"] if name == "all" else [name])
    return loaded


def test_all_devices_share_a_folder_and_the_files_are_those_of_one(tmp_path, devices, capsys):
    photos = wide_and_tall(tmp_path, 24)
    request = Request(seed=3)
    assert run(photos, tmp_path / "one", choose("depth", device="cpu"), request).done == 24
    capsys.readouterr()
    assert run(photos, tmp_path / "all", choose("depth", device="all"), request, log=tmp_path / "log.jsonl").done == 24
    assert len(devices) == 3 and sum(one.estimator.backbone.photos for one in devices[1:]) == 24
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [str(path) for path in photos]
    assert [line["photo"] for line in lines_of(tmp_path / "log.jsonl")] == [str(path) for path in photos]
    for name in (f"{number}_depth.npy" for number in range(24)):
        np.testing.assert_array_equal(np.load(tmp_path / "one" / name), np.load(tmp_path / "all" / name))


def test_all_devices_are_no_device_where_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="`all` stands for every GPU, and this machine shows none; use auto or cpu"):
        choose("depth", device="all")


def test_all_devices_are_the_gpus_of_the_machine(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert device.devices_of("all") == ["cuda:0", "cuda:1", "cuda:2"]
    assert device.devices_of("cuda:1") == ["cuda:1"]


@pytest.mark.parametrize(
    ("cores", "on_cpu", "batch", "expected"),
    [
        (2, True, None, (1, 1, 2)),
        (16, True, None, (4, 4, 5)),
        (16, False, None, (4, 12, WINDOW)),
        (1, True, 8, (1, 1, 32)),
    ],
)
def test_threads_come_from_the_number_of_cores(monkeypatch, cores, on_cpu, batch, expected):
    monkeypatch.setattr(threads, "_cores", lambda: cores)
    found = threads_for(batch, on_cpu=on_cpu)
    assert (found.readers, found.writers, found.ahead) == expected


@pytest.mark.parametrize(("predictors", "told"), [(identity, [9]), (both, [9, 9])])
def test_every_modality_knows_how_many_photos_are_to_come(tmp_path, monkeypatch, predictors, told):
    made = predictors()
    expected = expected_by(made, monkeypatch)
    assert run(wide_and_tall(tmp_path), tmp_path / "out", made, overlap=False).done == 9
    assert [count for count in expected if count] == told


def test_photos_that_are_complete_are_not_to_come(tmp_path, monkeypatch):
    photos = wide_and_tall(tmp_path)
    run(photos[:6], tmp_path / "out")
    made = identity()
    expected = expected_by(made, monkeypatch)
    outcome = run(photos, tmp_path / "out", made, overlap=False)
    assert (outcome.skipped, outcome.done) == (6, 3)
    assert [count for count in expected if count] == [3]


def test_devices_share_what_is_to_come(tmp_path, monkeypatch, devices):
    expected = []
    monkeypatch.setattr(MultiPredictor, "expect", lambda self, photos: expected.append(photos))
    request = Request(seed=3)
    assert run(wide_and_tall(tmp_path, 23), tmp_path / "all", choose("depth", device="all"), request).done == 23
    assert set(expected) == {12} and len(expected) == len(devices)
