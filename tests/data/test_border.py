"""Whatever code of others does wrong with a data set is an error that names the sample, here and in other processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from marigold.core.errors import ConfigError, DataError, RefusedSampleError
from marigold.core.flaws import flaw
from marigold.core.sample import Camera, Sample
from marigold.data import border
from marigold.data.pool import Pool
from marigold.data.reader import MOST_WORKERS, Reader, Reading
from marigold.data.source import Source
from marigold.datasets.base import Dataset
from toys.misbehaving import FAILURES, SPOILT, Misbehaving, sample

ROOT = Path("/data/set")
RAISED = [name for name in FAILURES if name != "dies"]


def reader(keys, how):
    return Reader(Source(Misbehaving(), block=1), ("depth",), lambda number: [keys[number]], how, len(keys))


@pytest.mark.parametrize("key", RAISED)
def test_what_reading_raises_names_the_sample(key):
    with pytest.raises(DataError) as caught:
        border.read(Misbehaving(), ROOT, key)
    words = str(caught.value)
    assert words.startswith(f"{key}: ") and words.isprintable() and len(words) < 600


def test_what_the_data_set_refuses_stays_apart_from_what_is_damaged():
    class Refusing(Misbehaving):
        def read(self, root, key):
            raise RefusedSampleError(f"{key}: by rule")

    with pytest.raises(RefusedSampleError, match=r"^a: by rule$"):
        border.read(Refusing(), ROOT, "a")


@pytest.mark.parametrize("how", SPOILT)
def test_what_is_no_sample_is_said_with_its_name(how):
    for read in (lambda: border.read(Misbehaving(), ROOT, how), lambda: reader([how], Reading()).block(0)):
        with pytest.raises(DataError, match=rf"^{how}: .*; correct the sample, or `toys.misbehaving`"):
            read()
    with pytest.raises(DataError, match=f"^{how}: "):
        border.read_many(Misbehaving(), ROOT, ["good", how], "cpu")


def test_a_good_sample_has_no_flaw():
    assert flaw(sample()) == ""
    camera = Camera(*(torch.ones(2, dtype=torch.float64) for _ in range(4)))
    batch = Sample("a b", torch.rand(2, 3, 8, 8), {}, {}, camera)
    assert flaw(batch, (2,)) == ""
    assert flaw(batch, (3,)) == "image is [2, 3, 8, 8], not [3, 3, 8, 8]"
    nan = Sample(
        "a", torch.rand(3, 8, 8), {"depth": torch.full((1, 8, 8), torch.nan)}, {"depth": sample().valid["depth"]}
    )
    assert flaw(nan) == ""  # such pixels are not used


def test_a_sample_has_the_key_it_was_asked_for_and_no_gradient():
    class Other(Misbehaving):
        def read(self, root, key):
            return Sample("another", torch.full((3, 8, 8), 0.5, requires_grad=True), {}, {})

    found = border.read(Other(), ROOT, "test/1")
    assert found.key == "test/1" and not found.image.requires_grad


class Rendering(Misbehaving):
    """Makes samples together, one fewer than it is asked for."""

    def prepare(self, root, keys):
        return {}["scene"] if keys[0] == "unprepared" else len(keys)

    def finish(self, prepared, device):
        return Sample("", torch.rand(prepared - 1, 3, 8, 8), {}, {})


def test_data_sets_that_render_are_checked_alike():
    with pytest.raises(DataError, match=r"^a and 1 others: image is \[1, 3, 8, 8\], not \[2, 3, 8, 8\]"):
        border.read_many(Rendering(), ROOT, ["a", "b"], "cpu")
    source = Source(Rendering(), block=2)
    with pytest.raises(DataError, match=r"^a and 1 others: image is"):
        Reader(source, (), lambda number: ["a", "b"], Reading(), None).block(0)
    with pytest.raises(DataError, match=r"^unprepared and 1 others: .*KeyError"):
        Reader(source, (), lambda number: ["unprepared", "b"], Reading(), None).block(0)


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (["a", "b", "a"], "the key 'a' is twice in the split `train`"),
        ([1], "the key 1 is no text"),
        ([["a"]], "the key .* is no text"),
        (["a\n\udce9", "a\n\udce9"], r"the key 'a\\n\\udce9' is twice"),
        ([], "the split `train` has no sample; fill it, or choose among: train, test"),
        (None, "TypeError"),
        (7, "TypeError"),
        (FAILURES["system"], "OSError"),
        (FAILURES["exit"], "SystemExit"),
    ],
)
def test_keys_that_cannot_be_used_name_the_folder(keys, complaint):
    def scanned(source):
        return border.keys(source.dataset, source.root, source.split)

    for use in (scanned, lambda source: Pool(source, (), 0, Reading())):
        with pytest.raises(DataError, match=f"^/data/set: .*{complaint}") as caught:
            use(Source(Misbehaving(keys), root=ROOT))
        assert str(caught.value).isprintable()


def test_a_label_that_cannot_be_read_names_the_folder():
    class Labelled(Misbehaving):
        def card_of(self, root):
            raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    with pytest.raises(DataError, match=r"^/data/set: .*UnicodeDecodeError"):
        border.card(Labelled(), ROOT)


def test_other_processes_say_the_same_and_one_that_dies_is_named():
    there = reader([*RAISED, "good", "dies"], Reading(workers=1))
    try:
        for number, key in enumerate(RAISED):
            with pytest.raises(DataError, match=f"^{key}: ") as caught:
                there.block(number)
            assert str(caught.value).isprintable()
        with pytest.raises(DataError, match=r"a process that reads toys\.misbehaving was ended from outside"):
            for number in (len(RAISED), len(RAISED) + 1):
                there.block(number)
    finally:
        there.close()


def test_a_data_set_that_cannot_be_sent_to_another_process_is_named():
    class Local(Misbehaving):
        pass

    there = Reader(Source(Local(), block=1), (), lambda number: ["good"], Reading(workers=1), 1)
    try:
        with pytest.raises(DataError, match="cannot be read in another process"):
            there.block(0)
    finally:
        there.close()


ORPHANS = """
import os
from marigold.data.reader import Reader, Reading
from marigold.data.source import Source
from toys.scenes import Toy

