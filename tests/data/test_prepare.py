"""`prepare`: whole, the same bytes however it is made, and every sample that is left out is told."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from marigold.core.errors import ConfigError, DataError, OutputError
from marigold.core.sample import Camera
from marigold.data import _shard_write
from marigold.data.prepare import Preparation, prepare
from marigold.datasets.shards import Shards
from toys.scenes import Toy
from toys.shards import Listed, content, write_keys

TESTS = Path(__file__).parents[1]


@pytest.fixture
def raw(tmp_path):
    """Twelve training and three test samples."""
    return write_keys(tmp_path / "raw")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    """At most four samples in a shard."""
    monkeypatch.setattr("marigold.data._shard_plan._MOST_TOGETHER", 4)


def test_every_sample_of_every_split_is_there_in_shards_of_a_size(raw, tmp_path):
    report = prepare(Preparation(Listed(), raw), tmp_path / "out")
    assert sorted(content(tmp_path / "out")) == [
        *("index.npy", "report.json", "shards.json", "test-00000.tar"),
        *(f"train-0000{number}.tar" for number in range(3)),
    ]
    assert (report.splits["train"].samples, report.splits["train"].shards) == (12, 3)
    assert (report.splits["test"].samples, report.splits["test"].shards) == (3, 1)
    assert report.dropped == ()
    shards = Shards()
    for number in range(12):
        depth = shards.read(tmp_path / "out", f"train/{number}").maps["depth"]
        assert (depth[0, 1:] == number + 0.25).all()


def test_a_shard_is_about_as_large_as_it_is_told_to_be(raw, tmp_path, monkeypatch):
    monkeypatch.setattr("marigold.data._shard_plan._MOST_TOGETHER", 100)
    prepare(Preparation(Listed(side=200), raw, splits=("train",), shard_size=1), tmp_path / "out")
    # 200 x 200 pixels of noise: photo 120 kB, depth 160 kB, albedo 240 kB, two masks of 5 kB: two samples a megabyte
    sizes = [file.stat().st_size for file in sorted((tmp_path / "out").glob("*.tar"))]
    assert len(sizes) == 12
    assert all(500_000 < size < 1_000_000 for size in sizes)


def test_splits_count_fields_and_size_choose_what_is_kept(raw, tmp_path):
    made = Preparation(Listed(), raw, splits=("test",), count=2, fields=("depth",), size=(4, 16))
    prepare(made, tmp_path / "out")
    shards = Shards()
    card = shards.card_of(tmp_path / "out")
    assert (card.splits, card.fields) == (("test",), ("depth",))
    assert shards.scan(tmp_path / "out", "test") == ["test/0", "test/1"]
    sample = shards.read(tmp_path / "out", "test/1")
    assert sample.image.shape == (3, 4, 16)
    # 8 x 8 becomes 4 high and 16 wide: the one pixel that is not valid takes those with it that are made from it
    assert sample.valid["depth"][0, 2:].all()
    assert not sample.valid["depth"][0, 0, 0]
    assert sample.maps["depth"][sample.valid["depth"]].unique().tolist() == [1.25]
    assert sample.camera == Camera(20.0, 10.0, 8.0, 2.0)


def test_resizing_lets_nothing_that_is_not_finite_into_what_may_be_used(raw, tmp_path):
    prepare(Preparation(Listed(), raw, splits=("train",), size=(16, 16)), tmp_path / "out")
    sample = Shards().read(tmp_path / "out", "train/3")
    for name, valid in sample.valid.items():
        assert sample.maps[name].isfinite().all(dim=0, keepdim=True)[valid].all()


def test_the_bytes_do_not_depend_on_the_number_of_processes(raw, tmp_path):
    for workers in (1, 2):
        prepare(Preparation(Toy(), Path(), splits=("test",)), tmp_path / str(workers), workers=workers)
    assert content(tmp_path / "1") == content(tmp_path / "2")


def test_the_same_command_again_changes_nothing(raw, tmp_path):
    first = prepare(Preparation(Listed(), raw), tmp_path / "out")
    before = {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()}
    assert prepare(Preparation(Listed(), raw), tmp_path / "out") == first
    assert {file.name: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"count": 5}, "--count 0, and now --count is 5"),
        ({"size": (4, 4)}, "--size None, and now --size is '4 4'"),
        ({"fields": ("depth",)}, "--fields 'depth albedo', and now --fields is 'depth'"),
        ({"splits": ("test",)}, "--splits 'train test', and now --splits is 'test'"),
        ({"shard_size": 7}, "--shard-size 512, and now --shard-size is 7"),
        ({"dataset": Listed(side=9)}, "--set side 8, and now --set side is 9"),
        ({"dataset": Toy()}, "DATASET 'toys.shards', and now DATASET is 'toys.scenes'"),
    ],
)
def test_another_command_is_refused_with_the_option_and_both_values(raw, tmp_path, changes, words):
    prepare(Preparation(Listed(), raw), tmp_path / "out")
    with pytest.raises(ConfigError, match=f"was begun with {words}; give the same, or choose another folder"):
        prepare(Preparation(**{"dataset": Listed(), "raw": raw, **changes}), tmp_path / "out")


def test_another_root_is_refused(raw, tmp_path):
    prepare(Preparation(Listed(), raw), tmp_path / "out")
    raw.rename(tmp_path / "moved")
    with pytest.raises(ConfigError, match=r"was begun with RAW .*raw', and now RAW is .*moved'"):
        prepare(Preparation(Listed(), tmp_path / "moved"), tmp_path / "out")


def test_a_folder_with_other_files_is_left_alone(raw, tmp_path):
    with pytest.raises(OutputError, match="holds other files, such as keys; choose an empty folder"):
        prepare(Preparation(Listed(), raw), raw)
    assert [file.name for file in raw.iterdir()] == ["keys"]


def test_samples_that_cannot_be_read_are_left_out_and_named(raw, tmp_path):
    (raw / "bad").write_text("train/5")
    report = prepare(Preparation(Listed(), raw), tmp_path / "out", most_dropped=0.1)
    (dropped,) = report.dropped
    assert (dropped.split, dropped.key) == ("train", "train/5")
    assert dropped.why == "train/5: damaged (on purpose); download it again"
    assert json.loads((tmp_path / "out" / "report.json").read_bytes())["dropped"] == [vars(dropped)]
    assert report.splits["train"].samples == 11
    assert Shards().scan(tmp_path / "out", "train") == [f"train/{number}" for number in range(12) if number != 5]
    assert prepare(Preparation(Listed(), raw), tmp_path / "out") == report


def test_samples_that_the_data_sets_rules_refuse_are_no_damage(raw, tmp_path):
    refused = [f"train/{number}" for number in range(12) if number != 7]
    (raw / "refused").write_text(" ".join(refused))
    report = prepare(Preparation(Listed(), raw), tmp_path / "out", most_dropped=0.0)
    assert [one.key for one in report.refused] == refused and report.refused[0].why == "train/0: by rule"
    assert report.dropped == () and Shards().scan(tmp_path / "out", "train") == ["train/7"]
    assert (report.splits["train"].refused, report.splits["train"].dropped) == (11, 0)
    written = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert [one["key"] for one in written["refused"]] == refused and written["dropped"] == []
    assert prepare(Preparation(Listed(), raw), tmp_path / "out") == report


def test_what_is_refused_is_not_read_again_where_a_run_goes_on(raw, tmp_path):
    (raw / "refused").write_text("train/2")
    (raw / "bad").write_text("train/5")
    with pytest.raises(DataError, match="1 of 7 samples so far cannot be read"):
        prepare(Preparation(Listed(), raw), tmp_path / "out", most_dropped=0.0)
    (raw / "refused").unlink()
    (raw / "bad").unlink()
    report = prepare(Preparation(Listed(), raw), tmp_path / "out", most_dropped=0.0)
    assert [one.key for one in report.refused] == ["train/2"]


def test_a_data_set_of_which_everything_is_refused_is_an_error(raw, tmp_path):
    (raw / "refused").write_text((raw / "keys").read_text())
    with pytest.raises(DataError, match="samples from all over it can be read: train/0: by rule"):
        prepare(Preparation(Listed(), raw), tmp_path / "out")


def test_too_many_of_them_end_it_and_what_was_repaired_is_read_again(raw, tmp_path):
    (raw / "bad").write_text("train/5 train/6")
    with pytest.raises(DataError, match=r"2 of 8 samples so far cannot be read \(train/5: damaged .*report.json lists"):
        prepare(Preparation(Listed(), raw), tmp_path / "out", most_dropped=0.1)
    assert not (tmp_path / "out" / "shards.json").exists()
    assert len(json.loads((tmp_path / "out" / "report.json").read_bytes())["dropped"]) == 2
    first = (tmp_path / "out" / "train-00000.tar").stat().st_mtime_ns
    (raw / "bad").write_text("train/6")
    report = prepare(Preparation(Listed(), raw), tmp_path / "out", most_dropped=0.1)
    assert [one.key for one in report.dropped] == ["train/6"]
    assert (tmp_path / "out" / "train-00000.tar").stat().st_mtime_ns == first
    prepare(Preparation(Listed(), raw), tmp_path / "undisturbed", most_dropped=0.1)
    assert content(tmp_path / "out") == content(tmp_path / "undisturbed")


def test_where_nothing_can_be_read_the_first_reason_is_told_at_once(raw, tmp_path):
    (raw / "bad").write_text((raw / "keys").read_text())
    with pytest.raises(DataError, match=r"none of 8 samples from all over it can be read: train/0: damaged"):
        prepare(Preparation(Listed(), raw), tmp_path / "out", most_dropped=1)


def test_a_data_set_that_has_changed_meanwhile_is_told(raw, tmp_path):
    (raw / "bad").write_text("train/5 train/6")
    with pytest.raises(DataError, match="cannot be read"):
        prepare(Preparation(Listed(), raw), tmp_path / "out")
    (raw / "keys").write_text((raw / "keys").read_text() + "\ntrain/12")
    with pytest.raises(DataError, match=r"have changed since .* was begun \(now train 13.*then train 12"):
        prepare(Preparation(Listed(), raw), tmp_path / "out")


def test_keys_of_two_splits_must_differ(raw, tmp_path):
    class Twice(Listed):
        def scan(self, root, split):
            return ["train/1"]

    with pytest.raises(DataError, match=r"the key 'train/1' is in `train` and `test`; leave one out by --splits"):
        prepare(Preparation(Twice(), raw), tmp_path / "out")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"splits": ("val",)}, "no split named `val`"),
        ({"fields": ("normals",)}, "no field named `normals`"),
        ({"splits": ("test", "test")}, "different names"),
        ({"count": -1}, "--count"),
        ({"size": (0, 5)}, "--size"),
        ({"shard_size": 0}, "--shard-size"),
    ],
)
def test_options_that_cannot_work_are_refused_before_anything_is_written(raw, tmp_path, settings, words):
    with pytest.raises((ConfigError, DataError), match=words):
        prepare(Preparation(Listed(), raw, **settings), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))


def test_a_disk_without_room_is_told_before_the_work_begins(raw, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(OutputError, match=r"the shards need about 0.0 GB, and 0.0 GB are free; choose another disk"):
        prepare(Preparation(Listed(), raw), tmp_path / "out")


def test_a_shard_that_the_disk_gives_back_otherwise_is_not_kept(raw, tmp_path, monkeypatch):
    def spoilt(path, parts):
        content = bytearray(path.read_bytes())
        content[parts[1].start + 60] ^= 1
        path.write_bytes(content)
        return compare(path, parts)

    compare = _shard_write.read_back
    monkeypatch.setattr(_shard_write, "read_back", spoilt)
    with pytest.raises(OutputError, match=r"image.png in it has another checksum .* check the disk"):
        prepare(Preparation(Listed(), raw), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.tar"))


def test_runs_that_are_killed_anywhere_end_with_the_bytes_of_one_that_was_not(raw):
    command = [sys.executable, "-W", "error", "-m", "toys.shards", str(raw)]
    done = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
