"""Runs that are killed at random moments end with the same bits, and leave no process behind."""

import os
import random
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

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
