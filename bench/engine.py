"""Full-size networks near the chip's limit: ours against diffusers, in one run, as one table.

python bench/engine.py --device cuda --result FILE [--seconds S] [--rows A,B,...] [--total S]      measures
python bench/engine.py --device cpu --result FILE
python bench/engine.py --report FILE...             writes bench/results/engine.md from one or several such files

Makes checkpoints of Stable Diffusion 2's size with random weights, and measures both engines on the same photos, from a
picture in memory to a map in memory, warm, with the GPU waited for. The limit is the rate of a product of large
matrices in the same run, and the arithmetic is counted on diffusers' networks. Rows are printed and written to the
result file as they end, so that a run that is stopped keeps what it has; one that fails, or takes longer than `--most`,
costs itself alone. Rows are named ENGINE/TASK; `--rows ENGINE` takes all of an engine. On a GPU the rows of an engine
share a process, and the first one is measured before the others; on a CPU each has its own. With `--size tiny` the same
rows take small networks.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

import engine_page
from engine_rows import CASES, chosen, processes
from marigold.core.documents import read_json
from marigold.core.errors import DataError
from marigold.core.files import whole_file, write_json

PAGE = Path(__file__).parent / "results" / "engine.md"
WORK = Path(__file__).parent / "engine_work.py"
CACHES = {"TORCHINDUCTOR_CACHE_DIR": "inductor", "TRITON_CACHE_DIR": "triton", "XDG_CACHE_HOME": "cache"}
"""Folders of the run, so that the first process that compiles finds nothing compiled."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--size", choices=CASES, default="full")
    parser.add_argument("--rows", default="", help="rows or engines with commas; those of the device if left out")
    parser.add_argument("--seconds", type=float, default=5.0, help="time of a row's measured runs")
    parser.add_argument("--quick", action="store_true", help="2 seconds a row, and 24 photos")
    parser.add_argument("--photos", type=int, default=120, help="photos of a folder")
    parser.add_argument("--most", type=float, default=180.0, help="seconds after which a row is given up")
    parser.add_argument("--total", type=float, default=3600.0, help="seconds after which no row is begun or goes on")
    parser.add_argument("--threads", type=int, default=2, help="threads of the networks on the CPU")
    parser.add_argument("--work", type=Path, help="a folder whose checkpoints and compiled code stay for another run")
    parser.add_argument("--result", type=Path, help="a JSON file, which rows are added to")
    parser.add_argument("--report", type=Path, nargs="+", metavar="FILE", help="write the page, and measure nothing")
    parser.add_argument("--page", type=Path, default=PAGE, help="where the page is written")
    options = parser.parse_args()
    if options.report:
        with whole_file(options.page) as file:
            file.write(engine_page.page(_rows(options.report)).encode())
        return
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("--device cuda: this machine shows no GPU; use cpu")
    if options.quick:
        options.seconds, options.photos = min(options.seconds, 2.0), min(options.photos, 24)
    measure(options)


def measure(options: argparse.Namespace) -> None:
    """Measures the rows, and adds each to the result file as it ends."""
    rows = chosen(options.rows, options.device)
    found = _rows([options.result]) if options.result and options.result.exists() else []
    with tempfile.TemporaryDirectory(prefix="engine-") as temporary:
        for row in measured(options, rows, options.work or Path(temporary)):
            print(engine_page.line(row), flush=True)
            found.append(row)
            if options.result:
                write_json(options.result, {"rows": found})


def measured(options: argparse.Namespace, rows: list[str], work: Path) -> Iterator[dict[str, Any]]:
    """The rows in turn, each from a process of its engine; one that ends early costs the row that it was at."""
    until = time.monotonic() + options.total
    work.mkdir(parents=True, exist_ok=True)
    for row in answers(options, ["make"], work, until):
        if "failed" in row:
            raise SystemExit(f"the checkpoints cannot be made: {row['failed']}")
    for group in processes(rows, options.device):
        left = list(group)
        while left and time.monotonic() < until:
            for row in answers(options, left, work, until):
                left.remove(row["row"])
                yield row
            if left:
                failed = f"ended without an answer, or took more than {options.most:g} s"
                yield {"row": left.pop(0), "device": options.device, "size": options.size, "failed": failed}


def answers(options: argparse.Namespace, rows: list[str], work: Path, until: float) -> Iterator[dict[str, Any]]:
    """What one process says of its rows; it is ended, with what it started, when it takes too long for one."""
    command = [sys.executable, str(WORK), *rows, "--work", str(work), "--began", str(time.time())]
    for name in ("size", "device", "seconds", "photos"):
        command += [f"--{name}", str(getattr(options, name))]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=_environment(options, work, rows), start_new_session=True
    )
    with process:
        try:
            while line := _line(process, min(options.most, until - time.monotonic())):
                if line.startswith('{"row"'):
                    yield json.loads(line)
        finally:
            _end(process)


def _environment(options: argparse.Namespace, work: Path, rows: list[str]) -> dict[str, str]:
    """That of a process; threads do not spin while they wait, as the command line's do not.

    The one that warms up finds nothing compiled.
    """
    kept = tempfile.mkdtemp(dir=work) if any(row.endswith("/warming") for row in rows) else work
    places = {variable: str(Path(kept) / name) for variable, name in CACHES.items()}
    threads = {"OMP_NUM_THREADS": str(options.threads)} if options.device == "cpu" else {}
    return {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", **places, **threads}


def _line(process: subprocess.Popen[str], seconds: float) -> str:
    """The next line of its output; empty when it has ended, or is ended because none came in so many seconds."""
    assert process.stdout
    watch = threading.Timer(max(0.0, seconds), _end, (process,))
    watch.start()
    try:
        return process.stdout.readline()
    finally:
        watch.cancel()


def _end(process: subprocess.Popen[str]) -> None:
    """Ends a process and those that it started, where they are still there."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _rows(files: Iterable[Path]) -> list[dict[str, Any]]:
    remedy, found = "give a file that `python bench/engine.py --result` wrote", []
    for file in files:
        try:
            content = read_json(file, DataError, remedy)
        except DataError as error:
            raise SystemExit(str(error)) from None
        if not isinstance(content, dict) or not isinstance(content.get("rows"), list):
            raise SystemExit(f"{file}: holds no rows; {remedy}")
        found += content["rows"]
    return found


if __name__ == "__main__":
    main()
