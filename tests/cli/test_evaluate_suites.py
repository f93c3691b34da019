"""`marigold evaluate SUITE|DATASET`: results in folders, for checkpoints, predictions and code."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from marigold import checkpoint
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.cli import main
from marigold.datasets.folder import write_index, write_sample
from marigold.estimator import Estimator
from marigold.evaluate import suite
from marigold.modalities.depth import Depth
from toys.scenes import NETWORK, Toy


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A random depth checkpoint."""
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(conditions=1, targets=1)
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny"
    card = Card(name="tiny", modality="depth", defaults={"steps": 2, "resolution": 16, "ensemble": 1})
    checkpoint.save(Estimator(backbone, Depth(), card), folder)
    return folder


@pytest.fixture(autouse=True)
def scenes(tmp_path, monkeypatch):
    """Three toy scenes on disk, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    write_index(tmp_path / "scenes", Toy().card, {})
    for index, key in enumerate(Toy().scan(tmp_path, "test")[:3]):
        write_sample(tmp_path / "scenes", replace(Toy().read(tmp_path, key), key=f"test/{index:06d}"))
    return tmp_path / "scenes"


def run(*words: object) -> int:
    return main(["evaluate", *map(str, words)])


def summary(path="results/scenes/tiny"):
    with open(os.path.join(path, "summary.json"), encoding="utf-8") as file:
        return json.load(file)


def predictions(folder, count=3):
    folder.mkdir()
    for index in range(count):
        depth = Toy().read(folder, f"test/{index}").maps["depth"][0].numpy()
        np.save(folder / f"{index:06d}.npy", 3 * depth + 1)
    return folder


def test_a_checkpoint_gets_its_folder_of_results(tiny, capsys):
    assert run("scenes", "--checkpoint", tiny, "--device", "cpu", "--count", 2, "--ensemble", 3) == 0
    assert sorted(os.listdir("results/scenes/tiny")) == ["per_sample.csv", "report.html", "summary.json", "table.md"]
    (one,) = summary()["sets"]
    assert (one["count"], one["prediction"]["ensemble"], one["prediction"]["steps"]) == (2, 3, 2)
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == "results/scenes/tiny" and "**tiny**" in printed


def test_predictions_are_scored_without_any_checkpoint(scenes, capsys):
    predictions(scenes.parent / "rival")
    assert run("scenes", "--predictions", "rival", "--modality", "depth", "--no-report") == 0
    scores = summary("results/scenes/rival")["sets"][0]["scores"]["rival"]
    assert scores["abs_rel"]["mean"] == pytest.approx(0, abs=1e-6) and scores["delta1"]["mean"] == 1
    assert not os.path.exists("results/scenes/rival/report.html")


def test_a_missing_prediction_is_counted_shown_and_in_the_exit_code(scenes, capsys):
    predictions(scenes.parent / "rival", count=2)
    assert run("scenes", "--predictions", "rival", "--modality", "depth", "--name", "two") == 1
    assert "1 of 3 samples have no score; per_sample.csv says why" in capsys.readouterr().err
    (hole,) = summary("results/scenes/two")["sets"][0]["holes"]
    assert hole["key"] == "test/000002" and "no prediction of depth" in hole["reason"]


def test_code_is_scored_by_its_name(monkeypatch):
    assert run("toys.measured", "--model", "toys.measured:Red", "--modality", "depth", "--no-report") == 0
    found = summary("results/toys.measured/red")
    assert found["model"]["kind"] == "object" and found["sets"][0]["count"] == 6


def test_the_protocol_is_the_user_s(scenes):
    predictions(scenes.parent / "rival")
    words = ["--align", "log", "--fit", "median", "--pooling", "pixel", "--no-report"]
    assert run("scenes", "--predictions", "rival", "--modality", "depth", *words) == 0
    protocol = summary("results/scenes/rival")["sets"][0]["protocol"]
    assert (protocol["space"], protocol["fit"], protocol["pooling"]) == ("log", "median", "pixel")


def test_two_results_are_compared_and_one_is_run_again(tiny, capsys):
    for name, members in (("one", 1), ("three", 3)):
        words = ["--ensemble", members, "--name", name, "--no-report", "--device", "cpu", "--precision", "fp32"]
        assert run("scenes", "--checkpoint", tiny, *words) == 0
    assert run("compare", "results/scenes/one", "results/scenes/three") == 0
    assert "A: one (results/scenes/one)" in capsys.readouterr().out
    assert run("verify", "results/scenes/three", "--count", 2, "--device", "cpu") == 0
    assert "scenes: 2 samples reproduced to the last digit" in capsys.readouterr().out


def test_a_result_that_is_not_reproduced_is_in_the_exit_code(tiny, capsys):
    assert run("scenes", "--checkpoint", tiny, "--no-report", "--device", "cpu", "--precision", "fp32") == 0
    with open("results/scenes/tiny/per_sample.csv", encoding="utf-8") as file:
        lines = file.read().splitlines()
    cells = lines[1].split(",")
    cells[4] = "0.5"
    with open("results/scenes/tiny/per_sample.csv", "w", encoding="utf-8") as file:
        file.write("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    assert run("verify", "results/scenes/tiny", "--device", "cpu") == 1
    printed = capsys.readouterr().out
    assert "not reproduced: its summary says abs_rel" in printed and "; differs by" in printed


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nothing"], "no dataset named `nothing`"),
        (["scenes", "--checkpoint", "x", "--predictions", "y"], "--checkpoint and --predictions: one at a time"),
        (["scenes", "--predictions", "y"], "--modality: say what the predictions are"),
        (["scenes", "--predictions", "y", "--modality", "dept"], "did you mean `depth`"),
        (["scenes", "--predictions", "y", "--modality", "depth"], "y: no such folder; give --predictions"),
        (["scenes", "--checkpoint", "depth", "--pattern", "{key}.npy"], "--pattern {key}.npy: goes with --predictions"),
        (["scenes", "--model", "os", "--modality", "depth"], "write MODULE:CLASS"),
        (["scenes", "--model", "os:nothing", "--modality", "depth"], "the module has no `nothing`"),
        (["scenes", "--model", "os:sep", "--modality", "depth"], "has no method `predict(photo)`"),
        (["scenes", "--checkpoint", "depth", "--count", "-1"], "--count -1: must be from 0"),
        (["scenes", "--checkpoint", "depth", "--measures", "edgs"], "--measures.0: no measure named `edgs`"),
        (["depth", "--set", "crop=false"], "in a suite write DATASET.KEY=VALUE; its data sets are: diode"),
        (["depth", "--set", "kitty.crop=false"], "in a suite write DATASET.KEY=VALUE"),
        (["scenes", "--checkpoint", "depth", "--align", "none", "--fit", "median"], "fit: median cannot be used"),
        (["compare", "scenes", "scenes"], "give the folder of a result"),
        (["verify", "scenes"], "give the folder of a result"),
        (["depth", "--root", ".", "--checkpoint", "depth"], "NYUv2: not there, at nyuv2; KITTI: not there"),
    ],
)
def test_what_cannot_work_is_refused_with_what_to_do(capsys, words, complaint):
    assert run(*words) == 1
    assert complaint in capsys.readouterr().err
    assert not os.path.exists("results/scenes")


def test_two_checkpoints_of_one_name_do_not_replace_each_other(tiny, capsys):
    assert run("scenes", "--checkpoint", tiny, "--checkpoint", f"{tiny}/", "--count", 1, "--no-report") == 1
    told = "is called tiny like the one before, whose result it would replace; score it by itself with --name"
    assert told in capsys.readouterr().err
    assert os.path.exists("results/scenes/tiny/summary.json")


@pytest.mark.parametrize("words", [[], ["a", "b", "c"]])
def test_one_or_two_names_are_expected(capsys, words):
    assert run(*words) == 2
    assert "name one suite or data set, or a checkpoint and a data set" in capsys.readouterr().err


@pytest.mark.parametrize("name", suite.names())
def test_every_suite_can_be_read_and_says_where_its_settings_come_from(name):
    found = suite.load(name)
    assert found.title and found.source and found.sets
    assert all(one.title for one in found.sets)


def test_a_suite_of_the_user_s_is_a_file(tiny, capsys):
    with open("mine.yaml", "w", encoding="utf-8") as file:
        file.write("title: Mine\nsets:\n  - {title: toys, dataset: folder, folder: scenes, count: 2}\n")
    assert run("mine.yaml", "--root", ".", "--checkpoint", tiny, "--device", "cpu", "--no-report") == 0
    assert summary("results/mine/tiny")["sets"][0]["set"] == "toys"
