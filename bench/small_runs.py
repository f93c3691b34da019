"""Many small trainings of depth within a time budget: side by side in processes, with a result file after each.

All share scenes that are rendered once (`stored_scenes.py`). What stops a series, the budget too, leaves the runs that
were finished in the result file, and the same command goes on from there.
"""

import argparse
import functools
import itertools
import math
import multiprocessing
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from marigold.core.documents import read_json
from marigold.core.errors import OutputError
from marigold.core.files import write_json
from marigold.data.source import Source
from marigold.modalities.depth import Depth
from marigold.objectives.denoise import Denoise
from marigold.train.loop import train
from marigold.train.recipe import Every, Recipe, load
from stored_scenes import (
    FAMILIES,
    HeldOut,
    OutOfTime,
    StoredPools,
    baselines,
    check_time,
    held_out,
    held_out_source,
    pieces,
    store,
)

BEGUN = time.time()
RESERVE = 10.0
"""Seconds of the budget that are kept for the start of Python and the end of the processes."""
GRACE = 20.0
"""Seconds past the deadline after which processes are ended from outside."""
SAFE = 0.85
"""The share of the time that is left which the runs are planned to take."""
PACE = 48
"""Steps that a pace is measured with."""
PARTS = 32
"""Runs have a multiple of so many steps where the budget chooses, so that snapshots fall on round shares."""
FACTS = ("size", "steps", "batch", "pool", "scenes", "start", "reuse")
"""The options that decide what a run computes."""


@dataclass(frozen=True)
class Job:
    """One run of a series."""

    name: str
    """The condition."""
    seed: int

    def folder(self, out: Path) -> Path:
        """Where it trains."""
        words = "".join(letter if letter.isalnum() else "-" for letter in self.name)
        return out / "runs" / f"{words}-{self.seed}"

    def is_in(self, runs: Iterable[dict[str, Any]]) -> bool:
        """Whether it is among finished runs."""
        return any(run["name"] == self.name and run["seed"] == self.seed for run in runs)


Work = Callable[[argparse.Namespace, Job], dict[str, Any]]
"""What a run finds, for the result file; a function of a module, as processes call it."""


def add_options(
    parser: argparse.ArgumentParser, result: Path, *, steps: int, seeds: int, reuse: int, scoring: float
) -> None:
    """The options that every series has; `scoring` is how many seconds of a run are planned beside its steps."""
    parser.set_defaults(scoring=scoring)
    parser.add_argument("out", type=Path, help="folder for scenes and runs")
    parser.add_argument("--result", type=Path, default=result)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--minutes", type=float, default=0.0, help="stop after so long (default: when all is done)")
    parser.add_argument("--processes", type=int, default=1, help="runs side by side")
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--size", type=int, default=128, help="height and width of the scenes in pixels")
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--pool", type=int, default=4096, help="training scenes of each kind")
    parser.add_argument("--scenes", type=int, default=64, help="held-out scenes of each family")
    parser.add_argument("--start", default="generator")
    parser.add_argument("--compiled", action="store_true", help="compile the networks: a slow start, faster steps")
    parser.add_argument("--reuse", type=int, default=reuse, help="how often an encoded batch is used")


