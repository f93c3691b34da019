"""The page on data of one's own, followed: its recipes train, its commands work, its messages are those that appear."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from marigold import cli
from marigold.core.errors import MarigoldError
from marigold.data import border
from marigold.data.streamed import Streamed
from marigold.train.checks import training_sources
from marigold.train.recipe import load
from test_docs import ROOT, write_files
from toys.pairs import write_pairs

FILE = ROOT / "docs" / "train-on-your-data.md"
PAGE = FILE.read_text(encoding="utf-8")
HEIGHT, WIDTH = 48, 64


@pytest.fixture
def garden(tmp_path, monkeypatch) -> Path:
    """The folder `garden` of the page, with 20 pairs, and the recipes beside it, where commands are given."""
    monkeypatch.chdir(tmp_path)
    write_files(FILE)
    write_pairs(Path("garden"), count=20, height=HEIGHT, width=WIDTH)
    return Path("garden")


def best(file: str) -> dict[str, float]:
    """The scores of the checkpoint, the first line of an evaluation."""
    return next(iter(json.loads(Path(file).read_text(encoding="utf-8"))["scores"].values()))


def test_the_commands_of_the_page_lead_from_a_folder_to_a_better_checkpoint(garden, capsys):
    printed = ""
    for language, block in re.findall(r"^```(sh|text)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL):
        if language == "text":
            assert set(block.splitlines()) <= set(printed.splitlines())
            continue
        for line in block.splitlines():
            assert cli.main(shlex.split(line)[1:]) == 0, line
        printed = capsys.readouterr().out
    for promised in re.findall(r"`((?:runs|shards)/\S+)`", PAGE):
        assert Path(promised).exists(), promised
    assert best("after.json")["abs_rel"] < best("before.json")["abs_rel"] / 2
    assert not Path("runs/from-shards").exists()
    assert Path("output/0009_depth.npy").exists()


def test_the_recipe_for_a_gpu_reads_the_same_folder(garden):
    (source,) = training_sources(load("garden-gpu.yaml"))
    assert len(border.keys(source.dataset, source.root, "train")) == 18


def test_the_recipe_of_normals_turns_them_as_its_axes_say(garden):
    (garden / "normals").mkdir()
    for photo in (garden / "rgb").iterdir():
        np.save(garden / "normals" / f"{photo.stem}.npy", np.full((HEIGHT, WIDTH, 3), (0, 0.6, -0.8), np.float32))
    (source,) = training_sources(load("garden-normals.yaml"))
    sample = source.dataset.read(source.root, "0000")
    # Down in OpenCV's frame is not up, and away from the viewer is not towards them.
    assert sample.maps["normals"][:, 5, 5].tolist() == pytest.approx([0, -0.6, 0.8])


def edit(text: str, old: str, new: str) -> Callable[[Path], object]:
    """What changes a line of `garden.yaml`."""
    assert old in text
    return lambda root: Path("garden.yaml").write_text(text.replace(old, new), encoding="utf-8")


def picture(name: str, *shape: int, dtype: type = np.uint16, value: int = 900) -> Callable[[Path], object]:
    """What puts a picture of one value in a file's place."""
    return lambda root: PIL.Image.fromarray(np.full(shape, value, dtype)).save(root / name)


def narrower(root: Path) -> None:
    """Cuts a pair to half its height and takes the size away that it would be brought to."""
    picture("rgb/0003.jpg", HEIGHT // 2, WIDTH, 3, dtype=np.uint8, value=99)(root)
    picture("depth/0003.png", HEIGHT // 2, WIDTH)(root)
    edit(RECIPE, ", resize: [48, 64]", "")(root)


def listed_twice(root: Path) -> None:
    """Names one photo in the lists of both splits."""
    for name in ("train", "test"):
        Path(f"{name}.txt").write_text("0003\n", encoding="utf-8")
    edit(RECIPE, "unit: 0.001", "unit: 0.001, lists: {train: train.txt, test: test.txt}")(root)


(RECIPE,) = re.findall(r"^```yaml\n# garden\.yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
FLAWS: dict[str, Callable[[Path], object]] = {
    "no photo is called": edit(RECIPE, "rgb/*.jpg", "images/*.jpg"),
    "has no depth": lambda root: (root / "depth/0003.png").unlink(),
    "depth holds whole numbers, and nothing says how long a step is": edit(RECIPE, "unit: 0.001, ", ""),
    "nothing of it within": edit(RECIPE, "unit: 0.001", "unit: 1"),
    "depth has 8 bits": picture("depth/0003.png", HEIGHT, WIDTH, dtype=np.uint8, value=9),
    "save one channel of numbers": picture("depth/0003.png", HEIGHT, WIDTH, 3, dtype=np.uint8, value=9),
    "set resize_maps: true": picture("depth/0003.png", HEIGHT // 2, WIDTH // 2),
    "which is another aspect ratio": picture("depth/0003.png", HEIGHT // 2, WIDTH),
    "depth has no measured pixel": picture("depth/0003.png", HEIGHT, WIDTH, value=0),
    "where others are": narrower,
    "not an image that can be read": lambda root: (root / "rgb/0003.jpg").write_bytes(b"\xff\xd8 cut off"),
    "is in train.txt too": listed_twice,
}
NOTED = {
    "trained without validation",
    "holds a run whose recipe differs",
    "goes on with the same samples in another folder",
    "the network has to learn other target images",
}
"""Messages of whole runs, which `tests/train` provokes."""


def test_every_message_of_the_page_is_provoked_here():
    table = PAGE.partition("## What errors mean")[2]
    assert set(re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)) == {*FLAWS} | NOTED


@pytest.mark.parametrize("message", FLAWS)
def test_a_flaw_is_called_what_the_page_calls_it(garden, message):
    FLAWS[message](garden)
    with pytest.raises(MarigoldError) as failure:
        read_all()
    assert message in str(failure.value).replace("`", "")


def read_all() -> None:
    """Reads the training samples as a run does."""
    (source,) = training_sources(load("garden.yaml"))
    keys = border.keys(source.dataset, source.root, "train")
    streamed = Streamed(source, ("depth",), keys, seed=0).sized()
    for key in keys:
        streamed.read(key)
