"""`marigold evaluate --hr`: what is scored are the maps that `marigold predict --hr` gives."""

import json
from dataclasses import replace

import numpy as np
import pytest

from marigold.checkpoints import store
from marigold.cli import main
from marigold.core.images import to_image
from marigold.datasets.folder import write_index, write_sample
from marigold.evaluate.checkpoint import CheckpointAnswers
from marigold.predict.predictor import load
from marigold.predict.settings import Request
from toys.refining import networks
from toys.scenes import Toy

ASKED = {"hr": True, "resolution": 16, "tile": 32, "steps": 1, "refiner_steps": 1}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    store.save(networks(name="plain"), folder / "plain")
    store.save(networks(refines=True, name="sharper"), folder / "sharper")
    return folder


@pytest.fixture(autouse=True)
def scenes(tmp_path, monkeypatch):
    """Two toy scenes of 32 pixels on disk, in the folder that commands run in."""
    monkeypatch.chdir(tmp_path)
    data = Toy(32)
    write_index(tmp_path / "scenes", data.card, {})
    for index, key in enumerate(data.scan(tmp_path, "test")[:2]):
        write_sample(tmp_path / "scenes", replace(data.read(tmp_path, key), key=f"test/{index:06d}"))
    return tmp_path / "scenes"


def words(checkpoints):
    settings = {name: str(value) for name, value in ASKED.items() if name != "hr"}
    named = [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", value)]
    return [*named, "--hr", "--refiner", str(checkpoints / "sharper"), "--device", "cpu"]


def test_the_values_that_are_scored_are_those_that_a_user_gets(checkpoints, scenes):
    predictor = load(checkpoints / "plain", device="cpu", refiner=checkpoints / "sharper")
    sample = Toy(32).read(scenes, "test/0")
    answer = CheckpointAnswers(predictor, predictor.settings(Request(**ASKED)), "").answer(sample)
    expected = predictor.predict(to_image(sample.image), **ASKED).maps["depth"]
    np.testing.assert_array_equal(answer.values[0].numpy(), expected)


def test_a_result_says_how_its_maps_were_refined_and_can_be_verified(checkpoints, capsys):
    given = ["evaluate", "scenes", "--checkpoint", str(checkpoints / "plain"), "--no-report", *words(checkpoints)]
    assert main(given) == 0
    with open("results/scenes/plain/summary.json", encoding="utf-8") as file:
        (one,) = json.load(file)["sets"]
    assert one["prediction"]["refinement"]["tile"] == 32
    assert one["prediction"]["refinement"]["refiner"].startswith("sharper@")
    capsys.readouterr()
    assert main(["evaluate", "verify", "results/scenes/plain", "--device", "cpu"]) == 0


def test_the_table_of_one_checkpoint_takes_a_refiner_too(checkpoints, scenes, capsys):
    assert main(["evaluate", str(checkpoints / "plain"), str(scenes), *words(checkpoints)]) == 0
    assert "sharper@" in capsys.readouterr().out
