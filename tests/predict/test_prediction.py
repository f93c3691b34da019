"""Predictions as files: names stay in the folder, and text from a checkpoint's card spoils none."""

import json
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import OutputError
from marigold.modalities.depth import Depth
from marigold.predict.prediction import Prediction

MAP = np.linspace(0, 1, 16 * 16, dtype=np.float32).reshape(16, 16)
MADE = Prediction({"depth": MAP}, None, Depth(), photo=np.zeros((16, 16, 3), np.uint8))
ELSEWHERE = ["../x", "/tmp/x", "a/b", "a/../../x", "~/x", "a\0b", "\ud800"]


@pytest.mark.parametrize("name", [*ELSEWHERE, "..", ".", "", "a\\b", "a\nb", "\x1b[2J", ".hidden", "x" * 300])
def test_a_name_that_cannot_name_a_file_is_refused(tmp_path, name):
    with pytest.raises(OutputError, match=r"name `.*` cannot name a file"):
        MADE.save(tmp_path / "in" / "out", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_name_of_a_photo_leads_nowhere_either(tmp_path, name):
    with pytest.raises(OutputError, match=r"name `.*` cannot name a file"):
        replace(MADE, name=name).save(tmp_path / "in" / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["..", ".", ".hidden", "a\nb", " a", "caf\udce9", "a.b"])
def test_names_that_photos_have_stay_in_the_folder(tmp_path, name):
    files = replace(MADE, name=name).save(tmp_path / "out")
    assert {file.parent for file in files} == {tmp_path / "out"}
    assert files[-1].name == f"{name}_depth.json" and [path.name for path in tmp_path.iterdir()] == ["out"]


def test_text_of_a_card_spoils_no_file(tmp_path):
    words = "MIT\nend_header\n\x1b]0;x\x07\u2028\ud800 \udce9 " * 200
    checkpoint = {"name": words, "revision": words, "licence": words}
    made = replace(MADE, report={"checkpoint": checkpoint})
    made.save(tmp_path, "p", formats="npy,png16,preview,exr,glb,ply")
    assert json.loads((tmp_path / "p_depth.json").read_bytes())["checkpoint"] == checkpoint
    with PIL.Image.open(tmp_path / "p_depth_16bit.png") as picture:
        assert picture.text["Copyright"].startswith(r"MIT\nend_header\n\x1b]0;x\x07\u2028\ud800 \udce9 MIT")
        assert len(picture.text["Copyright"]) == 1000
    header = (tmp_path / "p_depth.ply").read_bytes().partition(b"\nend_header\n")[0].decode("ascii")
    assert header.isascii() and r"comment Copyright: MIT\nend_header\n\x1b]0" in header
