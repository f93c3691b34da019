"""Losses that are no numbers: how many follow each other, and the batch that a run ended with, for a person to look at.

The file is a safetensors file: the tensors of each batch that the loss of the last step was computed from, as
`POSITION/NAME`, and in its metadata, as JSON under `about`, the step, the recipe, and each batch's position, seed,
sample keys and loss.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from marigold.core.errors import DataError
from marigold.core.files import make_folder, whole_file
from marigold.core.reading import open_file

_REMEDY = "give a file that a run has written under nonfinite/"


@dataclass(frozen=True)
class Computed:
    """A batch whose loss was computed."""

    position: int
    prepared: dict[str, Tensor]
    loss: Tensor


class Streak:
    """Steps in a row whose loss was no number. The device is waited for one step late, when it has work to do."""

    def __init__(self, most: int, device: str) -> None:
        self._most, self._row = most, torch.zeros((), dtype=torch.int32, device=device)
        self._before = _Later(self._row)

    def add(self, loss: Tensor) -> bool:
        """Counts a step; whether it is the last one that is borne."""
        self._row = torch.where(loss.isfinite(), 0, self._row + 1)
        before, self._before = self._before.value(), _Later(self._row)
        return before >= self._most - 1 and int(self._row) >= self._most


class _Later:
    """A number on its way from the device."""

    def __init__(self, x: Tensor) -> None:
        self._done = torch.cuda.Event() if x.is_cuda else None
        self._host = torch.empty((), dtype=x.dtype, pin_memory=x.is_cuda).copy_(x, non_blocking=x.is_cuda)
        if self._done is not None:
            self._done.record(torch.cuda.current_stream(x.device))

    def value(self) -> int:
        if self._done is not None:
            self._done.synchronize()
        return int(self._host)


def write(file: Path, batches: Sequence[Computed], about: dict[str, Any], batch_facts: list[dict[str, Any]]) -> None:
    """Writes what the loss of a step was computed from, whole or not at all. Raises `OutputError`."""
    from safetensors.torch import save

    tensors = {f"{one.position}/{name}": x for one in batches for name, x in one.prepared.items()}
    tensors = {name: x.detach().cpu().contiguous().clone() for name, x in tensors.items()}
    losses = [{"position": one.position, "loss": str(float(one.loss))} for one in batches]
    listed = [{**loss, **facts} for loss, facts in zip(losses, batch_facts, strict=True)]
    make_folder(file.parent)
    with whole_file(file) as stream:
        stream.write(save(tensors, {"about": json.dumps({**about, "batches": listed})}))


def describe(file: Path) -> str:
    """What is in such a file: step, seeds, keys and losses; of each tensor least, most and the share that is finite.

    Raises `DataError` for a file that is none.
    """
    from safetensors import safe_open

    open_file(file, DataError, _REMEDY).close()
    try:
        with safe_open(file, "pt") as content:
            about = json.loads((content.metadata() or {})["about"])
            lines = [_line(name, content.get_tensor(name)) for name in content.keys()]  # noqa: SIM118
    except (MemoryError, OSError):
        raise
    except Exception as error:  # a foreign library's, whose errors have no common class
        raise DataError(f"{file}: holds no batch of a training step; {_REMEDY}") from error
    batches = [json.dumps(one, ensure_ascii=False) for one in about.pop("batches", [])]
    facts = [f"{name}: {value}" for name, value in about.items()]
    head = f"{'tensor':<28} {'type':<9} {'shape':<22} {'least':>12} {'most':>12} {'finite':>8}"
    return "\n".join([*facts, *batches, "", head, *lines])


def _line(name: str, x: Tensor) -> str:
    fine = x.double()[x.double().isfinite()]
    least, most = (f"{float(value):.5g}" for value in (fine.min(), fine.max())) if len(fine) else ("none", "none")
    share = len(fine) / max(x.numel(), 1)
    kind, shape = str(x.dtype).removeprefix("torch."), str([*x.shape])
    return f"{name:<28} {kind:<9} {shape:<22} {least:>12} {most:>12} {share:>8.2%}"
