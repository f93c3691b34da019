"""Runs that are killed at random moments end with the same bits, and leave no process behind."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from marigold.train.place import LOCK
from train.test_loop import same, weights

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
    made = recipe(steps=30, scored=0, validation_batches=1, every=Every(log=1, save=1, validate=10, keep=10))
    train(made, pathlib.Path(sys.argv[2]), workers=int(sys.argv[3]))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    file = tmp_path_factory.mktemp("script") / "script.py"
    file.write_text(SCRIPT)
    return file


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


@pytest.fixture(scope="module")
def whole(script, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert start(script, folder, 0).wait() == 0
    return weights(folder)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="tells processes by /proc")
@pytest.mark.parametrize("workers", [0, 1])
def test_killed_runs_end_with_the_same_bits_and_leave_no_process(workers, script, whole, tmp_path):
    folder, chance = tmp_path / "run", random.Random(workers)
    for _ in range(2):
        process = start(script, folder, workers)
        begun = ((folder / "log.jsonl").exists() and (folder / "log.jsonl").stat().st_size) or 0
        log = folder / "log.jsonl"
        assert wait(lambda b=begun: process.poll() is not None or (log.exists() and log.stat().st_size != b))
        time.sleep(chance.random() * 0.3)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert wait(lambda p=process: not group(p.pid)), "a process lives on"
    last = start(script, folder, workers)
    _, words = last.communicate()
    assert last.returncode == 0, words.decode()
    assert same(weights(folder), whole)
    assert not (folder / LOCK).exists() and not list(folder.rglob("*.part"))
    assert (folder / "checkpoint/card.json").exists()
