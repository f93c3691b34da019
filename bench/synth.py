"""How fast scenes are rendered: scenes per second, and the share of each stage.

    python bench/synth.py [--device cuda] [--batch 32] [--count 40] [--workers 2]

`--workers` renders on the CPU in several processes of one thread each, as training does.
"""

import multiprocessing
import os
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from unittest import mock

import torch
import tyro

from marigold.synth import render, scene


@dataclass(frozen=True)
class Options:
    """What to measure."""

    device: str = "cpu"
    size: int = 256
    batch: int = 1
    count: int = 40
    """Scenes to render."""
    workers: int = 0
    """Processes that render side by side (CPU only); 0 renders here, and measures the stages."""


STAGES = (
    ("camera rays and geometry", "marigold.synth.render.trace.cast"),
    ("surfaces", "marigold.synth.render.surface.describe"),
    ("textures", "marigold.synth.render.textures.evaluate"),
    ("shadows and ambient light", "marigold.synth.render.visibility"),
    ("camera", "marigold.synth.render.camera.photograph"),
)
"""Shadow rays are part of two stages: of their own and of the first."""


def main(options: Options) -> None:
    """Prints the measurements."""
    if options.workers:
        return _side_by_side(options)
    _render(options, 0, 2 * options.batch)
    spent: dict[str, float] = {}
    begin = time.perf_counter()
    with _clocks(options.device, spent):
        _render(options, 1000, options.count)
    whole = time.perf_counter() - begin
    print(f"{options.count / whole:.2f} scenes/s at {options.size} px on {options.device}, batches of {options.batch}")
    for name, seconds in spent.items():
        print(f"  {name:28} {100 * seconds / whole:5.1f} %  {1000 * seconds / options.count:7.1f} ms per scene")


def _render(options: Options, first: int, count: int) -> None:
    for index in range(first, first + count, options.batch):
        render.render(0, list(range(index, index + options.batch)), options.size, options.size, options.device)
    _wait(options.device)


def _side_by_side(options: Options) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    ready, go = context.Barrier(options.workers + 1), context.Barrier(options.workers + 1)
    share = options.count // options.workers
    crew = [
        context.Process(target=_work, args=(options, number * share, share, ready, go))
        for number in range(options.workers)
    ]
    for process in crew:
        process.start()
    ready.wait()
    begin = time.perf_counter()
    go.wait()
    for process in crew:
        process.join()
    rate = share * options.workers / (time.perf_counter() - begin)
    print(f"{rate:.2f} scenes/s at {options.size} px in {options.workers} processes")


def _work(options: Options, first: int, count: int, ready, go) -> None:
    torch.set_num_threads(1)
    _render(options, 500 + first, options.batch)
    ready.wait()
    go.wait()
    _render(options, 1000 + first, count)


@contextmanager
def _clocks(device: str, spent: dict[str, float]):
    """Measures `scene.build` and every stage; on a GPU each stage is waited for, which costs a little speed."""
    patches = [mock.patch(f"{__name__}.scene.build", _timed(scene.build, "layout (CPU)", device, spent))]
    patches[0] = mock.patch("marigold.synth.render.scene.build", _timed(scene.build, "layout (CPU)", device, spent))
    for name, target in STAGES:
        module, _, attribute = target.rpartition(".")
        owner = _resolve(module)
        patches.append(mock.patch.object(owner, attribute, _timed(getattr(owner, attribute), name, device, spent)))
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()


def _resolve(path: str):
    value = render
    for part in path.removeprefix("marigold.synth.render").strip(".").split("."):
        value = getattr(value, part) if part else value
    return value


def _timed(function: Callable, name: str, device: str, spent: dict[str, float]) -> Callable:
    def timed(*arguments, **named):
        _wait(device)
        begin = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            _wait(device)
            spent[name] = spent.get(name, 0.0) + time.perf_counter() - begin

    return timed


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


if __name__ == "__main__":
    main(tyro.cli(Options))
