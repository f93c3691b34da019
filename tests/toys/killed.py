"""`python -m toys.killed FOLDER`: runs over the photos of a folder that are killed, and runs side by side.

Processes are forked before anything is computed, so that each starts at once.
"""

import json
import os
import random
import signal
import sys
from pathlib import Path

from toys.runs import both, run

KILLS = 8
CALLS = 60
"""Renames and flushes of a run over three photos are more than these."""


def forked(work):
    """Starts `work` in a process of its own and returns its number."""
    process = os.fork()
    if not process:
        code = 1
        try:
            code = int(work() is None)
        finally:
            os._exit(code)
    return process


def killed_at(number):
    """Lets the process kill itself at the so-manyth rename or flush, half of the times before it, half after."""
    left = [number]

    def counted(call):
        def counting(*arguments):
            left[0] -= 1
            if left[0] == 0 and number % 2:
                os.kill(os.getpid(), signal.SIGKILL)
            call(*arguments)
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        return counting

    os.replace, os.fsync = counted(os.replace), counted(os.fsync)


def predicted(photos, out, formats, kill=0):
    """What a child does."""
    if kill:
        killed_at(kill)
    return run(photos, out, both(), formats=formats, overwrite=bool(kill), overlap=False)


def listed(out):
    """The files that reports call their own; every report is whole."""
    return {file for report in out.glob("*.json") for file in json.loads(report.read_bytes())["files"]}


def there(out):
    """Every file below a folder that is no temporary one and no lock."""
    files = (path.relative_to(out) for path in out.rglob("*") if path.is_file())
    return {path.as_posix() for path in files if not path.parts[0].startswith(".")}


def main(folder):
    """Ends with code 0 where every promise is kept."""
    photos, formats = sorted(folder.glob("*.png")), "npy,png16,pbr"
    rng = random.Random(17)
    for turn in range(KILLS):
        chosen, kill = formats if turn % 2 else "preview,exr", rng.randrange(1, CALLS)
        process = forked(lambda chosen=chosen, kill=kill: predicted(photos, folder / "out", chosen, kill))
        assert os.waitpid(process, 0)[1] == signal.SIGKILL
        assert there(folder / "out") <= listed(folder / "out"), f"turn {turn}, call {kill}"
    side = [forked(lambda one=one: predicted(photos, folder / "two", one)) for one in (formats, "exr,npy", formats)]
    last = [forked(lambda out=out: predicted(photos, folder / out, formats)) for out in ("out", "clean")]
    for process in (*side, *last):
        assert os.waitpid(process, 0)[1] == 0
    for out in (folder / "out", folder / "two", folder / "clean"):
        assert there(out) == listed(out) and not [name for name in os.listdir(out) if name.startswith(".")]
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
