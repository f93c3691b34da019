"""A U-Net whose embedding of the time is narrower, and says the same at every one of the schedule's times.

The embedding is a function of one number: over all times its many neurons are combinations of a few of them. Those that
the others tell best are left out, and what read them reads the others instead.
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from marigold.backbones import _networks as networks

CLOSE = 1e-3
"""The largest change of what a layer reads from the time, relative to the spread of what it read."""


@torch.no_grad()
def narrower_time(unet: Any, width: int, times: int = 1000) -> Any:
    """The U-Net with so many neurons in its time embedding; raises `ValueError` where that cannot be had."""
    embedding = copy.deepcopy(unet.time_embedding).double()
    if not 0 < width <= embedding.linear_1.out_features:
        raise ValueError(f"a time embedding of {embedding.linear_1.out_features} neurons cannot get {width}")
    hidden = F.silu(embedding.linear_1(unet.time_proj(torch.arange(times)).double()))
    said = F.silu(embedding.linear_2(hidden))
    slim = networks.make(type(unet), {**unet.config, "time_embedding_dim": width}, "unet")
    weights = unet.state_dict()
    _drop(weights, "time_embedding.linear_1", ["time_embedding.linear_2"], hidden, width)
    readers = [name for name, _ in unet.named_modules() if name.endswith("time_emb_proj")]
    _drop(weights, "time_embedding.linear_2", readers, said, width)
    slim.load_state_dict({name: x.float() for name, x in weights.items()})
    return nn.Module.to(slim, unet.device).train(unet.training)


def _drop(weights: dict[str, Tensor], layer: str, readers: list[str], values: Tensor, width: int) -> None:
    """Leaves neurons of a layer out, whose `values` at all times are [times, neurons], and lets its readers make up."""
    kept = _telling(values, width)
    ones = values.new_ones(len(values), 1)
    fit = torch.linalg.lstsq(torch.cat([values[:, kept], ones], 1), values, rcond=1e-9, driver="gelsd").solution
    for name in (f"{layer}.weight", f"{layer}.bias"):
        weights[name] = weights[name][kept]
    for reader in readers:
        weight, bias = weights[f"{reader}.weight"].double(), weights[f"{reader}.bias"].double()
        before = values @ weight.T
        weights[f"{reader}.weight"], weights[f"{reader}.bias"] = weight @ fit[:-1].T, bias + weight @ fit[-1]
        change = values[:, kept] @ weights[f"{reader}.weight"].T + weight @ fit[-1] - before
        if change.abs().max() > CLOSE * before.std():
            raise ValueError(f"{reader}: {width} neurons are too few; it would read {change.abs().max():.2g} else")


def _telling(values: Tensor, width: int) -> Tensor:
    """The numbers of the `width` columns that tell most, each the one that those before it tell least."""
    left, chosen = values - values.mean(dim=0), []
    for _ in range(width):
        untold = left.square().sum(dim=0)
        untold[chosen] = -1.0
        best = int(untold.argmax())
        axis = left[:, best] / left[:, best].norm().clamp(min=1e-12)
        left = left - axis[:, None] * (axis @ left)
        chosen.append(best)
    return torch.tensor(sorted(chosen))
