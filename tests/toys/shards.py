"""A data set that is a list of keys, and `python -m toys.shards RAW`: runs of `prepare` over it that are killed.

Processes are forked before anything is computed, so that each starts at once.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from marigold.core.errors import DataError, RefusedSampleError
from marigold.core.sample import Camera, Sample
from marigold.data import _shard_plan
from marigold.data.prepare import Preparation, prepare
from marigold.datasets.base import Dataset, DatasetCard

KILLS = (3, 9, 10, 12, 5, 6, 8, 10, 13, 25, 10, 2, 4, 5, 6)
"""At which flush, rename or read of a sample runs are killed, one after the other: while samples are measured, in the
plan, in the first shard and what is known of it, in the second, in the last, in the report, the index and the label."""


@dataclass(frozen=True)
class Listed(Dataset):
    """A sample for each line of `RAW/keys`; lines in `RAW/bad` cannot be read, those in `RAW/refused` are not to be.

    Depth is the number of the key.
    """

    side: int = 8
    seconds: float = 0.0
    """How long a sample takes."""
    card: DatasetCard = field(
        default=DatasetCard(("depth", "albedo"), ("train", "test"), "CC0-1.0", "closed form"), init=False
    )

    def scan(self, root: Path, split: str):
        keys = (root / "keys").read_text().split()
        return [key for key in keys if key.startswith(split)]

    def read(self, root: Path, key: str) -> Sample:
        for name, error in (("bad", DataError), ("refused", RefusedSampleError)):
            if (root / name).exists() and key in (root / name).read_text().split():
                raise error(f"{key}: damaged (on purpose); download it again" if name == "bad" else f"{key}: by rule")
        time.sleep(self.seconds)
        number = int(key.rpartition("/")[2])
        noise = torch.from_numpy(np.random.default_rng(number).random((3, self.side, self.side), np.float32))
        valid = torch.ones(1, self.side, self.side, dtype=torch.bool)
        valid[0, 0, 0] = False
        depth = torch.full_like(noise[:1], number + 0.25)
        depth[0, 0, 0] = torch.inf
        maps = {"depth": depth, "albedo": noise}
        return Sample(key, noise, maps, dict.fromkeys(maps, valid), Camera(10.0, 20.0, 4.0, 4.0))


def write_keys(folder: Path) -> Path:
    """Twelve training and three test samples."""
    folder.mkdir()
    keys = [f"train/{number}" for number in range(12)] + [f"test/{number}" for number in range(3)]
    (folder / "keys").write_text("\n".join(keys))
    return folder


def content(out: Path) -> dict[str, bytes]:
    """The bytes of what has a name that a user sees, once nothing is left half written."""
    return {file.name: file.read_bytes() for file in sorted(out.iterdir()) if not file.name.startswith(".")}


def forked(work) -> int:
    """Starts the work in a process of its own, and returns its number."""
    process = os.fork()
    if not process:
        code = 1
        try:
            code = int(work() is None)
        finally:
            os._exit(code)
    return process


def killed_at(number: int, work):
    """Does the work until its so-manyth flush, rename or read of a sample."""
    left = [number]

    def counted(call):
        def counting(*arguments):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments)

        return counting

    os.replace, os.fsync = counted(os.replace), counted(os.fsync)
    Preparation.read = counted(Preparation.read)  # pyright: ignore[reportAttributeAccessIssue]
    return work()


def killed_in_processes(slow: Preparation, out: Path) -> None:
    """Kills a run that works in two processes once a shard is there, and waits for these."""
    process = forked(lambda: (os.setpgid(0, 0), prepare(slow, out, workers=2)))
    while not list(out.glob("*.tar")):
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    assert os.waitpid(process, 0)[1] == signal.SIGKILL
    assert not (out / "shards.json").exists()
    deadline = time.monotonic() + 30
    while living(process):
        assert time.monotonic() < deadline, "processes that work outlive the one that started them"
        time.sleep(0.01)


def living(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def main(raw: Path) -> int:
    """Ends with code 0 where every promise is kept."""
    _shard_plan._MOST_TOGETHER = 4
    out = raw.parent

    def work(name: str):
        return prepare(Preparation(Listed(), raw), out / name)

    assert os.waitpid(forked(lambda: work("whole")), 0)[1] == 0
    wanted = content(out / "whole")
    for number in KILLS:
        status = os.waitpid(forked(lambda number=number: killed_at(number, lambda: work("killed"))), 0)[1]
        assert status == signal.SIGKILL, f"call {number} is not reached"
        assert content(out / "killed").items() <= wanted.items(), f"call {number}"
    slow = Preparation(Listed(seconds=0.1), raw)
    killed_in_processes(slow, out / "processes")
    for name, last in (("killed", lambda: work("killed")), ("processes", lambda: prepare(slow, out / "processes"))):
        assert os.waitpid(forked(last), 0)[1] == 0
        found = content(out / name)
        assert {file: found[file] for file in found if file.endswith(".tar")} == {
            file: wanted[file] for file in wanted if file.endswith(".tar")
        }
        assert not [file.name for file in (out / name).iterdir() if file.name.startswith(".")]
    assert content(out / "killed") == wanted
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
