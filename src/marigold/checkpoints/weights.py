"""Weights of one network on disk: safetensors only, whole or in shards, checked before they are used."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor, nn

from marigold.checkpoints.headers import CONVERT, FLOATS, PICKLES, Header, read_header, unreadable
from marigold.checkpoints.layout import fetch_again, shards, weight_forms
from marigold.checkpoints.outline import outline
from marigold.core.errors import CheckpointError, OutputError
from marigold.core.memory import require_memory

STEM = "diffusion_pytorch_model"
_TOO_LARGE = "close other programs, or use a smaller checkpoint"
_READERS = 8
"""Threads that read tensors of a file, each one at a time."""
_WIDEST = 8
"""Bytes of a number of any type."""
_LARGEST = torch.finfo(torch.float32).max


def build(
    make: Callable[[], nn.Module],
    folder: Path,
    renamed: Callable[[str], str] = str,
    dtype: torch.dtype | None = None,
) -> nn.Module:
    """The network that `make` constructs, with the weights stored in the folder, not initialised before.

    `renamed` maps a tensor's name in the file to the network's. Floating-point weights become `dtype` one by one as
    they are read, so that memory never holds all of them twice; with None they stay as they are stored. Raises
    `CheckpointError` naming file and tensors: for a configuration that asks for other tensors than the files hold,
    before any of them is read.
    """
    file, stored = (
        folder / "config.json",
        {renamed(name): tensor for name, tensor in headers(folder, prefer=dtype).items()},
    )
    network = outline(make, file, remedy=fetch_again(file), most=most_tensors(stored))
    check(network, stored, folder, dtype)
    tensors = read(folder, prefer=dtype, dtype=dtype)
    fill(network, {renamed(name): tensor for name, tensor in tensors.items()}, folder)
    return network


def most_tensors(stored: Mapping[str, Header]) -> int:
    """The tensors after which a network is not built further, whose weights these are."""
    return 2 * len(stored) + 1000


def check(network: nn.Module, stored: Mapping[str, Header], folder: Path, dtype: torch.dtype | None = None) -> None:
    """Raises `CheckpointError` unless these are the tensors of a network, or of its outline, and fit in memory.

    `dtype` is what they become; None where they stay as they are stored.
    """
    _check_names(_shapes(network.state_dict()), {name: list(header.shape) for name, header in stored.items()}, folder)
    wrong = [f"{name} is {header.kind}" for name, header in stored.items() if header.kind not in FLOATS]
    if wrong:
        raise CheckpointError(f"{folder}: {_some('has weights that are no numbers:', wrong)}; convert them to F32")
    require_memory(_bytes(stored, dtype), f"{folder}: loading its weights", CheckpointError, _TOO_LARGE)


def fill(network: nn.Module, tensors: dict[str, Tensor], folder: Path) -> None:
    """Gives the network these tensors; raises `CheckpointError` if they do not fit, naming some."""
    _check_names(_shapes(network.state_dict()), _shapes(tensors), folder)
    network.load_state_dict(tensors, assign=True)
    if left := [name for name, tensor in (*network.named_parameters(), *network.named_buffers()) if tensor.is_meta]:
        raise CheckpointError(f"{folder}: {_some('no weights are stored for', left)}; {fetch_again(folder)}")


def headers(folder: Path, stem: str = STEM, *, prefer: torch.dtype | None = None) -> dict[str, Header]:
    """What the files in a network's folder say of its tensors, by name; raises `CheckpointError`.

    Of several forms that lie there that one is read which a network of the number type `prefer` takes; None: the most
    exact.
    """
    return {name: tensor for file in files(folder, stem, prefer) for name, tensor in read_header(file).items()}


def read(
    folder: Path, stem: str = STEM, *, prefer: torch.dtype | None = None, dtype: torch.dtype | None = None
) -> dict[str, Tensor]:
    """Every tensor of a network's folder by name, floating-point ones as `dtype`; raises `CheckpointError`.

    `prefer` chooses among several forms, as for `headers`.
    """
    tensors: dict[str, Tensor] = {}
    for file in files(folder, stem, prefer):
        tensors.update(read_file(file, dtype))
    return tensors


def read_file(file: Path, dtype: torch.dtype | None = None) -> dict[str, Tensor]:
    """The tensors of one safetensors file, all finite, floating-point ones as `dtype` or as they are when it is None.

    What stays as it is stays in the file until it is used, and is read from there. Raises `CheckpointError` naming the
    file.
    """
    stored = read_header(file)
    require_memory(_bytes(stored, dtype), f"{file}: loading it", CheckpointError, _TOO_LARGE)
    try:
        with ThreadPoolExecutor(min(_READERS, os.cpu_count() or 1), "weights") as threads:
            return dict(zip(stored, threads.map(lambda name: _cast(_one(file, name), dtype), stored), strict=True))
    except CheckpointError:
        raise
    except Exception as error:  # the library and torch have an error of their own for each kind of damage
        raise unreadable(file, error) from error


def _one(file: Path, name: str) -> Tensor:
    """One tensor of a safetensors file, finite. It maps the file for itself and lets go of that once it is let go of.

    Tensors that share a mapping keep in memory what has been read of all of them.
    """
    from safetensors import safe_open

    with safe_open(file, "pt") as opened:
        tensor = opened.get_tensor(name)
    if tensor.is_floating_point() and not _finite(tensor):
        raise CheckpointError(f"{file}: `{name}` holds NaN or infinite weights; {fetch_again(file)}")
    return tensor


def _bytes(stored: Mapping[str, Header], dtype: torch.dtype | None) -> int:
    """Bytes of tensors whose floating-point ones become `dtype`, or stay as they are when it is None."""

    def each(kind: str) -> int:
        return dtype.itemsize if dtype and kind in FLOATS else FLOATS.get(kind, _WIDEST)

    return sum(header.numbers * each(header.kind) for header in stored.values())


def _cast(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor


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


def files(folder: Path, stem: str = STEM, prefer: torch.dtype | None = None) -> list[Path]:
    """The safetensors files of a network: one, or its shards. Raises `CheckpointError`.

    The plain ones come before an fp16 or bf16 variant, unless `prefer` is half precision, and what is there as a whole
    before what lacks a shard.
    """
    forms = weight_forms([file.name for file in folder.glob("*")], stem, prefer)
    if forms:
        return _named(folder, next((form for form in forms[:-1] if _is_whole(folder, form)), forms[-1]))
    pickles = sorted(file for file in folder.glob("*") if file.suffix in PICKLES)
    if pickles:
        raise CheckpointError(f"{pickles[0]}: a pickle; {CONVERT}")
    raise CheckpointError(f"{folder}: holds no {stem}.safetensors; {fetch_again(folder)}")


def _is_whole(folder: Path, form: list[str]) -> bool:
    try:
        return bool(_named(folder, form))
    except CheckpointError:
        return False


def _named(folder: Path, form: list[str]) -> list[Path]:
    """The files of a form, by its index if it has one."""
    return shards(folder / form[0]) if form[0].endswith(".json") else [folder / name for name in form]


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
