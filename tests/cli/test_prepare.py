"""`marigold prepare`: the command lines, what they print, and their exit codes."""

import json

import numpy as np
import PIL.Image
import pytest

from marigold.cli import main
from marigold.core.errors import DataError
from marigold.data import border
from marigold.datasets.folder import Folder
from marigold.datasets.shards import Shards
from toys.datasets import MINIATURES
from toys.shards import write_keys


@pytest.fixture
def scenes(tmp_path):
    """Two samples of each of two splits, with every field."""
    (tmp_path / "scenes").mkdir()
    MINIATURES["folder"](tmp_path / "scenes")
    return tmp_path / "scenes"


def run(*words: object) -> int:
    return main(["prepare", *map(str, words), "--workers", "1"])


def test_it_prints_what_there_is_and_where(scenes, tmp_path, capsys):
    assert run("folder", scenes, tmp_path / "out") == 0
    printed = capsys.readouterr()
    assert printed.out == f"{tmp_path / 'out'}\n"
    assert "train: 2 samples in 1 shard, " in printed.err
    assert "test: 2 samples in 1 shard, " in printed.err
    folder, shards = Folder().read(scenes, "test/a"), Shards().read(tmp_path / "out", "test/a")
    assert (folder.maps["depth"] == shards.maps["depth"]).all()


def test_the_contact_sheet_shows_a_row_for_each_sample(scenes, tmp_path):
    assert run("folder", scenes, tmp_path / "out") == 0
    sheet = PIL.Image.open(tmp_path / "out" / "contact_sheet.jpg")
    # Photos of 12 x 20 pixels are 160 high, so 267 wide: photo, depth, normals, two of appearance, two of light
    assert sheet.width == 7 * (267 + 8) + 8
    assert sheet.height > 4 * (160 + 8) + 8
    photo = np.asarray(PIL.Image.open(scenes / "test" / "a" / "image.png").convert("RGB"), np.float32)
    shown = np.asarray(sheet, np.float32)[8:168]
    means = [shown[:, 8 + 275 * place : 275 + 275 * place].mean(axis=(0, 1)) for place in range(7)]
    assert min(np.abs(mean - photo.mean(axis=(0, 1))).max() for mean in means) < 4


def test_options_and_settings_choose_what_is_kept(tmp_path):
    words = ["--splits", "test", "--count", 1, "--fields", "depth", "--size", 24, 40, "--set", "seed=3"]
    words += ["--set", "height=48", "--set", "width=80", "--set", "families=[room]"]
    assert run("procedural", ".", tmp_path / "out", *words) == 0
    (key,) = Shards().scan(tmp_path / "out", "test")
    assert key.startswith("procedural/3/")
    sample = Shards().read(tmp_path / "out", key)
    assert sample.image.shape == (3, 24, 40)
    assert list(sample.maps) == ["depth"]
    made = json.loads((tmp_path / "out" / "shards.json").read_bytes())["made"]
    assert made["settings"] == {"height": 48, "width": 80, "families": ["room"], "seed": 3}


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["folder", "RAW", "OUT", "--set", "side=4"], "no key named `side`"),
        (["folder", "RAW", "OUT", "--set", "fields"], "no setting; write KEY=VALUE"),
        (["folder", "RAW", "OUT", "--set", "fields=[depth"], "--set fields: "),
        (["folder", "RAW", "OUT", "--set", "fields=7"], "--set.fields: expected a list"),
        (["foldr", "RAW", "OUT"], "no dataset named `foldr`; did you mean `folder`"),
        (["folder", "NOWHERE", "OUT"], "no data set there"),
        (["folder", "RAW", "OUT", "--splits", "val"], "no split named `val`"),
        (["folder", "RAW", "OUT", "--most-dropped", "2"], "--most-dropped: 2.0 cannot be used"),
        (["folder", "RAW", "RAW"], "holds other files, such as dataset.json"),
        (["check", "RAW"], "holds no shards (no shards.json); `marigold prepare` makes them"),
        (["procedural", ".", "OUT", "--splits", "train"], "choose so many with --count"),
    ],
)
def test_command_lines_that_cannot_work_end_with_one_line(scenes, tmp_path, capsys, words, complaint):
    places = {"RAW": scenes, "OUT": tmp_path / "out", "NOWHERE": tmp_path / "nowhere"}
    assert run(*(places.get(word, word) for word in words)) == 1
    printed = capsys.readouterr().err
    assert complaint in printed
    assert printed.count("\n") == 1


def test_samples_left_out_are_printed_and_too_many_end_with_code_1(tmp_path, capsys):
    raw = write_keys(tmp_path / "raw")
    (raw / "bad").write_text("train/5")
    assert run("toys.shards", raw, tmp_path / "out") == 1
    assert "1 of 12 samples so far cannot be read (train/5: damaged (on purpose)" in capsys.readouterr().err
    assert run("toys.shards", raw, tmp_path / "out", "--most-dropped", 0.1) == 0
    printed = capsys.readouterr().err
    size = (tmp_path / "out" / "train-00000.tar").stat().st_size
    assert f"train: 11 samples in 1 shard, {size / 1000:.1f} kB, {size / 11000:.1f} kB a sample; 1 left out" in printed
    assert "  left out: train/5: damaged (on purpose); download it again" in printed


