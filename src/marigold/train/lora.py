"""Low-rank adapters in training: few numbers beside frozen weights (Hu et al. 2022, "LoRA", sec. 4).

The library peft puts its layers into the denoiser: a frozen weight W and two factors, so that the layer computes
W x + alpha / rank * B A x. B begins as zero, and with it every layer as it was.
"""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from marigold.checkpoints.adapters import Adapter, LowRank, adaptable, matching, product
from marigold.core.config import require, require_within
from marigold.core.errors import ConfigError, MissingExtraError
from marigold.core.limits import PARTS, RANK, WEIGHT
from marigold.core.plain import word

NAME = "default"
"""What peft calls an adapter that has no name."""
_LAYER = re.compile(r"\w+(\.\w+)*")


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters that are trained in place of the denoiser, whose own weights stay as they are.

    Its first and last layer are trained whole where they were widened for the modality: most of a widened layer's
    input is one that the generator never had, which a change of low rank to its weights does not serve.
    """

    rank: int = 16
    """Rows of A and columns of B."""
    alpha: float = 16.0
    """The product of the factors counts `alpha / rank` times."""
    dropout: float = 0.0
    """Share of a layer's inputs that its factors do not see in a step."""
    targets: tuple[str, ...] = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
    """Layers with factors, linear ones and convolutions, by name or by its end after a dot. By default the projections
    of the attention layers, as in diffusers' training scripts, and the feed-forward layers between them: with an empty
    prompt the attention to words says little, and those hold most of a block's weights. `conv1`, `conv2`, `proj_in` and
    `proj_out` are what more capacity would take."""
    saved: Literal["merged", "adapter"] = "merged"
    """`merged`: an ordinary checkpoint. `adapter`: a small folder with the factors, which is opened on its base."""

    def __post_init__(self) -> None:
        require_within("recipe.lora.", self, rank=(1, RANK), alpha=(0.0, WEIGHT), dropout=(0.0, 1.0))
        require(self.alpha > 0, "recipe.lora.alpha", self.alpha, "above 0")
        require(self.dropout < 1, "recipe.lora.dropout", self.dropout, "below 1")
        count, where = len(self.targets), "recipe.lora.targets"
        require(0 < count <= PARTS, where, f"a list of {count}", f"1 to {PARTS} long")
        for target in self.targets:
            usable = isinstance(target, str) and bool(_LAYER.fullmatch(target))
            require(usable, where, f"`{word(target)}`", "the name of a layer, such as to_q or to_out.0")


def attach(network: nn.Module, lora: Lora, whole: Collection[str]) -> None:
    """Puts factors beside the targets' weights, in place, A drawn from the global random state.

    Afterwards the parameters that require a gradient are the factors and those of the layers in `whole`. Raises
    `ConfigError` for targets that the network does not have, and `MissingExtraError`.
    """
    targets = _targets(network, lora, whole)
    config = _peft().LoraConfig(
        r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets, bias="none"
    )
    _peft().inject_adapter_in_model(config, network, NAME)
    for name in whole:
        network.get_submodule(name).requires_grad_(True)


def trained(network: nn.Module) -> nn.Module:
    """The parameters of a network that require a gradient, under their names, as a module that shares them."""
    tree = nn.Module()
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            path, _, last = name.rpartition(".")
            _branch(tree, path).register_parameter(last, parameter)
    return tree


@contextmanager
def as_saved(network: nn.Module, lora: Lora | None) -> Iterator[Adapter | None]:
    """Inside the block the network is as it is saved, by its own names; gives the adapter where that is saved alone."""
    if lora is None:
        yield None
    elif lora.saved == "adapter":
        yield _adapter(network, lora)
    else:
        with _merged(network):
            yield None


@contextmanager
def dropout_stream(lora: Lora | None, seed: int, device: str) -> Iterator[None]:
    """Inside the block what dropout draws is a function of the seed; the global streams are left as they were."""
    if lora is None or not lora.dropout:
        yield
        return
    where = torch.device(device)
    kind = "cuda" if where.type == "cpu" else where.type
    with torch.random.fork_rng([] if where.type == "cpu" else [where], device_type=kind):
        torch.manual_seed(seed)
        yield


@contextmanager
def without_dropout(network: nn.Module) -> Iterator[None]:
    """Inside the block the network answers as one that is not trained."""
    before = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(before)


def _targets(network: nn.Module, lora: Lora, whole: Collection[str]) -> list[str]:
    """The whole names of the layers that get factors."""
    layers = adaptable(network)
    for target in lora.targets:
        named = matching(layers, [target])
        if not named:
            there = ", ".join(dict.fromkeys(_short(name) for name in layers))
            raise ConfigError(f"recipe.lora.targets: no layer of the network is called `{target}`; there are: {there}")
        if taken := sorted({*named} & {*whole}):
            raise ConfigError(
                f"recipe.lora.targets: `{target}` is {taken[0]}, which was widened and is trained whole; leave it out"
            )
    return matching(layers, lora.targets)


def _short(name: str) -> str:
    """The end of a layer's name that begins with a word: `to_q`, `to_out.0`."""
    *before, last = name.split(".")
    return f"{_short('.'.join(before))}.{last}" if last.isdecimal() and before else last


def _branch(tree: nn.Module, path: str) -> nn.Module:
    """The module at a path, made with those on the way where it is not there."""
    for part in filter(None, path.split(".")):
        if part not in dict(tree.named_children()):
            tree.add_module(part, nn.Module())
        tree = tree.get_submodule(part)
    return tree


def _adapter(network: nn.Module, lora: Lora) -> Adapter:
    """What was trained, as it is stored."""
    factors = {name: (layer.lora_A[NAME].weight, layer.lora_B[NAME].weight) for name, layer in _layers(network).items()}
    others = {name: p for name, p in trained(network).named_parameters() if ".lora_" not in name}
    whole = tuple(dict.fromkeys(name.rpartition(".")[0] for name in others))
    return Adapter(LowRank(lora.rank, lora.alpha, lora.targets, whole), factors, others)


@contextmanager
def _merged(network: nn.Module) -> Iterator[None]:
    """Inside the block the network has ordinary layers, with the product of the factors in their weights."""
    layers = _layers(network)
    for name, layer in layers.items():
        network.set_submodule(name, _plain(layer))
    try:
        yield
    finally:
        for name, layer in layers.items():
            network.set_submodule(name, layer)


@torch.no_grad()
def _plain(layer: Any) -> nn.Module:
    plain: Any = deepcopy(layer.get_base_layer())
    a, b = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
    plain.weight += product(plain.weight, a, b, layer.scaling[NAME])
    return plain


def _layers(network: nn.Module) -> dict[str, Any]:
    """The layers of peft in a network, by the names of those that they stand for."""
    from peft.tuners.lora import LoraLayer

    return {name: layer for name, layer in network.named_modules() if isinstance(layer, LoraLayer)}


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise MissingExtraError("peft", "lora", "training low-rank adapters") from error
    return peft
