"""Runs that are killed at random moments end with the same bits, and leave no process behind."""

import errno
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from marigold.core import files
from marigold.core.errors import OutputError
from marigold.train import log, run, state
from marigold.train.loop import train
from marigold.train.place import LOCK
from marigold.train.recipe import Every
from train.test_loop import losses, recipe, same, weights

TESTS = Path(__file__).parents[1]
SCRIPT = """
import sys, pathlib
sys.path.insert(0, sys.argv[1])
import torch
if __name__ == "__main__":
    torch.set_num_threads(1)
    from dataclasses import replace
    from marigold.train.loop import train
    from marigold.train.recipe import Every
    from train.test_loop import recipe
    made = recipe(steps=16, scored=0, validation_batches=1, every=Every(log=1, save=1, validate=8, keep=8))
    train(made, pathlib.Path(sys.argv[2]), workers=int(sys.argv[3]))
"""


def start(script: Path, folder: Path, workers: int) -> subprocess.Popen:
    """A run in a process group of its own."""
    command = [sys.executable, str(script), str(TESTS), str(folder), str(workers)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)


def group(leader: int) -> list[int]:
    """The living processes of a group."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:  # it has just ended
                continue
            if int(of) == leader and state != "Z":
                found.append(int(entry.name))
    return found


def wait(until, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not until():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def ended(process: subprocess.Popen) -> None:
    """Waits for a run that ends well."""
    words = process.communicate()[1].decode()
    assert process.returncode == 0, words


def written(folder: Path) -> int:
    """Bytes of the log."""
    log = folder / "log.jsonl"
    return log.stat().st_size if log.exists() else 0


def test_killed_runs_end_with_the_same_bits_and_leave_no_process(tmp_path):
    script, folder, chance = tmp_path / "script.py", tmp_path / "run", random.Random(0)
    script.write_text(SCRIPT)
    whole = start(script, tmp_path / "whole", 0)
    for _ in range(2):
        begun, killed = written(folder), start(script, folder, 1)
        assert wait(partial(lambda before: written(folder) != before, begun)), "nothing was logged"
        time.sleep(chance.random() * 0.3)
        assert len(group(killed.pid)) > 1, "there is no other process that could live on"
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()
        assert wait(partial(lambda leader: not group(leader), killed.pid)), "a process lives on"
        killed.communicate()
    ended(start(script, folder, 1))
    ended(whole)
    assert same(weights(folder), weights(tmp_path / "whole"))
    assert not (folder / LOCK).exists() and not list(folder.rglob("*.part"))
    assert (folder / "checkpoint/card.json").exists()


MANY = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
torch.set_num_threads(1)
from marigold.data.source import Source
from marigold.train.loop import train
from marigold.train.lora import Lora
from marigold.train.recipe import Every
from toys.scenes import Toy
from train.test_loop import recipe

folder, chance = Path(sys.argv[2]), random.Random(1)
made = recipe(
    steps=12, average=0.9, lora=Lora(rank=2, targets=("to_q", "to_k")), validation_batches=1, scored=0,
    data=(Source(Toy(), weight=0.7), Source(Toy(size=24), weight=0.3)),
    every=Every(log=1, save=1, validate=4, keep=4, keep_last=2),
)


def start(name):
    # The libraries are imported once; a child has what it needs and no thread of its own.
    if pid := os.fork():
        return pid
    try:
        train(made, folder / name)
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(1)


begun = time.monotonic()
assert os.waitpid(start("whole"), 0)[1] == 0
whole, kills = time.monotonic() - begun, 0
for _ in range(20):
    pid = start("killed")
    time.sleep(chance.random() * whole / 3)
    os.kill(pid, signal.SIGKILL)
    kills += os.waitpid(pid, 0)[1] == signal.SIGKILL
assert os.waitpid(start("killed"), 0)[1] == 0
print(kills)
"""


def test_a_run_killed_at_twenty_random_moments_loses_nothing(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(MANY)
    command = [sys.executable, str(script), str(TESTS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) >= 10, "most of the kills came too late"
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert same(weights(whole), weights(killed))
    assert (whole / "log.jsonl").read_text().count('"kind": "train"') == 12
    steps = [[path.name for path in sorted((run / "steps").iterdir())] for run in (whole, killed)]
    assert steps[0] == steps[1] == ["000008", "000012"]


@pytest.mark.parametrize("file", ["state.safetensors", "log.jsonl", "run.json"])
def test_a_full_disk_ends_a_run_that_goes_on_once_there_is_room(file, tmp_path, monkeypatch):
    made, writes = recipe(steps=6, every=Every(log=1, save=1, validate=0)), itertools.count()
    train(made, tmp_path / "whole")

    def full(path: Path) -> bool:
        """Whether the disk has no room for this file, which is so after it was written a few times."""
        return path.name == file and next(writes) > 2

    @contextmanager
    def whole_file(path, *more):
        with files.whole_file(path, *more) as stream:
            if full(Path(path)):
                stream.write(b"half of it")
                raise OSError(errno.ENOSPC, "No space left on device")
            yield stream

    def append(path, *more):
        if full(path):
            path.write_bytes(path.read_bytes() + b'{"step": 3, "ki')
            raise OutputError(f"{path}: cannot be written (no space left on device)")
        return appended(path, *more)

    appended = log.append
    with monkeypatch.context() as patch:
        patch.setattr(state, "whole_file", whole_file)
        patch.setattr(run, "write_json", partial(write_json, whole_file))
        patch.setattr(log, "append", append)
        with pytest.raises(OutputError, match="no space left"):
            train(made, tmp_path / "run")
    train(made, tmp_path / "run")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "run"))
    assert losses(tmp_path / "whole") == losses(tmp_path / "run")


def write_json(whole_file, path: Path, content: object) -> None:
    with whole_file(path) as stream:
        stream.write(json.dumps(content).encode())