def test_refused_samples_are_counted_apart(tmp_path, capsys):
    raw = write_keys(tmp_path / "raw")
    (raw / "refused").write_text("train/5 train/6")
    assert run("toys.shards", raw, tmp_path / "out") == 0
    printed = capsys.readouterr().err
    assert "train: 10 samples in 1 shard, " in printed
    assert " a sample; 2 refused by the data set's own rules\n" in printed and "left out" not in printed


def test_check_counts_the_pixels_of_sound_shards(scenes, tmp_path, capsys):
    run("folder", scenes, tmp_path / "out", "--fields", "depth", "albedo")
    capsys.readouterr()
    assert run("check", tmp_path / "out") == 0
    # The first two of twelve rows are not valid
    usable = "2 samples; pixels that may be used: depth 83.3 %, albedo 83.3 %"
    assert capsys.readouterr().out == f"test: {usable}\ntrain: {usable}\n"


def test_what_check_says_to_do_makes_the_shards_whole_again(scenes, tmp_path, capsys):
    out = tmp_path / "out"
    run("folder", scenes, out, "--fields", "depth", "--set", "fields=[depth, albedo]")
    whole = (out / "train-00000.tar").read_bytes()
    content = bytearray(whole)
    content[1600] ^= 1
    (out / "train-00000.tar").write_bytes(content)
    capsys.readouterr()
    assert run("check", out) == 1
    printed = capsys.readouterr().err.splitlines()
    assert printed[0] == f"marigold: error: 1 damaged shard in {out}:"
    assert "train-00000.tar: train/a: " in printed[1]
    assert "has another checksum than was written" in printed[1]
    assert printed[-2].split() == ["rm", "-f", str(out / "train-00000.tar")]
    (out / "train-00000.tar").unlink()
    assert main(printed[-1].split()[1:]) == 0
    assert (out / "train-00000.tar").read_bytes() == whole
    assert run("check", out) == 0


def test_check_names_shards_that_are_gone_cut_renamed_inside_or_no_tar(scenes, tmp_path, capsys):
    out = tmp_path / "out"
    run("folder", scenes, out)
    train, test = (out / f"{split}-00000.tar" for split in ("train", "test"))
    whole = train.read_bytes()
    damages = {
        "train-00000.tar: no such file": train.unlink,
        "has 5000 bytes, where": lambda: train.write_bytes(whole[:5000]),
        "holds `train/0000000X.sample.json` at 512, where the index has `train/00000000.sample.json` at 512": lambda: (
            train.write_bytes(renamed(whole))
        ),
        "no tar that can be read": lambda: train.write_bytes(bytes([1]) * len(whole)),
    }
    for words, damage in damages.items():
        damage()
        capsys.readouterr()
        assert run("check", out) == 1
        printed = capsys.readouterr().err
        assert words in printed
        assert f"rm -f {train}\n" in printed
        assert str(test) not in printed


def renamed(tar: bytes) -> bytes:
    """Another name of the first member, with the checksum of its header as POSIX 1003.1 has it."""
    head = bytearray(tar[:512])
    head[:14] = b"train/0000000X"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head) + tar[512:]


def test_a_shard_whose_data_set_has_changed_is_not_made_again(scenes, tmp_path, capsys):
    out = tmp_path / "out"
    run("folder", scenes, out)
    (out / "train-00000.tar").unlink()
    pixels = np.zeros((12, 20, 3), np.uint8)
    PIL.Image.fromarray(pixels).save(scenes / "train" / "a" / "image.png")
    assert run("folder", scenes, out) == 1
    assert "its samples have changed since they were prepared" in capsys.readouterr().err
    assert not (out / "train-00000.tar").exists()


def test_a_damaged_index_is_made_again_by_the_same_command(scenes, tmp_path, capsys):
    out = tmp_path / "out"
    run("folder", scenes, out)
    whole = {file.name: file.read_bytes() for file in out.iterdir()}
    (out / "index.npy").write_bytes(whole["index.npy"][:-1])
    assert run("check", out) == 1
    assert "does not go with shards.json; delete shards.json there and give the command" in capsys.readouterr().err
    (out / "shards.json").unlink()
    assert run("folder", scenes, out) == 0
    assert {file.name: file.read_bytes() for file in out.iterdir()} == whole


def test_a_recipe_for_the_data_set_reads_its_shards(scenes, tmp_path):
    run("folder", scenes, tmp_path / "out")
    assert border.keys(Folder(), tmp_path / "out", "train") == ["train/a", "train/b"]
    assert border.read(Folder(fields=("depth",)), tmp_path / "out", "train/a").maps.keys() == {"depth"}
    with pytest.raises(DataError, match="no sample"):
        border.read(Folder(), tmp_path / "out", "train/c")
