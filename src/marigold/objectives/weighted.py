"""A weighted sum of objectives that train the same network, such as denoising at all times and one step by its result.

    objective:
      name: weighted
      parts:
        - {objective: {name: denoise, noise: gaussian}, weight: 1}
        - {objective: {name: end_to_end, decoded: 0.25}, weight: 0.5}

`phases` follow each other instead, and what a later one does not teach is forgotten in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from marigold.backbones.base import Backbone
from marigold.checkpoints.adapters import Adapter
from marigold.checkpoints.convention import Convention
from marigold.core.config import require, require_within
from marigold.core.errors import ConfigError
from marigold.core.find import name_of
from marigold.core.limits import PARTS, WEIGHT
from marigold.core.sample import Batch
from marigold.estimator import Estimator
from marigold.objectives.base import Objective


@dataclass(frozen=True)
class Part:
    """An objective with its weight in the sum."""

    objective: Objective
    weight: float = 1.0

    def __post_init__(self) -> None:
        require_within("weighted: parts: ", self, weight=(0.0, WEIGHT))


@dataclass(frozen=True)
class Weighted(Objective):
    """sum_i weight_i * loss_i, each part on the whole batch with random draws of its own.

    The first part shows the previews, writes the checkpoint, and says how the network is called where all agree.
    """

    parts: tuple[Part, ...]
    """What is summed; all parts train the same network."""

    def __post_init__(self) -> None:
        require(0 < len(self.parts) <= PARTS, "weighted: parts", f"a list of {len(self.parts)}", f"1 to {PARTS} long")
        weights = [part.weight for part in self.parts]
        require(sum(weights) > 0, "weighted: parts", f"weights {weights}", "above 0 for at least one part")

    def extend(self, backbone: Backbone) -> None:
        """All that the parts ask for."""
        for objective in self._objectives:
            objective.extend(backbone)

    def trainable(self, estimator: Estimator) -> nn.Module:
        """What the parts train. Raises `ConfigError` where one of them trains another network."""
        found = [objective.trainable(estimator) for objective in self._objectives]
        weights = [{*map(id, module.parameters())} for module in found]
        for number, other in enumerate(weights):
            if other != weights[0]:
                one, first = name_of(self._objectives[number]), name_of(self._objectives[0])
                raise ConfigError(
                    f"weighted: parts.{number}: `{one}` trains another network than `{first}`; make it a run of its own"
                )
        return found[0]

    def convention(self, backbone: Backbone, before: Convention) -> Convention:
        """That of all parts. Raises `ConfigError` where they teach networks that are called in different ways."""
        found = [objective.convention(backbone, before) for objective in self._objectives]
        for number, other in enumerate(found):
            if other != found[0]:
                one, first = name_of(self._objectives[number]), name_of(self._objectives[0])
                raise ConfigError(
                    f"weighted: parts.{number}: `{one}` teaches a network that is called in another way than "
                    f"`{first}`; give both the same start"
                )
        return found[0]

    def setup(self, estimator: Estimator) -> nn.Module:
        """What the parts keep, in their order."""
        return nn.ModuleList(objective.setup(estimator) for objective in self._objectives)

    @torch.no_grad()
    def prepare(self, estimator: Estimator, batch: Batch) -> dict[str, Tensor]:
        """What the parts prepare, under `0.`, `1.` and so on; an image that several encode is encoded once."""
        once = _Remembering(estimator)
        prepared = [objective.prepare(once, batch) for objective in self._objectives]
        return {f"{number}.{name}": x for number, one in enumerate(prepared) for name, x in one.items()}

    def loss(self, estimator: Estimator, prepared: dict[str, Tensor], kept: nn.Module, rng: torch.Generator) -> Tensor:
        """The weighted sum; a part of weight 0 is not computed."""
        assert isinstance(kept, nn.ModuleList)
        losses = []
        for number, (part, own) in enumerate(zip(self.parts, kept, strict=True)):
            if part.weight:
                begin = f"{number}."
                mine = {name.removeprefix(begin): x for name, x in prepared.items() if name.startswith(begin)}
                losses.append(part.weight * part.objective.loss(estimator, mine, own, rng))
        return torch.stack(losses).sum()

    def preview(self, estimator: Estimator, batch: Batch, rng: torch.Generator) -> Tensor:
        """That of the first part."""
        return self._objectives[0].preview(estimator, batch, rng)

    def after_step(self, estimator: Estimator, kept: nn.Module) -> None:
        """What each part does."""
        assert isinstance(kept, nn.ModuleList)
        for objective, own in zip(self._objectives, kept, strict=True):
            objective.after_step(estimator, own)

    def finish(self, estimator: Estimator, draw: Callable[[int], Batch]) -> None:
        """What each part does."""
        for objective in self._objectives:
            objective.finish(estimator, draw)

    def save(self, estimator: Estimator, folder: Path, adapter: Adapter | None = None) -> None:
        """As the first part does."""
        self._objectives[0].save(estimator, folder, adapter)

    def saved_bytes(self, estimator: Estimator) -> int:
        """Those of the first part."""
        return self._objectives[0].saved_bytes(estimator)

    @property
    def _objectives(self) -> list[Objective]:
        return [part.objective for part in self.parts]


class _Remembering(Estimator):
    """The same estimator for one batch, which encodes an image or a target once however often it is asked."""

    def __init__(self, estimator: Estimator) -> None:
        super().__init__(estimator.backbone, estimator.modality, estimator.card)
        self._latents: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}
        """What was encoded, which keeps its identity to itself, and its latents."""

    def encode_image(self, image: Tensor) -> Tensor:
        """Photos [B, 3, H, W] to the condition."""
        return self._once("image", image, super().encode_image)

    def encode_target(self, pixels: Tensor) -> Tensor:
        """Target images [B, N, 3, H, W] to latents."""
        return self._once("target", pixels, super().encode_target)

    def _once(self, kind: str, x: Tensor, encode: Callable[[Tensor], Tensor]) -> Tensor:
        key = kind, id(x)
        if key not in self._latents:
            self._latents[key] = x, encode(x)
        return self._latents[key][1]
