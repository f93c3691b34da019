"""Low-rank adapters on disk: what was trained beside a base checkpoint, in the files and names of the library peft.

W + alpha / rank * B A stands for a layer's weight W (Hu et al. 2022, "LoRA", sec. 4.1). `adapter_config.json` holds
rank, alpha and the layers' names, `adapter_model.safetensors` the factors A and B and the layers that are stored whole;
`base` of the card names the checkpoint that they go with. An adapter is added to the weights when it is opened, for
which peft is not needed.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from marigold.checkpoints import weights
from marigold.checkpoints.headers import FLOATS, read_header
from marigold.checkpoints.layout import ADAPTER, ADAPTER_WEIGHTS, fetch_again, read_json
from marigold.core.config import decode, require
from marigold.core.errors import CheckpointError, ConfigError
from marigold.core.files import whole_file, write_json
from marigold.core.limits import RANK, WEIGHT

PREFIX = "base_model.model."
"""What peft puts before the names of a network's tensors."""
KINDS = (nn.Linear, nn.Conv2d)
"""Layers that can have low-rank factors; convolutions of groups cannot."""
DIGITS = 16
"""Of a base's hash, as cards state it."""

_ONLY: dict[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "bias": ("none",),
    "init_lora_weights": (True, False, None, "gaussian"),  # others change the base's own weights
}
"""Keys with the values that the plain algebra above holds for."""
_IDLE = {
    *("task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode"),
    *("lora_dropout", "layers_pattern", "loftq_config", "eva_config", "corda_config", "lora_ga_config"),
    *("megatron_core", "qalora_group_size", "runtime_config"),
}
"""Keys that opening does not depend on; any other one must be off."""


@dataclass(frozen=True)
class Base:
    """The checkpoint that an adapter was trained on, as `base` of a card states it."""

    name: str
    """A bundled name, a folder (one that is not absolute lies beside the card), or a hub id."""
    revision: str = ""
    """Its card's revision, or its commit on the hub."""
    digest: str = ""
    """Of its weights, as `digest` gives it."""


@dataclass(frozen=True)
class LowRank:
    """The keys of `adapter_config.json` that are followed, by peft's names. Raises `ConfigError`."""

    r: int
    lora_alpha: float
    target_modules: tuple[str, ...]
    """Layers with factors: whole names, or their ends after a dot."""
    modules_to_save: tuple[str, ...] = ()
    """Layers that are stored whole."""

    def __post_init__(self) -> None:
        require(1 <= self.r <= RANK, "r", self.r, f"from 1 to {RANK}")
        require(0 < self.lora_alpha <= WEIGHT, "lora_alpha", self.lora_alpha, f"above 0 and at most {WEIGHT:,.0f}")

    @property
    def scale(self) -> float:
        """What the product of the factors is multiplied by."""
        return self.lora_alpha / self.r


@dataclass(frozen=True)
class Adapter:
    """Everything that an adapter changes of a network."""

    settings: LowRank
    factors: Mapping[str, tuple[Tensor, Tensor]]
    """By the layer's name: A [rank, in] and B [out, rank], or [rank, in, h, w] and [out, rank, 1, 1]."""
    whole: Mapping[str, Tensor] = field(default_factory=dict)
    """By the parameter's name: what takes its place."""


def adaptable(network: nn.Module) -> dict[str, nn.Module]:
    """The layers of a network that can have low-rank factors, by name."""
    return {name: layer for name, layer in network.named_modules() if isinstance(layer, KINDS) and _groups(layer) == 1}


def matching(names: Collection[str], ends: Collection[str]) -> list[str]:
    """Of these names those that are one of `ends`, or end with one after a dot, which is how peft reads targets."""
    ends = frozenset(ends)
    return [name for name in names if any(end in ends for end in _ends(name))]


def product(weight: Tensor, a: Tensor, b: Tensor, scale: float) -> Tensor:
    """scale * B A in the shape of the weight, which is [out, in] or [out, in, h, w]."""
    return (b.flatten(1) @ a.flatten(1)).view(weight.shape) * scale


@torch.no_grad()
def add(network: nn.Module, adapter: Adapter, file: Path) -> None:
    """Changes a network's weights, in place, to those that it was trained to.

    Raises `CheckpointError` naming the file where the result would hold NaN or infinity.
    """
    for name, (a, b) in adapter.factors.items():
        weight = network.get_parameter(f"{name}.weight")
        weight += product(weight, a.to(weight), b.to(weight), adapter.settings.scale)
        if not bool(weight.isfinite().all()):
            raise CheckpointError(f"{file}: `{name}` gives NaN or infinite weights; {fetch_again(file)}")
    for name, value in adapter.whole.items():
        network.get_parameter(name).copy_(value)


