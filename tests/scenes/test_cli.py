"""`marigold synth`: scenes on disk, resumed, refused."""

import ast
import re
import shutil
from pathlib import Path

import pytest
import torch

from marigold.cli import main
from marigold.core.errors import DataError
from marigold.core.sample import Camera
from marigold.datasets import folder
from marigold.datasets.folder import Folder, read_index
from marigold_scenes import cli
from marigold_scenes.procedural import Procedural


def run(*words: object) -> int:
    return main(["synth", *map(str, words), "--size", "16", "--families", "objects", "--device", "cpu"])


def test_scenes_are_read_back_as_they_were_rendered(tmp_path):
    assert run(tmp_path / "scenes", "--count", 2) == 0
    keys = Folder().scan(tmp_path / "scenes", "train")
    assert keys == ["train/000000", "train/000001"]
    source = Procedural(height=16, width=16, families=("objects",))
    rendered = source.read(Path(), source.scan(Path(), "train")[1])
    back = Folder().read(tmp_path / "scenes", keys[1])
    torch.testing.assert_close(back.maps["depth"], rendered.maps["depth"])
    torch.testing.assert_close(back.image, rendered.image, rtol=0, atol=0.5 / 255 + 1e-6)
    assert set(back.maps) == set(rendered.maps)
    assert isinstance(back.camera, Camera)
    assert back.camera == rendered.camera


def test_the_settings_are_kept_beside_the_scenes(tmp_path):
    run(tmp_path, "--count", 1, "--seed", 3)
    assert read_index(tmp_path)["made"] == {"seed": 3, "size": 16, "families": ["objects"]}


def test_wide_scenes_have_their_width_and_say_so(tmp_path):
    assert run(tmp_path, "--count", 1, "--width", 40) == 0
    sample = Folder().read(tmp_path, "train/000000")
    assert sample.image.shape == (3, 16, 40)
    assert sample.camera is not None and (sample.camera.cx, sample.camera.cy) == (20.0, 8.0)
    assert read_index(tmp_path)["made"] == {"seed": 0, "size": 16, "families": ["objects"], "width": 40}


def test_a_width_that_is_the_size_is_a_square_like_any_other(tmp_path, capsys):
    run(tmp_path, "--count", 1)
    assert run(tmp_path, "--count", 1, "--width", 16) == 0
    assert "1 scene, 0 rendered now" in capsys.readouterr().err


def test_a_folder_of_another_width_is_left_alone(tmp_path, capsys):
    run(tmp_path, "--count", 1)
    assert run(tmp_path, "--count", 1, "--width", 40) == 1
    assert "choose another folder" in capsys.readouterr().err


def test_the_command_imports_only_what_a_plugin_may():
    tree = ast.parse(Path(cli.__file__).read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    foreign = {module for module in modules if module.split(".")[0] == "marigold"}
    assert all(re.fullmatch(r"marigold\.(cli|core\.[a-z]\w*|datasets\.[a-z]\w*)", module) for module in foreign)


def test_it_goes_on_where_it_was_interrupted(tmp_path, monkeypatch, capsys):
    real, written = folder.write_sample, []

    def write(root, sample):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(sample.key)
        return real(root, sample)

    monkeypatch.setattr(folder, "write_sample", write)
    assert run(tmp_path, "--count", 3, "--batch", 1) == 130
    monkeypatch.setattr(folder, "write_sample", real)
    assert run(tmp_path, "--count", 3) == 0
    assert "3 scenes, 1 rendered now" in capsys.readouterr().err
    assert len(Folder().scan(tmp_path, "train")) == 3


@pytest.mark.parametrize("part", ["image.png", "maps.npz"])
def test_a_damaged_scene_whose_folder_is_deleted_is_rendered_again(tmp_path, capsys, part):
    run(tmp_path, "--count", 2)
    before = Folder().read(tmp_path, "train/000001")
    (tmp_path / "train/000001" / part).write_bytes(b"damaged")
    with pytest.raises(DataError, match="delete the sample's folder"):
        Folder().read(tmp_path, "train/000001")
    shutil.rmtree(tmp_path / "train/000001")
    capsys.readouterr()
    assert run(tmp_path, "--count", 2) == 0
    assert "2 scenes, 1 rendered now" in capsys.readouterr().err
    assert torch.equal(Folder().read(tmp_path, "train/000001").image, before.image)


def test_a_scene_does_not_depend_on_its_batch(tmp_path):
    for batch in (1, 2):
        run(tmp_path / str(batch), "--count", 2, "--batch", batch)
    one, two = (Folder().read(tmp_path / str(batch), "train/000001") for batch in (1, 2))
    torch.testing.assert_close(one.maps["depth"], two.maps["depth"], rtol=1e-4, atol=1e-4)


def test_one_scene_is_counted_as_one(tmp_path, capsys):
    run(tmp_path, "--count", 1)
    assert "1 scene, 1 rendered now" in capsys.readouterr().err


def test_a_split_that_is_neither_train_nor_test_is_a_mistake_of_the_command_line(tmp_path, capsys):
    assert run(tmp_path / "scenes", "--count", 1, "--split", "val") == 2
    error = " ".join(capsys.readouterr().err.replace("│", "").split())
    assert "Expected one of ('train', 'test')" in error and not (tmp_path / "scenes").exists()


def test_a_folder_of_other_scenes_is_left_alone(tmp_path, capsys):
    run(tmp_path, "--count", 1)
    assert run(tmp_path, "--count", 1, "--seed", 1) == 1
    assert "choose another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--count", "0"], "--count 0: must be at least 1"),
        (["--count", "100000", "--split", "test"], "ask for fewer"),
        (["--families", "rooom"], "did you mean `room`?"),
        (["--size", "-1"], "--size -1: must be at least 1"),
        (["--width", "0"], "--width 0: must be at least 1"),
        (["--batch", "0"], "--batch 0: must be at least 1"),
        (["--device", "cud"], "no device is called `cud`"),
    ],
)
def test_options_that_cannot_work_are_refused(tmp_path, capsys, words, complaint):
    assert main(["synth", str(tmp_path), "--device", "cpu", *words]) == 1
    assert complaint in capsys.readouterr().err
