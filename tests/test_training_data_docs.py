"""The page on training, followed with miniatures of its data sets: prepared, read by the recipes, and scored."""

import json
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from marigold import checkpoint, cli
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.find import name_of
from marigold.data import border
from marigold.data.reader import fitted
from marigold.estimator import Estimator
from marigold.train.recipe import Recipe, load
from test_docs import ROOT, commands
from test_training_docs import given
from toys import hypersim, worlds
from toys.scenes import NETWORK

TRAIN = ROOT / "docs" / "train.md"
PUBLISHED = ("depth", "normals", "appearance", "lighting")
SIZES = {"hypersim": {(480, 640)}, "vkitti": {(352, 1216)}, "interiorverse": {(12, 16)}, "sintel": {(480, 640)}}
"""What a network sees of each data set; InteriorVerse keeps its own size, which is so small here."""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with the data sets where the page puts them, and with the shards that its commands make of them."""
    folder = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        hypersim.raw(Path("data/hypersim"))
        worlds.vkitti(Path("data/vkitti"))
        write_interiorverse(Path("data/interiorverse"))
        write_sintel(Path("data/sintel"))
        write_nyu(Path("data/nyu"))
        for words in commands(TRAIN):
            if words[0] == "prepare" and words[1] != "check":
                assert cli.main([*words, "--count", "1", "--workers", "1"]) == 0, words
    return folder


def write_interiorverse(root: Path) -> None:
    """Grey frames, at a size that a network can see."""
    worlds.interiorverse(root)
    for file in root.rglob("*.exr"):
        worlds.exr(file, np.full((12, 16, 3), 0.5, np.float32))


def write_sintel(root: Path) -> None:
    """A frame with normals towards the viewer, and its list."""
    root.mkdir()
    worlds.grey_photo(root / "frame.png", 99, 1024, 436)
    np.save(root / "frame.npy", np.full((436, 1024, 3), (0, 0, 1), np.float32))
    (root / "train.txt").write_text("frame.png frame.npy\n", encoding="utf-8")


def write_nyu(root: Path) -> None:
    """A photo beside depth from 1 to 4 m, in millimetres, as the published archive names them."""
    scene = root / "test" / "kitchen_0001"
    scene.mkdir(parents=True)
    worlds.grey_photo(scene / "rgb_0001.png", 99, 64, 48)
    PIL.Image.fromarray(np.linspace(1000, 4000, 48 * 64).astype(np.uint16).reshape(48, 64)).save(
        scene / "depth_0001.png"
    )


def recipes() -> list[Recipe]:
    """The recipes of the page's commands for published runs, with their options."""
    return [options.recipe for options in given("train") if options.recipe.name.split("-")[0] in PUBLISHED]


@pytest.fixture
def here(place, monkeypatch) -> Path:
    monkeypatch.chdir(place)
    return place


def test_every_command_finds_its_data_at_the_size_of_its_recipe(here):
    for recipe in recipes():
        for source in (*recipe.data, *recipe.validation):
            key = border.keys(source.dataset, source.root, source.split)[0]
            sample = fitted(border.read(source.dataset, source.root, key), source)
            assert sample.image.shape[-2:] in SIZES[name_of(source.dataset)], source.root
            if source in recipe.data:
                assert set(recipe.modality.needs) <= set(sample.maps), source.root


def test_every_published_checkpoint_is_scored_as_the_page_says(here):
    for name in PUBLISHED:
        write_checkpoint(name)
    for words in commands(TRAIN):
        if words[0] == "evaluate" and "runs" in words[1]:
            shutil.rmtree("output", ignore_errors=True)
            few = [*words, "--count", "1", "--steps", "1", "--ensemble", "1", "--resolution", "16", "--device", "cpu"]
            assert cli.main(few) == 0, words
            (report,) = Path("output").iterdir()
            assert len(json.loads(report.read_text(encoding="utf-8"))["samples"]) == 1


def write_checkpoint(name: str) -> None:
    """A random network where the run of a recipe leaves its checkpoint."""
    modality = load(name).modality
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(conditions=1, targets=len(modality.targets))
    checkpoint.save(
        Estimator(backbone, modality, Card(name=name, modality=name_of(modality))), f"runs/{name}/checkpoint"
    )