def write(folder: Path, adapter: Adapter, base: Base) -> None:
    """Writes configuration and weights into a folder. Raises `OutputError`."""
    tensors = {f"{PREFIX}{name}": value for name, value in adapter.whole.items()}
    for name, (a, b) in adapter.factors.items():
        tensors |= {f"{PREFIX}{name}.lora_A.weight": a, f"{PREFIX}{name}.lora_B.weight": b}
    content = weights.to_bytes(tensors)
    with whole_file(folder / ADAPTER_WEIGHTS) as stream:
        stream.write(content)
    settings = adapter.settings
    write_json(
        folder / ADAPTER,
        {
            "peft_type": "LORA",
            "task_type": None,
            "base_model_name_or_path": base.name,
            "r": settings.r,
            "lora_alpha": settings.lora_alpha,
            "lora_dropout": 0.0,
            "target_modules": list(settings.target_modules),
            "modules_to_save": list(settings.modules_to_save) or None,
            "bias": "none",
            "inference_mode": True,
        },
    )


def read(folder: Path, network: nn.Module) -> Adapter:
    """The adapter in a folder, for this network.

    Raises `CheckpointError` naming the file for a configuration that asks for more than low-rank factors, and for
    tensors that the network has no place for or that it lacks; no tensor is read before.
    """
    settings, file = _settings(folder / ADAPTER), folder / ADAPTER_WEIGHTS
    layers = adaptable(network)
    whole = {name: tuple(p.shape) for name, p in network.named_parameters() if _is_in(name, settings.modules_to_save)}
    named = [name for name in matching(layers, settings.target_modules) if f"{name}.weight" not in whole]
    shapes = {f"{PREFIX}{name}": shape for name, shape in whole.items()}
    for name in named:
        shapes |= dict(zip(_keys(name), _shapes(network.get_parameter(f"{name}.weight"), settings.r), strict=True))
    _check(shapes, file)
    tensors = weights.read_file(file)
    factors = {name: (tensors[a], tensors[b]) for name in named for a, b in [_keys(name)]}
    return Adapter(settings, factors, {name: tensors[f"{PREFIX}{name}"] for name in whole})


def stated_base(base: Mapping[str, Any], file: Path) -> Base:
    """What a card says of an adapter's base; raises `CheckpointError` naming the card's file."""
    try:
        stated = decode(Base, dict(base), "base")
        require(bool(stated.name), "base.name", "no text", "a name, a folder or a hub id")
        require(len(stated.digest) == DIGITS, "base.digest", f"`{stated.digest[:80]}`", f"{DIGITS} digits of a hash")
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}; state the checkpoint that the adapter was trained on") from error
    return stated


def digest(*networks: nn.Module) -> str:
    """The first digits of the SHA-256 of all tensors: names, shapes and values, floating-point ones as float32.

    So it does not depend on how many files weights lie in, nor on whether they were made float32 when they were opened.
    """
    total = hashlib.sha256()
    for number, network in enumerate(networks):
        for name, tensor in sorted(network.state_dict().items()):
            total.update(f"{number} {name} {list(tensor.shape)}\n".encode())
            held = tensor.detach().cpu()
            held = held.float() if held.is_floating_point() else held
            total.update(held.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()[:DIGITS]


def _settings(file: Path) -> LowRank:
    content = read_json(file)
    followed = {key: content.pop(key, None) for key in LowRank.__dataclass_fields__}
    for key, value in content.items():
        usable = value in _ONLY[key] if key in _ONLY else not value or key in _IDLE
        if not usable:
            raise CheckpointError(
                f"{file}: `{key}` asks for another kind of adapter than plain low-rank factors; merge it with peft, "
                "and give the checkpoint that comes out"
            )
    try:
        return decode(LowRank, {key: value for key, value in followed.items() if value is not None}, "adapter")
    except ConfigError as error:
        raise CheckpointError(f"{file}: {error}; {fetch_again(file)}") from error


def _check(shapes: Mapping[str, tuple[int, ...]], file: Path) -> None:
    """Raises `CheckpointError` unless a file holds just the tensors of these names and shapes, all of them numbers."""
    stored, again = read_header(file), fetch_again(file)
    for name in sorted({*shapes, *stored}):
        if name not in stored:
            raise CheckpointError(f"{file}: `{name}` is missing; {again}")
        if name not in shapes:
            raise CheckpointError(f"{file}: `{name[:200]}` is nothing of this network, or no target; {again}")
        if stored[name].shape != shapes[name] or stored[name].kind not in FLOATS:
            found = f"{list(stored[name].shape)} of {stored[name].kind}"
            raise CheckpointError(f"{file}: `{name}` is {found}, not {list(shapes[name])} of numbers; {again}")


def _keys(name: str) -> tuple[str, str]:
    return f"{PREFIX}{name}.lora_A.weight", f"{PREFIX}{name}.lora_B.weight"


def _shapes(weight: Tensor, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shapes of the factors A and B of a weight."""
    out, *inside = weight.shape
    return (rank, *inside), (out, rank, *(1 for _ in inside[1:]))


def _is_in(parameter: str, ends: Collection[str]) -> bool:
    """Whether a parameter is one of a layer that is named."""
    return bool(matching([parameter.rpartition(".")[0]], ends))


def _ends(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[first:]) for first in range(len(parts)))


def _groups(layer: nn.Module) -> int:
    return layer.groups if isinstance(layer, nn.Conv2d) else 1