def run(
    options: argparse.Namespace,
    jobs: list[Job],
    work: Work,
    sources: Iterable[Source],
    paced: Recipe | None,
    facts: Iterable[str] = FACTS,
) -> dict[str, Any]:
    """Makes the jobs in their order, as many as fit into the budget, and returns the result, which is on disk too.

    With a budget, `steps` are what its time is enough for, by the pace of `paced`, and at most what was asked for; they
    stay as they are without one. `facts` are the options that a result file must agree with to be gone on with. A job
    that fails is reported when all others are done, by `SystemExit`.
    """
    # One thread and no progress bars: many processes share the machine and the terminal.
    os.environ |= {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    options.deadline = BEGUN + 60 * options.minutes - RESERVE if options.minutes else float("inf")
    result, failed = _begun(options, facts), []
    left = [job for job in jobs if not job.is_in(result["runs"])]
    with _processes(min(options.processes, len(left))) as pool:
        try:
            _prepare(pool, options, sources, result, paced, len(left))
            _make(pool, options, left, work, result, failed)
        except OutOfTime:
            pool.shutdown(cancel_futures=True)
    done = sum(job.is_in(result["runs"]) for job in jobs)
    say(f"{done} of {len(jobs)} runs are in {options.result}")
    if failed:
        sys.exit("\n".join(failed))
    return result


def _prepare(
    pool: ProcessPoolExecutor,
    options: argparse.Namespace,
    sources: Iterable[Source],
    result: dict[str, Any],
    paced: Recipe | None,
    left: int,
) -> None:
    """Renders the scenes, and chooses how many steps a run has."""
    every = [*sources, *(held_out_source(family, options.size, options.scenes) for family in FAMILIES)]
    parts = [(source, piece) for source in every for piece in pieces(source)]
    waiting = [pool.submit(store, scenes(options), *part, options.device, options.deadline) for part in parts]
    _results(waiting)
    say("scenes are rendered")
    result["baselines"] = baselines(held_out(scenes(options), options.size, options.scenes, "cpu"))
    if paced and options.minutes and not result["runs"]:
        side_by_side = min(options.processes, left)
        seconds = max(_results([pool.submit(pace, options, paced, number) for number in range(side_by_side)]))
        rounds = math.ceil(left / side_by_side)
        fitting = int(((options.deadline - time.time()) * SAFE / rounds - options.scoring) / seconds)
        options.steps = min(options.steps, max(PARTS, fitting // PARTS * PARTS))
        result["facts"]["steps"] = options.steps
        say(f"{seconds * 1000:.0f} ms a step, {side_by_side} side by side: runs of {options.steps} steps")


def _make(
    pool: ProcessPoolExecutor,
    options: argparse.Namespace,
    jobs: list[Job],
    work: Work,
    result: dict[str, Any],
    failed: list[str],
) -> None:
    """Makes the jobs; the result is written after each."""
    futures = {pool.submit(work, options, job): job for job in jobs}
    until = max(options.deadline - time.time(), 0) + GRACE if options.minutes else None
    try:
        for future in as_completed(futures, until):
            _take(future, futures[future], result, options.result, failed)
    except TimeoutError:
        for process in multiprocessing.active_children():
            process.kill()


def pace(options: argparse.Namespace, paced: Recipe, number: int) -> float:
    """Seconds of a step of this recipe, one in `reuse` of which draws a batch; the first half warms the device up."""
    pools = StoredPools(scenes(options), options.device, options.deadline)
    folder = options.out / "pace" / str(number)
    shutil.rmtree(folder, ignore_errors=True)
    made = replace(paced, steps=PACE, every=Every(log=PACE, save=0, validate=0))
    train(made, folder, device=options.device, pools=pools)
    later = pools.times[len(pools.times) // 2 :]
    between = statistics.median(after - before for before, after in itertools.pairwise(later))
    return between / options.reuse


def scenes(options: argparse.Namespace) -> Path:
    """The folder of the rendered scenes."""
    return options.out / "scenes"


def say(text: str) -> None:
    print(f"[{time.time() - BEGUN:4.0f} s] {text}", flush=True)


def recipe(
    options: argparse.Namespace,
    job: Job,
    data: tuple[Source, ...],
    *,
    modality: Depth,
    noise: Any = "annealed",
    fresh: bool = False,
    keep: int = 0,
) -> Recipe:
    """The published protocol for the small generator: uniform times, masked error of v, one phase.

    Optimizer and rate are those of `tiny-depth`.
    """
    base = load("tiny-depth")
    return replace(
        base,
        name=job.folder(options.out).name,
        start=options.start,
        layers=(),
        fresh_denoiser=fresh,
        data=data,
        modality=modality,
        objective=Denoise(noise=noise, strength=0.9),
        plan=replace(base.plan, compiled=options.compiled),
        optim=replace(base.optim, warmup=min(100, options.steps // 4), decay=options.steps),
        phases=(),
        reuse=options.reuse,
        every=Every(log=options.steps, save=0, validate=0, keep=keep),
        steps=options.steps,
        batch=options.batch,
        average=0.99,
        seed=job.seed,
        validation_batches=0,
    )


def trained(options: argparse.Namespace, job: Job, made: Recipe, minutes: float = 0.0) -> Path:
    """Trains in the job's folder, which is returned, for so many minutes or, with 0, all steps. Raises `OutOfTime`."""
    folder = job.folder(options.out)
    check_time(options.deadline)
    pools = _pools(scenes(options), options.device, options.deadline)
    train(made, folder, device=options.device, pools=pools, minutes=minutes)
    return folder


def drop(options: argparse.Namespace, job: Job) -> None:
    """Deletes what a finished run has trained."""
    shutil.rmtree(job.folder(options.out))


@functools.cache
def scenes_to_score(folder: Path, size: int, count: int, device: str) -> HeldOut:
    """The held-out scenes, loaded once in a process."""
    return held_out(folder, size, count, device)


@functools.cache
def _pools(folder: Path, device: str, deadline: float) -> StoredPools:
    return StoredPools(folder, device, deadline)


def _processes(count: int) -> ProcessPoolExecutor:
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(max(1, count), mp_context=spawn, initializer=_one_thread)


def _one_thread() -> None:
    torch.set_num_threads(1)


def _begun(options: argparse.Namespace, names: Iterable[str]) -> dict[str, Any]:
    """The result file's content, where it is one of the same settings; else an empty one."""
    facts = {name: getattr(options, name) for name in names}
    if options.result.is_file():
        found = read_json(options.result, OutputError, "delete it to begin anew")
        if found.get("asked") == facts:
            options.steps = found["facts"]["steps"]
            return found
    scenes(options).mkdir(parents=True, exist_ok=True)
    options.result.parent.mkdir(parents=True, exist_ok=True)
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    return {"asked": facts, "facts": {**facts}, "device": device, "torch": torch.__version__, "runs": []}


def _results(futures: list[Future]) -> list:
    return [future.result() for future in futures]


def _take(future: Future, job: Job, result: dict[str, Any], path: Path, failed: list[str]) -> None:
    """Adds what a finished run found to the result and its file."""
    try:
        found = future.result()
    except OutOfTime:
        return
    except Exception as error:
        failed.append(f"{job.name}, seed {job.seed}: {type(error).__name__}: {error}")
        say(failed[-1])
        return
    result["runs"] = sorted([*result["runs"], {"name": job.name, "seed": job.seed, **found}], key=_order)
    write_json(path, result)
    say(f"{job.name}, seed {job.seed}: {found['seconds']:.0f} s")


def _order(run: dict[str, Any]) -> tuple[int, str]:
    return run["seed"], run["name"]
