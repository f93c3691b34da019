"""`marigold synth`: scenes on disk, resumed, refused."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from marigold.cli import main
from marigold.core.errors import DataError
from marigold.core.locks import locked
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
        (["--count", "1000000000"], "--count 1000000000: must be at least 1 and at most 1000000"),
        (["--count", "100000", "--split", "test"], "ask for fewer"),
        (["--families", "rooom"], "did you mean `room`?"),
        (["--families", "\x1b[2J"], "\\x1b[2J"),
        (["--size", "-1"], "--size -1: must be at least 8"),
        (["--size", "7"], "--size 7: must be at least 8"),
        (["--size", "100000"], "--size 100000: more than 16777216 pixels"),
        (["--size", "9" * 300], "more than 16777216 pixels"),
        (["--size", "16", "--width", "10000000"], "--size 16 --width 10000000: more than 16777216 pixels"),
        (["--width", "0"], "--width 0: must be at least 8"),
        (["--batch", "0"], "--batch 0: must be at least 1"),
        (["--batch", "-4"], "--batch -4: must be at least 1"),
        (["--seed", "-1"], "--seed -1: must be at least 0"),
        (["--seed", "1" + "0" * 20], "and at most 9223372036854775807"),
        (["--device", "cud"], "no device is called `cud`"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_written(tmp_path, capsys, words, complaint):
    assert main(["synth", str(tmp_path), "--device", "cpu", *words]) == 1
    assert complaint in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_number_of_thousands_of_digits_is_a_mistake_of_the_command_line(tmp_path):
    assert main(["synth", str(tmp_path), "--seed", "9" * 5000]) == 2


def test_a_folder_without_a_name_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("", "--count", 1) == 2
    assert "an input is empty; name a" in capsys.readouterr().err and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo, lambda path: path.symlink_to(path.name)])
def test_what_is_no_folder_is_refused_and_stays(tmp_path, capsys, make):
    make(tmp_path / "scenes")
    before = os.lstat(tmp_path / "scenes")
    assert run(tmp_path / "scenes", "--count", 1) == 1
    assert "scenes: cannot be written" in capsys.readouterr().err
    assert os.path.samestat(before, os.lstat(tmp_path / "scenes"))


def test_the_memory_of_a_batch_does_not_grow_with_its_number(monkeypatch, tmp_path):
    sizes, real = [], Procedural.read_many

    def read_many(self, root, keys, device):
        sizes.append(len(keys))
        return real(self, root, keys, device)

    monkeypatch.setattr(Procedural, "read_many", read_many)
    monkeypatch.setattr(cli, "_TOGETHER_ON_CPU", 3 * 16 * 16)
    assert run(tmp_path, "--count", 5, "--batch", 10**9) == 0
    assert sizes == [3, 2]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_memory_that_runs_out_is_a_message(monkeypatch, tmp_path, capsys, error):
    def read_many(*_):
        raise error

    monkeypatch.setattr(Procedural, "read_many", read_many)
    assert run(tmp_path, "--count", 2) == 1
    assert "--batch 2: the memory is full; choose a smaller one" in capsys.readouterr().err


def test_a_second_process_is_refused_and_told_of_the_first(tmp_path, capsys):
    with locked(tmp_path / ".train.lock", "held"):
        assert run(tmp_path, "--count", 1) == 1
        error = capsys.readouterr().err
        assert f"train: is being rendered by process {os.getpid()}" in error and "wait until it ends" in error
        assert run(tmp_path, "--count", 1, "--split", "test") == 0  # the other split is free
    assert run(tmp_path, "--count", 1) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.json", "test", "train"]


def test_what_killed_processes_left_is_deleted_and_what_is_the_user_s_stays(tmp_path):
    run(tmp_path, "--count", 1)
    left = [".000001.0123abcd.part", ".000002.part"]
    kept = [".notes.part", ".000003.old", "drafts"]
    for name in left + kept:
        (tmp_path / "train" / name).mkdir()
        (tmp_path / "train" / name / "image.png").write_bytes(b"half")
    (tmp_path / ".dataset.json.0123abcd.part").write_bytes(b"half")
    assert run(tmp_path, "--count", 1) == 0
    assert sorted(path.name for path in (tmp_path / "train").iterdir()) == sorted(["000000", *kept])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.json", "train"]


def test_a_folder_of_the_user_s_in_the_place_of_a_scene_is_no_scene_and_stays(tmp_path, capsys):
    mine = tmp_path / "train/000001"
    mine.mkdir(parents=True)
    assert run(tmp_path, "--count", 2) == 0  # an empty folder is nothing
    assert "2 rendered now" in capsys.readouterr().err
    (tmp_path / "train/000002").mkdir()
    (tmp_path / "train/000002/notes.txt").write_text("mine")
    assert run(tmp_path, "--count", 3) == 1
    assert "000002: is there, but no sample" in capsys.readouterr().err
    assert (tmp_path / "train/000002/notes.txt").read_text() == "mine"


def test_an_index_of_somebody_else_s_is_refused_and_stays(tmp_path, capsys):
    (tmp_path / "dataset.json").write_text('{"mine": 1}')
    assert run(tmp_path, "--count", 1) == 1
    assert "not the index of a data set" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["dataset.json"]
    assert (tmp_path / "dataset.json").read_text() == '{"mine": 1}'


KILLER = """
import os, random, sys, time
from pathlib import Path
from marigold.cli import main
import marigold_scenes.procedural, marigold.datasets.folder

