"""Which device to compute on."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from marigold.core.errors import ConfigError
from marigold.core.memory import available_bytes
from marigold.core.plain import word

ALL = "all"
"""Stands for every GPU of the machine."""
_FULL = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory", "bad_alloc")
"""How torch and the libraries below it say that memory is full; their errors are plain `RuntimeError`s."""


def resolve_device(name: str | torch.device) -> torch.device:
    """The device called `auto` (a GPU if there is one), `cpu`, `cuda`, `cuda:1` or `mps`. Raises `ConfigError`."""
    if name == ALL:
        raise ConfigError(
            f"device: `{ALL}` is for `marigold predict` and `load_together`; use auto, cpu, cuda or cuda:1"
        )
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if torch.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError, ValueError):
        raise ConfigError(f"device: no device is called `{word(name)}`; use auto, cpu, cuda, cuda:1 or mps") from None
    if device.type == "cpu" and device.index:
        raise ConfigError(f"device: `{name}` is not available on this machine; use auto or cpu")
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"device: `{name}` is not supported; use auto, cpu, cuda, cuda:1 or mps")
    if not _is_present(device):
        raise ConfigError(f"device: `{name}` is not available on this machine; use auto or cpu")
    return device


def devices_of(name: str) -> list[str]:
    """The names of the devices that a name stands for: of `all` every GPU, of any other itself.

    Raises `ConfigError` for `all` where there is no GPU.
    """
    if name != ALL:
        return [name]
    if not torch.cuda.is_available():
        raise ConfigError(f"device: `{ALL}` stands for every GPU, and this machine shows none; use auto or cpu")
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def current(device: torch.device) -> AbstractContextManager[object]:
    """In which a GPU is the one that this thread means when it names none, as kernels and graphs need."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def free_bytes(device: torch.device) -> int | None:
    """Bytes that can still be taken of a GPU's memory, or of the computer's for the CPU; None where that is unknown."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    return available_bytes() if device.type == "cpu" else None


def on_host(values: Tensor) -> Tensor:
    """A tensor in the computer's memory, of a GPU's in pages that it writes to itself, several times as fast."""
    if values.device.type != "cuda":
        return values.cpu()
    return torch.empty_like(values, device="cpu", pin_memory=True).copy_(values)


def memory_is_full(error: BaseException) -> bool:
    """Whether an error says that memory is full: Python's and a GPU's are of their own kinds, others known by words."""
    if type(error) is RuntimeError:
        words = str(error).lower()
        return any(phrase in words for phrase in _FULL)
    return isinstance(error, MemoryError | torch.OutOfMemoryError)


def require_room(needed: float, device: str, what: str, remedy: str) -> None:
    """Raises `ConfigError` when `what` needs more bytes than the GPU has or the computer has left, where that is known.

    The message: `{what}: about 3.2 GB, and cpu has 1.5 GB; {remedy}`.
    """
    size = _bytes_of(torch.device(device))
    if size is not None and needed > size:
        raise ConfigError(f"{what}: about {needed / 1e9:.1f} GB, and {device} has {size / 1e9:.1f} GB; {remedy}")


def _is_present(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()
    return device.type == "cpu" or torch.mps.is_available()


def _bytes_of(device: torch.device) -> int | None:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return available_bytes()
