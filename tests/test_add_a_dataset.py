"""The page on adding a data set, followed: its file keeps the contract, trains and is evaluated on."""

import importlib
import inspect
import json
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from contract import test_datasets as contract
from marigold import cli
from marigold.accel.training import TrainPlan
from marigold.core.errors import DataError
from marigold.core.find import implementation, name_of
from marigold.datasets.base import Dataset
from marigold.train.loop import train
from marigold.train.recipe import Optim, load
from toys.scenes import NETWORK

PAGE = (Path(__file__).parents[1] / "docs" / "add-a-dataset.md").read_text(encoding="utf-8")
PROMISES = [name for name, test in vars(contract).items() if name.startswith("test_") and inspect.isfunction(test)]
HEIGHT, WIDTH = 24, 32


def block(language: str) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0]


def write_rooms(root: Path) -> None:
    """Four training and two test photos; millimetres grow by rows of 100 from 0 (not measured) to 2300."""
    (root / "a").mkdir(parents=True)
    splits = {f"a/{number}": "test" if number > 3 else "train" for number in range(6)}
    millimetres = np.repeat(np.arange(HEIGHT, dtype=np.uint16)[:, None] * 100, WIDTH, axis=1)
    for seed, name in enumerate(splits):
        photo = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        PIL.Image.fromarray(photo).save(root / f"{name}.jpg")
        PIL.Image.fromarray(millimetres).save(root / f"{name}.png")
    lines = "".join(f"{name},{split}\n" for name, split in splits.items())
    (root / "index.csv").write_text(f"name,split\n{lines}", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder that holds `my_data/depth_camera.py`, `rooms.yaml` and `rooms`, where modules are looked for."""
    folder = tmp_path_factory.mktemp("plugin")
    (folder / "my_data").mkdir()
    (folder / "my_data" / "depth_camera.py").write_text(block("python"), encoding="utf-8")
    (folder / "rooms.yaml").write_text(block("yaml"), encoding="utf-8")
    write_rooms(folder / "rooms")
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    for name in ("my_data", "my_data.depth_camera"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def dataset(folder) -> Dataset:
    return implementation(Dataset, "my_data.depth_camera")()


@pytest.mark.parametrize("promise", PROMISES)
def test_its_file_keeps_every_promise_of_a_data_set(dataset, folder, tmp_path, promise):
    test = getattr(contract, promise)
    known = {"dataset": dataset, "root": folder / "rooms", "tmp_path": tmp_path}
    test(**{name: known[name] for name in inspect.signature(test).parameters})


def test_its_depth_is_in_metres_and_valid_within_the_cameras_range(dataset, folder):
    sample = dataset.read(folder / "rooms", "a/5")
    rows = torch.arange(HEIGHT)
    torch.testing.assert_close(sample.maps["depth"][0, :, 0], rows * 0.1)
    assert torch.equal(sample.valid["depth"][0, :, 0], rows >= 3)


def test_photo_and_depth_of_different_sizes_are_an_error_that_names_the_sample(dataset, tmp_path):
    write_rooms(tmp_path / "rooms")
    PIL.Image.fromarray(np.ones((HEIGHT, WIDTH + 1), np.uint16)).save(tmp_path / "rooms" / "a" / "0.png")
    with pytest.raises(DataError, match="a/0: depth is"):
        dataset.read(tmp_path / "rooms", "a/0")


def test_the_recipe_of_the_page_trains_and_its_commands_score_the_result(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    recipe = load("rooms.yaml")
    (source,) = recipe.data
    assert name_of(source.dataset) == "my_data.depth_camera"
    small = replace(
        recipe,
        start="",
        layers=(),
        network=NETWORK,
        data=(replace(source, capacity=4, block=2, augment=replace(source.augment, size=16)),),
        optim=Optim(warmup=1, decay=10),
        phases=(),
        steps=2,
        batch=2,
        plan=TrainPlan(precision="fp32"),
        defaults={"steps": 1, "resolution": 32, "ensemble": 1},
        every=replace(recipe.every, validate=1),
    )
    train(small, Path("runs/rooms"))
    command = block("sh").splitlines()[1].removeprefix("python -m marigold ")
    assert cli.main(shlex.split(command)) == 0
    assert "representation ceiling" in capsys.readouterr().out
    (report,) = Path("output").glob("*.json")
    assert len(json.loads(report.read_text(encoding="utf-8"))["samples"]) == 2