root = Path(sys.argv[1])
for least in (1, 3, 6):
    child = os.fork()
    if not child:
        os._exit(main(["synth", *sys.argv[1:]]))
    while len(list(root.glob("train/0*"))) < least:
        time.sleep(0.001)
    time.sleep(random.Random(least).random() * 0.1)
    os.kill(child, 9)
    os.waitpid(child, 0)
    print(*(path.name for path in root.glob("train/0*")))
"""


def test_killed_again_and_again_it_ends_with_the_bytes_of_one_that_was_not(tmp_path):
    words = ["--count", "12", "--size", "16", "--batch", "1", "--families", "objects", "--device", "cpu"]
    killer = subprocess.run(
        [sys.executable, "-c", KILLER, str(tmp_path / "killed"), *words], check=True, capture_output=True, text=True
    )
    counts = [len(line.split()) for line in killer.stdout.splitlines()]
    assert len(counts) == 3 and all(count >= least for count, least in zip(counts, (1, 3, 6), strict=True))
    keys = Folder().scan(tmp_path / "killed", "train")
    assert [Folder().read(tmp_path / "killed", key).key for key in keys] == keys
    for name in ("killed", "whole"):
        assert main(["synth", str(tmp_path / name), *words]) == 0
    killed, whole = (
        {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}
        for root in (tmp_path / "killed", tmp_path / "whole")
    )
    assert len(whole) == 25 and killed == whole


def test_the_order_in_which_families_are_named_does_not_matter(tmp_path, capsys):
    words = ["synth", str(tmp_path / "a"), "--count", "1", "--size", "8", "--families"]
    assert main([*words, "street", "room"]) == 0
    assert main([*words, "room", "street"]) == 0
    assert "1 scene, 0 rendered now" in capsys.readouterr().err
    assert read_index(tmp_path / "a")["made"]["families"] == ["room", "street"]
    assert main([*words, "room", "street", "street"]) == 1  # twice as many streets


def test_an_index_that_names_families_in_another_order_is_of_the_same_scenes(tmp_path, capsys):
    words = ["synth", str(tmp_path), "--count", "1", "--size", "8", "--families", "room", "street"]
    assert main(words) == 0
    index = tmp_path / "dataset.json"
    content = json.loads(index.read_text())
    index.write_text(json.dumps({**content, "made": {**content["made"], "families": ["street", "room"]}}))
    assert main(words) == 0
    for families in ([3, "room"], "street", None, ["street", "zz"]):
        index.write_text(json.dumps({**content, "made": {**content["made"], "families": families}}))
        assert main(words) == 1
        assert "choose another folder" in capsys.readouterr().err


def test_a_folder_s_name_is_printed_with_escapes(tmp_path, capsys):
    assert main(["synth", str(tmp_path / "a\x1b[1m\n"), "--count", "1", "--size", "8"]) == 0
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err
    assert printed.out == f"{tmp_path}/a\\x1b[1m\\n/train\n"
