"""`marigold predict depth` with known distances, from the command line to the files."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from marigold import checkpoint, cli
from toys.peers import toy


@pytest.fixture
def predict(tmp_path, monkeypatch):
    """Runs `marigold predict depth a.png` in an empty folder that holds the photo; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    checkpoint.save(toy("depth"), tmp_path / "small")
    slope = np.linspace(0, 255, 48 * 32).reshape(32, 48).astype(np.uint8)
    PIL.Image.fromarray(slope).convert("RGB").save("a.png")
    usual = [
        "predict",
        "depth",
        "a.png",
        "--checkpoint",
        "small",
        "--device",
        "cpu",
        "--steps",
        "1",
        "--resolution",
        "48",
    ]
    return lambda *options: cli.main([*usual, *options])


def write_known(scale):
    depth = np.load("output/a_depth.npy")
    places = [(x, y) for x in range(1, 48, 9) for y in range(2, 32, 7)]
    with open("known.csv", "w", encoding="utf-8") as file:
        file.write("x,y,metres\n" + "".join(f"{x},{y},{scale * depth[y, x] + 2}\n" for x, y in places))
    return depth


def test_known_distances_give_metres(predict):
    assert predict("--format", "npy") == 0
    depth = write_known(3.0)
    assert predict("--format", "npy,ply", "--known", "known.csv", "--camera", "40,40,24,16", "--cut", "0") == 0
    assert np.load("output/a_depth_metres.npy") == pytest.approx(3 * depth + 2, abs=1e-3)
    report = json.loads(Path("output/a_depth.json").read_text(encoding="utf-8"))
    assert report["depth"] == "metric" and "fx 40" in report["camera"]["numbers"]


def test_completion_runs_from_the_command_line(predict, monkeypatch):
    from marigold.metric import completion

    short = completion.Guidance(steps=2)
    monkeypatch.setattr(completion, "Guidance", lambda: short)
    assert predict("--format", "npy") == 0
    write_known(3.0)
    assert predict("--format", "npy", "--known", "known.csv", "--complete") == 0
    assert json.loads(Path("output/a_depth.json").read_text(encoding="utf-8"))["completion"]["steps"] == 2


def test_an_option_without_its_partner_is_an_error_on_one_line(predict, capsys):
    assert predict("--complete") != 0
    assert "no distance is known" in capsys.readouterr().err
