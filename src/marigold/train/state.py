"""A saved state: tensors and what is known about them in one safetensors file, with a checksum over all of it.

The metadata hold `facts` as JSON and `crc32` of those and of every tensor's name, type, shape and bytes. A checksum
costs a second for about 1.5 GB, once when a state is saved and once when it is read.
"""

import json
import math
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from marigold.core.config import decode, require
from marigold.core.console import printable
from marigold.core.documents import from_json
from marigold.core.errors import CheckpointError, ConfigError, MarigoldError
from marigold.core.files import whole_file
from marigold.core.reading import open_file
from marigold.train.recipe import Optim

MOST = 10**12
"""More steps, or pixels, than any run has."""
TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""The element types of a state, as safetensors names them."""
AGAIN = "delete it to begin this run again"
_REASON = 300
"""Characters of a library's complaint that a message shows."""


@dataclass(frozen=True)
class Facts:
    """How far a run was when its state was saved. Raises `ConfigError` for what no run can have saved."""

    step: int
    """Steps that have been made."""
    asked: dict[str, Any]
    """The recipe, and the time budget in minutes."""
    made: tuple[int, ...]
    """Steps of each phase."""
    phase: int
    """The phase of the last step, from 0."""
    done: bool
    """Nothing is left but the last validation and the checkpoint."""
    seconds: float
    losses: tuple[float, int]
    """Sum and number of the losses since the last line of the log."""
    began: tuple[int, float] | None = None
    """Pixels of a sample, and the seconds at which a time budget began."""
    earlier: tuple[tuple[int, Optim], ...] = ()
    """Settings of the optimizer that have been replaced, each with the step until which it had them."""

    def optim(self) -> Optim:
        """The optimizer's settings that were asked for. Raises `ConfigError`."""
        return decode(Optim, self.asked.get("optim"), "asked.optim")

    def __post_init__(self) -> None:
        require(0 < self.step <= MOST, "step", self.step, "a number of steps")
        usable = min(self.made, default=-1) >= 0 and sum(self.made) == self.step
        require(usable, "made", list(self.made[:9]), f"numbers with the sum {self.step}")
        require(0 <= self.phase < len(self.made), "phase", self.phase, f"below {len(self.made)}")
        require(0 <= self.seconds < math.inf, "seconds", self.seconds, "a time")
        total, count = self.losses
        require(math.isfinite(total) and 0 <= count <= self.step, "losses", list(self.losses), "a sum and its count")
        pixels, seconds = self.began or (0, 0.0)
        usable = 0 <= pixels <= MOST and 0 <= seconds < math.inf
        require(usable, "began", f"{pixels}, {seconds}", "pixels and seconds")
        steps = [step for step, _ in self.earlier]
        usable = steps == sorted(steps) and all(0 < step <= self.step for step in steps)
        require(usable, "earlier", steps[:9], "steps in order")
        self.optim()


def read_facts(file: Path) -> Facts:
    """What a state says about itself; its tensors are not looked at. Raises `CheckpointError` naming the file."""
    with _opened(file) as (metadata, _):
        return _facts(metadata, file)


def read_state(file: Path) -> tuple[Facts, dict[str, Tensor]]:
    """Facts and tensors, as they were saved. Raises `CheckpointError` naming the file for one that is damaged.

    A state that states no checksum is taken as it is.
    """
    with _opened(file) as (metadata, names):
        facts, tensors = _facts(metadata, file), {name: get() for name, get in names.items()}
    stated = metadata.get("crc32")
    if stated is not None and stated != _checksum(metadata["facts"], tensors):
        raise damaged(file, "its content does not match its checksum")
    return facts, tensors


def write_state(file: Path, tensors: Mapping[str, Tensor], facts: Facts, before: Callable[[], object]) -> None:
    """Writes a state, whole or not at all; `before` is called once it is complete, before it takes its name.

    Raises `OutputError` when it cannot be written.
    """
    held = {name: tensors[name].detach().contiguous().cpu() for name in sorted(tensors)}
    # The widest elements first, so that every tensor begins at a multiple of its element's size.
    order, end = sorted(held, key=lambda name: -held[name].element_size()), 0
    text = json.dumps(asdict(facts))
    header: dict[str, Any] = {"__metadata__": {"facts": text, "crc32": _checksum(text, held)}}
    for name in order:
        begin, end = end, end + held[name].nbytes
        header[name] = {"dtype": TYPES[held[name].dtype], "shape": [*held[name].shape], "data_offsets": [begin, end]}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with whole_file(file) as stream:
        stream.write(len(head).to_bytes(8, "little") + head)
        for name in order:
            stream.write(_bytes(held[name]))
        stream.flush()
        before()


def damaged(file: Path, why: object, remedy: str = AGAIN) -> CheckpointError:
    """The error of a file that a run cannot go on from."""
    words = printable(" ".join(str(why).split())[:_REASON])
    return CheckpointError(f"{file}: damaged ({words}); {remedy}")


@contextmanager
def _opened(file: Path) -> Iterator[tuple[dict[str, str], dict[str, Callable[[], Tensor]]]]:
    """Metadata and tensors, by their names; whatever goes wrong with them is a `CheckpointError`."""
    from safetensors import safe_open

    open_file(file, CheckpointError, AGAIN).close()
    try:
        with _in_utf8(file) as path, safe_open(path, framework="pt") as content:
            metadata: dict[str, str] = content.metadata() or {}
            yield metadata, {name: lambda name=name: content.get_tensor(name) for name in content.keys()}  # noqa: SIM118
    except (MarigoldError, MemoryError):
        raise
    except Exception as error:  # a foreign library's, whose errors have no common class
        raise damaged(file, error) from error


@contextmanager
def _in_utf8(file: Path) -> Iterator[Path]:
    """The file by a name in UTF-8, which the library asks for: its own, or that of a link."""
    try:
        str(file).encode()
    except UnicodeEncodeError:
        with TemporaryDirectory() as folder:
            (Path(folder) / "link").symlink_to(file.absolute())
            yield Path(folder) / "link"
    else:
        yield file


def _facts(metadata: dict[str, str], file: Path) -> Facts:
    if "facts" not in metadata:
        raise CheckpointError(f"{file}: is no state of a training run; move it elsewhere, or choose another --run")
    try:
        return decode(Facts, from_json(metadata["facts"]), "facts")
    except (ConfigError, ValueError, OverflowError) as error:
        raise damaged(file, error) from error


def _checksum(text: str, tensors: Mapping[str, Tensor]) -> str:
    total = zlib.crc32(text.encode("utf-8", "surrogatepass"))
    for name in sorted(tensors):
        x = tensors[name].contiguous()
        about = f"{name} {TYPES.get(x.dtype)} {[*x.shape]}"
        total = zlib.crc32(_bytes(x), zlib.crc32(about.encode("utf-8", "surrogatepass"), total))
    return f"{total:08x}"


def _bytes(x: Tensor) -> memoryview:
    return x.reshape(-1).view(torch.uint8).numpy().data
