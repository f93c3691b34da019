"""A run that is tried and not made: what it would read, what it takes of memory and disk, how long it would last.

Nothing is written. Every phase that is left makes a few real steps, one after the other, on the run's own samples.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from torch import Tensor

from marigold.accel import training
from marigold.core.config import encode
from marigold.core.find import name_of
from marigold.core.memory import available_bytes
from marigold.data import border
from marigold.data.pool import Pools
from marigold.data.reader import Reading
from marigold.train import room
from marigold.train.board import Boards
from marigold.train.checks import check_numbers, training_sources, validation_sources
from marigold.train.loop import Trainer
from marigold.train.recipe import Recipe
from marigold.train.run import Run

TIMED = 3
"""Steps of a phase that are timed, after one that is not."""


@dataclass(frozen=True)
class Pace:
    """What a phase is found to cost."""

    seconds: float
    """Of a step."""
    activations: int
    """Bytes that a step needs beside what stays."""


def rehearse(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    workers: int = 0,
    renderer: str = "",
    minutes: float = 0.0,
    boards: Iterable[str] = (),
    trust: str | Iterable[str] = (),
) -> str:
    """What `train` would do with the same arguments, in words; raises what it would raise before its first step."""
    check_numbers(workers, minutes)
    run = Run(folder, recipe, minutes, Boards(boards))
    with ExitStack() as stack:
        pools = Pools(Reading(device, workers, renderer, recipe.plan.compiled))
        stack.callback(pools.close)
        stack.enter_context(training.running(recipe.plan))
        trainer = Trainer(recipe, run, pools, device=device, minutes=minutes, trust=trust)
        room.check_disk(trainer.disk, folder)
        trainer.stage.check()
        left = [phase.end - max(phase.first, int(trainer.progress.position)) for phase in trainer.phases]
        paces = {number: _pace(trainer, number) for number, steps in enumerate(left) if steps > 0}
        lines = [
            yaml.safe_dump(encode(recipe), sort_keys=False),
            *_samples(recipe),
            *_memory(trainer, device, max((pace.activations for pace in paces.values()), default=0)),
            *_disk(trainer.disk, folder),
            *_time(left, paces, minutes),
        ]
    notes = [f"note: {note}" for note in (*run.notes, *trainer.notes) if note]
    return "\n".join([*lines, *notes])


def _pace(trainer: Trainer, number: int) -> Pace:
    """What a few steps of a phase take."""
    trainer.enter(number, trainer.step)
    _step(trainer)  # which fills the pools, compiles, and makes the moments
    with _measured(trainer) as kept:
        _step(trainer)
    begun = time.perf_counter()
    for _ in range(TIMED):
        _step(trainer)
    return Pace((time.perf_counter() - begun) / TIMED, kept[0])


def _step(trainer: Trainer) -> None:
    loss = trainer.update()
    trainer.progress.add(loss)
    float(loss)  # which waits for the device


@contextmanager
def _measured(trainer: Trainer) -> Iterator[list[int]]:
    """Afterwards, the bytes that a step took: measured on a GPU; elsewhere, what it keeps for its way back."""
    kept = [0]
    if trainer.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(trainer.device)
        before = torch.cuda.memory_allocated(trainer.device)
        yield kept
        gradients = sum(p.nbytes for p in trainer.module.parameters())
        kept[0] = max(0, torch.cuda.max_memory_allocated(trainer.device) - before - gradients)
        return
    seen = {p.untyped_storage().data_ptr() for p in trainer.estimator.parameters()}

    def count(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            kept[0] += storage.nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(count, lambda x: x):
        yield kept


def _samples(recipe: Recipe) -> list[str]:
    """The samples of every source, and of what is held out."""
    held_out = validation_sources(recipe, recipe.batch)[0]
    named = [("train", source) for source in training_sources(recipe)]
    named += [("held out", source) for source in held_out]
    lines = []
    for use, source in named:
        count = len(border.keys(source.dataset, source.root, source.split))
        lines.append(f"  {use:<9} {name_of(source.dataset)}, split {source.split}: {count:,}")
    return ["samples", *lines, ""]


def _memory(trainer: Trainer, device: str, activations: int) -> list[str]:
    needed = room.memory(trainer.recipe, trainer.estimator, trainer.optimizer)
    kept = sum(x.nbytes for x in trainer.stage.kept.state_dict().values())
    on_gpu = device.startswith("cuda")
    how = "measured" if on_gpu else "an estimate: what one step keeps for its way back"
    parts = {
        "weights": needed.weights,
        **({"networks that the objective keeps": kept} if kept else {}),
        "gradients": needed.gradients,
        "moments": needed.moments,
        "average": needed.average,
        f"activations ({how})": activations,
    }
    there = torch.cuda.get_device_properties(device).total_memory if on_gpu else available_bytes()
    together = needed.weights + kept + needed.beside_weights + activations
    total = f"  together {_gb(together)}, without samples that are kept"
    return [f"memory on {device}", *_table(parts), total + (f", of {_gb(there)}" if there else ""), ""]


def _disk(needed: room.Disk, folder: Path) -> list[str]:
    parts = {"states": needed.states, "checkpoints": needed.checkpoints, "while one is written": needed.spare}
    return [
        f"disk in {folder}",
        *_table(parts),
        f"  together {_gb(needed.total)}, of {_gb(room.free_bytes(folder))}",
        "",
    ]


def _time(left: list[int], paces: dict[int, Pace], minutes: float) -> list[str]:
    lines = [f"  phase {n + 1}: {left[n]:,} steps, {pace.seconds:.3g} s a step" for n, pace in paces.items()]
    hours = sum(left[number] * pace.seconds for number, pace in paces.items()) / 3600
    end = f"  {hours:.3g} hours to the end, without validation and saving"
    return ["time", *lines, f"  {minutes:g} minutes, as asked for" if minutes else end]


def _table(parts: dict[str, int]) -> list[str]:
    return [f"  {name}: {_gb(count)}" for name, count in parts.items()]


def _gb(count: float) -> str:
    return f"{count / 1e9:.3g} GB"
