"""What tells one evaluation from another: the programs and the device, the data, the protocol, and who answers."""

import hashlib
import platform
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from marigold.core.config import encode
from marigold.core.distribution import VERSION
from marigold.core.errors import DataError
from marigold.core.files import as_json
from marigold.data import border
from marigold.evaluate.source import Source
from marigold.evaluate.suite import SuiteSet
from marigold.evaluate.task import Task


def digest(todo: Sequence[tuple[SuiteSet, Task]], source: Source, facts: Mapping[str, Any]) -> str:
    """What tells a run from another one: all that its numbers depend on."""
    content = [
        {
            "set": ready.title,
            "dataset": encode(ready.dataset),
            "root": str(ready.root),
            "split": ready.split,
            "samples": _hash(f"{key} {_identity(ready, key)}" for key in ready.keys),
            "protocol": ready.stated(),
            "measures": [repr(measure) for measure in ready.measures],
            "beside": ready.beside,
            "prediction": source.stated(one.prediction),
        }
        for one, ready in todo
    ]
    return hashlib.sha256(as_json([dict(facts), source.state(), versions(source), content])).hexdigest()


def _identity(ready: Task, key: str) -> str:
    """What tells a sample from a later one of its key, as far as that is known without reading it."""
    try:
        return border.identity(ready.dataset, ready.root, key)
    except DataError as error:  # of a file that is missing, which is a hole
        return str(error)


def _hash(lines: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def versions(source: Source) -> dict[str, str]:
    """Of the programs and the device that numbers come from."""
    device = torch.device(source.device)
    threads = f", {torch.get_num_threads()} threads"  # on which half precision on a CPU depends
    where = (
        torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type} {platform.machine()}{threads}"
    )
    python = ".".join(map(str, sys.version_info[:3]))
    return {"marigold": VERSION, "torch": torch.__version__, "python": python, "device": where}
