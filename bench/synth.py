"""How fast scenes are rendered: scenes per second, and the share of each stage.

    python bench/synth.py [--device cuda --batch 64] [--count 40] [--workers 2] [--result bench/results/synth.md]

`--workers` renders on the CPU in several processes of one thread each.
"""

import multiprocessing
import os
import pkgutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import torch
import tyro

from marigold_scenes import render


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
    result: Path | None = None
    """Where to write what is printed."""


STAGES = {
    "layout, on the CPU": "marigold_scenes.scene.build",
    "rays": "marigold_scenes.trace.cast",
    "surfaces": "marigold_scenes.hits.describe",
    "textures": "marigold_scenes.textures.evaluate",
    "shadows, without their rays": "marigold_scenes.shading.visibility",
    "light": "marigold_scenes.render.illuminate",
    "camera": "marigold_scenes.camera.photograph",
}
"""The functions that are measured; what one spends inside another counts for the inner one alone."""


def main(options: Options) -> None:
    """Prints the measurements, and writes them where that is asked for."""
    lines = [_side_by_side(options)] if options.workers else _stages(options)
    print("\n".join(lines))
    if options.result:
        options.result.parent.mkdir(parents=True, exist_ok=True)
        options.result.write_text("\n".join(f"    {line}" for line in lines) + "\n", encoding="utf-8")


def _stages(options: Options) -> list[str]:
    _render(options, 0, 2 * options.batch)
    begin = time.perf_counter()
    _render(options, 1000, options.count)
    whole = time.perf_counter() - begin
    host = f"{os.cpu_count()} cores, torch {torch.__version__}"
    where = f"at {options.size} px on {options.device}, batches of {options.batch}, {host}"
    lines = [f"{options.count / whole:.2f} scenes/s {where}"]
    begin = time.perf_counter()
    with _clocks(options.device) as spent:
        _render(options, 1000, options.count)
    whole = time.perf_counter() - begin
    spent["everything else"] = whole - sum(spent.values())
    for name, seconds in spent.items():
        lines.append(f"  {name:28} {100 * seconds / whole:5.1f} %  {1000 * seconds / options.count:7.1f} ms per scene")
    return lines


def _render(options: Options, first: int, count: int) -> None:
    for index in range(first, first + count, options.batch):
        render.render(0, list(range(index, index + options.batch)), options.size, options.size, options.device)
    _wait(options.device)


def _side_by_side(options: Options) -> str:
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(options.workers + 1)
    share = options.count // options.workers
    crew = [
        context.Process(target=_work, args=(options, number * share, share, gate)) for number in range(options.workers)
    ]
    for process in crew:
        process.start()
    gate.wait()
    begin = time.perf_counter()
    for process in crew:
        process.join()
    rate = share * options.workers / (time.perf_counter() - begin)
    return f"{rate:.2f} scenes/s at {options.size} px in {options.workers} processes"


def _work(options: Options, first: int, count: int, gate) -> None:
    torch.set_num_threads(1)
    _render(options, 500 + first, options.batch)
    gate.wait()
    _render(options, 1000 + first, count)


@contextmanager
def _clocks(device: str) -> Iterator[dict[str, float]]:
    """Measures every stage; on a GPU each is waited for, which makes the whole a little slower."""
    spent: dict[str, float] = {}
    inner: list[float] = []
    with ExitStack() as stack:
        for name, target in STAGES.items():
            function = pkgutil.resolve_name(target)
            stack.enter_context(mock.patch(target, _timed(function, name, device, spent, inner)))
        yield spent


def _timed(function: Callable, name: str, device: str, spent: dict[str, float], inner: list[float]) -> Callable:
    def timed(*arguments, **named):
        _wait(device)
        begin = time.perf_counter()
        inner.append(0.0)
        result = function(*arguments, **named)
        _wait(device)
        whole = time.perf_counter() - begin
        spent[name] = spent.get(name, 0.0) + whole - inner.pop()
        if inner:
            inner[-1] += whole
        return result

    return timed


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


if __name__ == "__main__":
    main(tyro.cli(Options))
