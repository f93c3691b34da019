"""Many small trainings of depth within a time budget: side by side in processes, with a result file after each.

All share scenes that are rendered once (`stored_scenes.py`). What stops a series, the budget too, leaves the runs that
were finished in the result file, and the same command goes on from there.
"""

import argparse
import functools
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from stored_scenes import (
    FAMILIES,
    HeldOut,
    OutOfTime,
    StoredPools,
    baselines,
    held_out,
    held_out_source,
    pieces,
    store,
)

from marigold.core.documents import read_json
from marigold.core.errors import OutputError
from marigold.core.files import write_json
from marigold.data.source import Source
from marigold.modalities.depth import Depth
from marigold.objectives.denoise import Denoise
from marigold.train.loop import train
from marigold.train.recipe import Every, Optim, Recipe, load

BEGUN = time.time()
RESERVE = 10.0
"""Seconds of the budget that are kept for the start of Python and the end of the processes."""
GRACE = 20.0
"""Seconds past the deadline after which processes are ended from outside."""
FACTS = ("size", "steps", "batch", "pool", "scenes", "start", "optimizer", "lr", "average", "reuse")
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


def add_options(parser: argparse.ArgumentParser, result: Path, *, steps: int, seeds: int) -> None:
    """The options that every series has."""
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
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="muon")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--average", type=float, default=0.99)
    parser.add_argument("--reuse", type=int, default=1, help="how often an encoded batch is used")


def run(options: argparse.Namespace, jobs: list[Job], work: Work, sources: Iterable[Source]) -> dict[str, Any]:
    """Makes the jobs in their order, as many as fit into the budget, and returns the result, which is on disk too.

    A job that fails is reported when all others are done, by `SystemExit`.
    """
    # One thread and no progress bars: many processes share the machine and the terminal.
    os.environ |= {"OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"}
    options.deadline = BEGUN + 60 * options.minutes - RESERVE if options.minutes else float("inf")
    result = _begun(options)
    left = [job for job in jobs if not job.is_in(result["runs"])]
    failed: list[str] = []
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, min(options.processes, len(left))), mp_context=spawn, initializer=_one_thread) as pool:
        every = [*sources, *(held_out_source(family, options.size, options.scenes) for family in FAMILIES)]
        _wait([pool.submit(store, scenes(options), x, piece, options.device) for x in every for piece in pieces(x)])
        say(f"scenes are rendered; {len(left)} runs to make")
        result["baselines"] = baselines(held_out(scenes(options), options.size, options.scenes, "cpu"))
        futures = {pool.submit(work, options, job): job for job in left}
        try:
            for future in as_completed(futures, max(options.deadline - time.time(), 0) + GRACE if options.minutes else None):
                _take(future, futures[future], result, options.result, failed)
        except TimeoutError:
            for process in multiprocessing.active_children():
                process.kill()
    done = sum(job.is_in(result["runs"]) for job in jobs)
    say(f"{done} of {len(jobs)} runs are in {options.result}")
    if failed:
        sys.exit("\n".join(failed))
    return result


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
    """The published protocol for the small generator: uniform times, masked error of v, one phase."""
    return replace(
        load("tiny-depth"),
        name=job.folder(options.out).name,
        start=options.start,
        layers=(),
        fresh_denoiser=fresh,
        data=data,
        modality=modality,
        objective=Denoise(noise=noise, strength=0.9),
        optim=Optim(
            name=options.optimizer,
            lr=options.lr,
            warmup=min(100, options.steps // 4),
            decay=options.steps,
            final=0.02,
            weight_decay=0.01,
        ),
        phases=(),
        reuse=options.reuse,
        every=Every(log=options.steps, save=0, validate=0, keep=keep),
        steps=options.steps,
        batch=options.batch,
        average=options.average,
        seed=job.seed,
        validation_batches=0,
    )


def trained(options: argparse.Namespace, job: Job, made: Recipe) -> Path:
    """Trains in the job's folder, which is returned. Raises `OutOfTime`."""
    folder = job.folder(options.out)
    train(made, folder, device=options.device, pools=_pools(scenes(options), options.device, options.deadline))
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


def _one_thread() -> None:
    torch.set_num_threads(1)


def _begun(options: argparse.Namespace) -> dict[str, Any]:
    """The result file's content, where it is one of the same settings; else an empty one."""
    facts = {name: getattr(options, name) for name in FACTS}
    if options.result.is_file():
        found = read_json(options.result, OutputError, "delete it to begin anew")
        if found.get("facts") == facts:
            return found
    scenes(options).mkdir(parents=True, exist_ok=True)
    options.result.parent.mkdir(parents=True, exist_ok=True)
    device = torch.cuda.get_device_name() if options.device.startswith("cuda") else options.device
    return {"facts": facts, "device": device, "torch": torch.__version__, "runs": []}


def _wait(futures: list[Future[None]]) -> None:
    for future in futures:
        future.result()


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
