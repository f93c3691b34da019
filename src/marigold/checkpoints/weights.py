"""Weights of one network on disk: safetensors only, whole or in shards, checked before they are used."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from marigold.checkpoints.headers import CONVERT, FLOATS, PICKLES, Header, read_header, unreadable
from marigold.checkpoints.layout import fetch_again, shards, weight_files
from marigold.checkpoints.outline import outline
from marigold.core.errors import CheckpointError, OutputError
from marigold.core.memory import require_memory

STEM = "diffusion_pytorch_model"
_TOO_LARGE = "close other programs, or use a smaller checkpoint"
_LARGEST = torch.finfo(torch.float32).max


def build(make: Callable[[], nn.Module], folder: Path, renamed: Callable[[str], str] = str) -> nn.Module:
    """The network that `make` constructs, with the weights stored in the folder, not initialised before.

    `renamed` maps a tensor's name in the file to the network's. Raises `CheckpointError` naming file and tensors: for a
    configuration that asks for other tensors than the files hold, before any of them is read.
    """
    file, stored = folder / "config.json", {renamed(name): tensor for name, tensor in headers(folder).items()}
    network = outline(make, file, remedy=fetch_again(file), most=most_tensors(stored))
    check(network, stored, folder)
    fill(network, {renamed(name): tensor for name, tensor in read(folder).items()}, folder)
    return network


def most_tensors(stored: Mapping[str, Header]) -> int:
    """The tensors after which a network is not built further, whose weights these are."""
    return 2 * len(stored) + 1000


def check(network: nn.Module, stored: Mapping[str, Header], folder: Path) -> None:
    """Raises `CheckpointError` unless these are the tensors of a network, or of its outline, and fit in memory."""
    _check_names(_shapes(network.state_dict()), {name: list(header.shape) for name, header in stored.items()}, folder)
    wrong = [f"{name} is {header.kind}" for name, header in stored.items() if header.kind not in FLOATS]
    if wrong:
        raise CheckpointError(f"{folder}: {_some('has weights that are no numbers:', wrong)}; convert them to F32")
    size = sum(file.stat().st_size for file in {header.file for header in stored.values()})
    require_memory(size, f"{folder}: loading its weights", CheckpointError, _TOO_LARGE)


def fill(network: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Gives the network these tensors; raises `CheckpointError` if they do not fit, naming some."""
    _check_names(_shapes(network.state_dict()), _shapes(tensors), folder)
    network.load_state_dict(tensors, assign=True)
    if left := [name for name, tensor in (*network.named_parameters(), *network.named_buffers()) if tensor.is_meta]:
        raise CheckpointError(f"{folder}: {_some('no weights are stored for', left)}; {fetch_again(folder)}")


def headers(folder: Path, stem: str = STEM) -> dict[str, Header]:
    """What the files in a network's folder say of its tensors, by name; raises `CheckpointError`."""
    return {name: tensor for file in _files(folder, stem) for name, tensor in read_header(file).items()}


def read(folder: Path, stem: str = STEM) -> dict[str, Tensor]:
    """Every tensor of a network's folder by name; raises `CheckpointError`."""
    tensors: dict[str, Tensor] = {}
    for file in _files(folder, stem):
        tensors.update(read_file(file))
    return tensors


def read_file(file: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file, all finite; raises `CheckpointError` naming the file."""
    from safetensors.torch import load_file

    read_header(file)
    require_memory(file.stat().st_size, f"{file}: loading it", CheckpointError, _TOO_LARGE)
    try:
        tensors = load_file(file)
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and not _finite(tensor):
                raise CheckpointError(f"{file}: `{name}` holds NaN or infinite weights; {fetch_again(file)}")
    except CheckpointError:
        raise
    except Exception as error:  # the library and torch have an error of their own for each kind of damage
        raise unreadable(file, error) from error
    return tensors


def _finite(tensor: Tensor) -> bool:
    """Whether all numbers of a tensor are, also in single precision."""
    # The extremes are NaN or infinite if any element is; finding them needs no second array, unlike `isfinite`.
    tensor = tensor.float() if tensor.element_size() == 1 else tensor  # eight bits have no order in torch
    low, high = tensor.aminmax() if tensor.numel() else (0.0, 0.0)
    return float(low) >= -_LARGEST and float(high) <= _LARGEST


def write(network: nn.Module, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Writes a network's weights into its folder; floating-point ones as `dtype`, or as they are when it is None.

    Raises `OutputError`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    file = folder / f"{STEM}.safetensors"
    try:
        file.touch()
        mode = file.stat().st_mode  # what the user's umask says; `save_file` makes a file that only its owner may read
        save_file(_stored(network.state_dict(), dtype), file, {"format": "pt"})
        file.chmod(mode)
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise OutputError(f"{file}: cannot be written ({error}); choose another folder or make room there") from error


def to_bytes(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Tensors as the content of a safetensors file.

    Give one entry of metadata at most: the library writes several in an order that changes from call to call.
    """
    from safetensors.torch import save

    return save(_stored(tensors, None), metadata or {"format": "pt"})


def _stored(tensors: dict[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    def one(name: str, tensor: Tensor) -> Tensor:
        if tensor.is_meta or tensor.layout != torch.strided:
            raise OutputError(f"`{name}` has no values to save; give the network its weights first")
        kind = dtype if dtype and tensor.is_floating_point() else tensor.dtype
        return tensor.detach().to("cpu", kind).contiguous()

    return {name: one(name, tensor) for name, tensor in tensors.items()}


def _files(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of a network: one, or its shards; the plain ones before an fp16 or bf16 variant."""
    files = weight_files([file.name for file in folder.glob("*")], stem)
    if files and files[0].endswith(".json"):
        return shards(folder / files[0])
    if files:
        return [folder / name for name in files]
    pickles = sorted(file for file in folder.glob("*") if file.suffix in PICKLES)
    if pickles:
        raise CheckpointError(f"{pickles[0]}: a pickle; {CONVERT}")
    raise CheckpointError(f"{folder}: holds no {stem}.safetensors; {fetch_again(folder)}")


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in tensors.items()}


def _check_names(expected: dict[str, list[int]], found: dict[str, list[int]], folder: Path) -> None:
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    shapes = [
        f"{name} is {found[name]}, not {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    problems = [_some("lacks", missing), _some("has the unknown", extra), _some("has another shape:", shapes)]
    if any(problems):
        what = "; ".join(problem for problem in problems if problem)
        raise CheckpointError(f"{folder}: the weights do not fit its config.json: {what}; {fetch_again(folder)}")


def _some(verb: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{verb} {', '.join(name[:200] for name in names[:3])}{more}" if names else ""
