"""The page on adding a modality, followed: its file keeps the contract, trains, predicts and is scored."""

import importlib
import inspect
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from contract import test_modalities as contract
from marigold import cli
from marigold.accel.training import TrainPlan
from marigold.core.find import implementation, name_of
from marigold.modalities.base import Modality
from marigold.train.loop import train
from marigold.train.recipe import Optim, load
from toys.scenes import NETWORK

PAGE = (Path(__file__).parents[1] / "docs" / "add-a-modality.md").read_text(encoding="utf-8")
PROMISES = [name for name, test in vars(contract).items() if name.startswith("test_") and inspect.isfunction(test)]


def block(language: str) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    """The folder that holds `my_maps/shading.py`, where modules are looked for."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "my_maps").mkdir()
    (folder / "my_maps" / "shading.py").write_text(block("python"), encoding="utf-8")
    (folder / "shading.yaml").write_text(block("yaml"), encoding="utf-8")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    for name in ("my_maps", "my_maps.shading"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def run(plugin) -> Path:
    """The run folder of two steps of the page's recipe, with a network of a few thousand weights."""
    recipe = load(str(plugin / "shading.yaml"))
    scenes = replace(recipe.data[0].dataset, height=32, width=32, families=("objects",))
    source = replace(recipe.data[0], dataset=scenes, capacity=4, block=4)
    small = replace(
        recipe,
        start="",
        network=NETWORK,
        data=(source,),
        optim=Optim(warmup=1, decay=10),
        steps=2,
        batch=2,
        reuse=1,
        plan=TrainPlan(precision="fp32"),
        defaults={"steps": 1, "resolution": 32, "ensemble": 1},
        every=replace(recipe.every, validate=0),
    )
    folder = plugin / "runs" / "shading"
    train(small, folder)
    return folder


@pytest.mark.parametrize("promise", PROMISES)
def test_its_file_keeps_every_promise_of_a_modality(plugin, promise):
    modality = implementation(Modality, "my_maps.shading")()
    assert name_of(modality) == "my_maps.shading"
    getattr(contract, promise)(modality)


def test_it_predicts_from_the_command_line(run, plugin, monkeypatch):
    monkeypatch.chdir(plugin)
    PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 28, 3), dtype=np.uint8)).save("photo.jpg")
    assert cli.main(["predict", "my_maps.shading", "photo.jpg", "--checkpoint", str(run / "checkpoint")]) == 0
    (found,) = Path("output").glob("*light*.npy")
    assert np.load(found).shape == (20, 28)


def test_it_is_scored_beside_its_baselines(run, plugin, monkeypatch, capsys):
    monkeypatch.chdir(plugin)
    command = ["evaluate", str(run / "checkpoint"), "procedural", "--count", "1", "--resolution", "32"]
    assert cli.main(command) == 1 and "--trust my_maps" in capsys.readouterr().err
    assert cli.main([*command, "--trust", "my_maps"]) == 0
    shown = capsys.readouterr().out
    assert "psnr [dB] ↑" in shown
    assert "alignment: least squares scale\n" in shown
    assert "even light" in shown


def test_the_commands_of_the_page_are_understood():
    for line in block("sh").splitlines():
        verb, *arguments = line.removeprefix("python -m marigold ").split()
        if verb != "train":
            cli.verb(verb).parse(arguments)
