"""Weights of one network on disk: safetensors only, whole or in shards, checked before they are used."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from marigold.checkpoints.layout import check_content, fetch_again, shards, weight_files
from marigold.core.errors import CheckpointError

STEM = "diffusion_pytorch_model"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_CONVERT = (
    "this format can run code when it is opened; convert it with "
    "`safetensors.torch.save_file(torch.load(FILE, weights_only=True), 'NAME.safetensors')` and remove it"
)


def build(make: Callable[[], nn.Module], folder: Path, renamed: Callable[[str], str] = str) -> nn.Module:
    """The network that `make` constructs, with the weights stored in the folder, not initialised before.

    `renamed` maps a tensor's name in the file to the network's. Raises `CheckpointError` naming file and tensors.
    """
    with torch.device("meta"):
        network = make()
    fill(network, {renamed(name): tensor for name, tensor in read(folder).items()}, folder)
    return network


def fill(network: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Gives the network these tensors; raises `CheckpointError` if they do not fit, naming some."""
    _check_names(network.state_dict(), tensors, folder)
    network.load_state_dict(tensors, assign=True)


def read(folder: Path, stem: str = STEM) -> dict[str, Tensor]:
    """Every tensor of a network's folder by name; raises `CheckpointError`."""
    tensors: dict[str, Tensor] = {}
    for file in _files(folder, stem):
        tensors.update(read_file(file))
    return tensors


def read_file(file: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file, all finite; raises `CheckpointError` naming the file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if file.suffix in _PICKLES:
        raise CheckpointError(f"{file}: a pickle; {_CONVERT}")
    check_content(file)
    try:
        tensors = load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        reason = _cut_short(file) or error
        raise CheckpointError(f"{file}: cannot be read ({reason}); {fetch_again(file)}") from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not _finite(tensor):
            raise CheckpointError(f"{file}: `{name}` holds NaN or infinite weights; {fetch_again(file)}")
    return tensors


def _cut_short(file: Path) -> str:
    """How much of a file is missing, by its header (its length in 8 bytes, then JSON); empty if that does not say."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        start = 8 + int.from_bytes(stream.read(8), "little")
        header = stream.read(min(start, size))[: start - 8]
    try:
        tensors = json.loads(header)
        whole = start + max(tensor["data_offsets"][1] for name, tensor in tensors.items() if name != "__metadata__")
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
    return f"cut short: {size} of {whole} bytes are there" if size < whole else ""


def _finite(tensor: Tensor) -> bool:
    # The extremes are NaN or infinite if any element is; finding them needs no second array, unlike `isfinite`.
    tensor = tensor.float() if tensor.element_size() == 1 else tensor  # eight bits have no order in torch
    low, high = tensor.aminmax() if tensor.numel() else (0.0, 0.0)
    return math.isfinite(low) and math.isfinite(high)


def write(network: nn.Module, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Writes a network's weights into its folder; floating-point ones as `dtype`, or as they are when it is None."""
    from safetensors.torch import save_file

    file = folder / f"{STEM}.safetensors"
    file.touch()
    mode = file.stat().st_mode  # what the user's umask says; `save_file` makes a file that only its owner may read
    save_file(_stored(network.state_dict(), dtype), file, {"format": "pt"})
    file.chmod(mode)


def to_bytes(tensors: dict[str, Tensor], metadata: dict[str, str] | None = None) -> bytes:
    """Tensors as the content of a safetensors file.

    Give one entry of metadata at most: the library writes several in an order that changes from call to call.
    """
    from safetensors.torch import save

    return save(_stored(tensors, None), metadata or {"format": "pt"})


def _stored(tensors: dict[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    def one(tensor: Tensor) -> Tensor:
        kind = dtype if dtype and tensor.is_floating_point() else tensor.dtype
        return tensor.detach().to("cpu", kind).contiguous()

    return {name: one(tensor) for name, tensor in tensors.items()}


def _files(folder: Path, stem: str) -> list[Path]:
    """The safetensors files of a network: one, or its shards; the plain ones before an fp16 or bf16 variant."""
    files = weight_files([file.name for file in folder.glob("*")], stem)
    if files and files[0].endswith(".json"):
        return shards(folder / files[0])
    if files:
        return [folder / name for name in files]
    pickles = sorted(file for file in folder.glob("*") if file.suffix in _PICKLES)
    if pickles:
        raise CheckpointError(f"{pickles[0]}: a pickle; {_CONVERT}")
    raise CheckpointError(f"{folder}: holds no {stem}.safetensors; {fetch_again(folder)}")


def _check_names(expected: dict[str, Tensor], found: dict[str, Tensor], folder: Path) -> None:
    missing = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    shapes = [
        f"{name} is {list(found[name].shape)}, not {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    problems = [_some("lacks", missing), _some("has the unknown", extra), _some("has another shape:", shapes)]
    if any(problems):
        what = "; ".join(problem for problem in problems if problem)
        raise CheckpointError(f"{folder}: the weights do not fit its config.json: {what}; {fetch_again(folder)}")


def _some(verb: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{verb} {', '.join(names[:3])}{more}" if names else ""