if __name__ == "__main__":
    reader = Reader(Source(Toy(), block=1), ("depth",), lambda number: ["train/0"], Reading(workers=1), 1)
    reader.block(0)
    print(*reader._pool._processes, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_processes_end_when_the_one_that_started_them_was_killed(tmp_path):
    script = tmp_path / "orphans.py"
    script.write_text(ORPHANS)
    path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    found = subprocess.run(
        [sys.executable, str(script)], env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    )
    worker = int(found.stdout)
    until = time.monotonic() + 20
    while _runs(worker) and time.monotonic() < until:
        time.sleep(0.02)
    assert not _runs(worker)


def _runs(process: int) -> bool:
    """Whether the process is there and not only waits to be buried."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("workers", [-1, MOST_WORKERS + 1, 10**9])
def test_numbers_of_processes_that_cannot_be_are_refused(workers):
    with pytest.raises(ConfigError, match=rf"--workers: {workers} cannot be used; it must be 0 to {MOST_WORKERS}"):
        Reading(workers=workers)


def test_every_data_set_is_read_through_the_border():
    """Nothing above the layer calls the four methods itself."""
    source = Path(border.__file__).parents[1]
    calls = [f"dataset.{name}(" for name in ("scan", "read", "read_many", "card_of")]
    texts = {file: file.read_text(encoding="utf-8") for file in source.rglob("*.py")}
    found = {file.name for file, text in texts.items() if any(call in text for call in calls)}
    assert found == {"border.py"} and hasattr(Dataset, "read_many")
