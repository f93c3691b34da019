"""A run over a clip that is killed outright goes on, loses nothing, and leaves nothing half written."""

import json
import os
import signal
import subprocess
import sys


def test_killed_runs_end_as_one_run_does(tmp_path):
    paths = os.pathsep.join([*sys.path, os.path.dirname(os.path.dirname(__file__))])
    done = subprocess.run(
        [sys.executable, "-m", "toys.killed_clip", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    whole, *killed = json.loads(done.stdout)
    assert whole == {"ends": [0, 0], "left": [], "same": True}
    for one in killed:
        assert one == {"ends": [signal.SIGKILL, 0], "left": [], "same": True}
