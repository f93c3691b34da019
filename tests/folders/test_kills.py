"""Runs that are killed without a warning, and runs that write into one folder at the same time."""

import os
import subprocess
import sys

from toys.runs import photo


def test_killed_runs_leave_whole_listed_files_and_the_next_run_gives_the_same_bytes(tmp_path):
    for number in range(3):
        photo(tmp_path / f"{number}.png", 40 * number)
    paths = os.pathsep.join([*sys.path, os.path.dirname(os.path.dirname(__file__))])
    done = subprocess.run(
        [sys.executable, "-m", "toys.killed", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    for file in (path for path in (tmp_path / "clean").rglob("*") if path.is_file() and path.suffix != ".json"):
        again = tmp_path / "out" / file.relative_to(tmp_path / "clean")
        assert again.read_bytes() == file.read_bytes(), file
