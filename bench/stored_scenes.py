"""Scenes rendered once into files, for many small trainings: what these read, and depth scored on held-out scenes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from marigold.core import seeds
from marigold.core.files import whole_file
from marigold.core.sample import Sample
from marigold.data.pool import Pools
from marigold.data.reader import Reading, made
from marigold.data.source import Source
from marigold.diffusion.noise import gaussian
from marigold.diffusion.sampling import Sampling
from marigold.estimator import Estimator
from marigold.measure.alignment import Protocol, align
from marigold.measure.metrics import depth_metrics
from marigold.modalities.depth import Depth, usable
from marigold_scenes.families import FAMILIES
from marigold_scenes.procedural import Procedural

BLOCK = 64
"""Scenes rendered together."""
PIECE = 512
"""Scenes in one file."""
AT_ONCE = 64
"""Held-out scenes predicted together."""
FIELDS = ("depth",)


class OutOfTime(Exception):  # noqa: N818
    """The time budget is spent."""


def check_time(deadline: float) -> None:
    """Raises `OutOfTime` past the deadline."""
    if time.time() > deadline:
        raise OutOfTime


def source(families: Sequence[str], size: int, count: int, weight: float = 1.0) -> Source:
    """The first `count` training scenes of some families, square, of `size` pixels."""
    block = min(BLOCK, count)
    scenes = Procedural(size, size, families=tuple(families))
    return Source(scenes, weight=weight, capacity=count, renewal=0.0, block=block)


def held_out_source(family: str, size: int, count: int) -> Source:
    """The first `count` held-out scenes of one family."""
    return replace(source([family], size, count), split="test")


def others(family: str) -> tuple[str, ...]:
    """All families but one."""
    return tuple(name for name in FAMILIES if name != family)


def pieces(wanted: Source) -> list[range]:
    """The parts of a source that are rendered, and kept in a file, on their own."""
    return [range(first, min(first + PIECE, wanted.capacity)) for first in range(0, wanted.capacity, PIECE)]


def store(folder: Path, wanted: Source, piece: range, device: str, deadline: float) -> None:
    """Renders a part of a source into its file, unless it is there. Raises `OutOfTime`."""
    path = _file(folder, wanted, piece)
    if path.is_file():
        return
    keys = list(wanted.dataset.scan(Path(), wanted.split)[piece.start : piece.stop])
    blocks = [keys[first : first + wanted.block] for first in range(0, len(keys), wanted.block)]
    samples = []
    for block in blocks:
        check_time(deadline)
        samples.append(made(wanted, FIELDS, block, device))
    tensors = {
        "image": torch.cat([sample.image for sample in samples]),
        "depth": torch.cat([sample.maps["depth"] for sample in samples]),
        "valid": torch.cat([sample.valid["depth"] for sample in samples]),
    }
    with whole_file(path) as file:
        file.write(safetensors.torch.save(tensors))


def stored(folder: Path, wanted: Source, device: str) -> Sample:
    """The scenes of a source from their files, stacked, in half precision."""
    parts = [safetensors.torch.load_file(_file(folder, wanted, piece), device=device) for piece in pieces(wanted)]
    image, depth, valid = (torch.cat([part[name] for part in parts]) for name in ("image", "depth", "valid"))
    return Sample("", image, {"depth": depth}, {"depth": valid})


class StoredPool:
    """Scenes from a file; which of them a step gets depends on seed and step alone."""

    def __init__(self, scenes: Sample, seed: int, drawn: Callable[[], None]) -> None:
        self._scenes, self._seed, self._drawn = scenes, seed, drawn

    def draw(self, step: int, count: int, fields: tuple[str, ...]) -> Sample:
        """`count` scenes as one stacked sample, in float32."""
        self._drawn()
        rng = seeds.stream(self._seed, "draw", step)
        chosen = torch.randint(len(self._scenes.image), (count,), generator=rng).to(self._scenes.image.device)
        return self._scenes.only(fields).each(lambda x: x[chosen] if x.dtype == torch.bool else x[chosen].float())


class StoredPools(Pools):
    """The pools of a process over files that `store` has written: runs of all seeds share the same scenes.

    Past `deadline`, in seconds as `time.time` gives them, there are no more scenes, but `OutOfTime`. `times` are those
    at which a batch was drawn.
    """

    def __init__(self, folder: Path, device: str, deadline: float) -> None:
        super().__init__(Reading(device))
        self._folder, self._device, self._deadline = folder, device, deadline
        self._loaded: dict[str, Sample] = {}
        self.times: list[float] = []

    def of(self, source: Source, fields: set[str], seed: int) -> StoredPool:  # type: ignore[override]
        """The pool of a source."""
        if source.data() not in self._loaded:
            self._loaded[source.data()] = stored(self._folder, source, self._device)
        return StoredPool(self._loaded[source.data()], seed, self._drawn)

    def _drawn(self) -> None:
        check_time(self._deadline)
        self.times.append(time.time())


@dataclass(frozen=True)
class HeldOut:
    """Held-out scenes of several families, in float32."""

    families: tuple[str, ...]
    sample: Sample
    """Stacked, as many scenes of each family in turn."""
    protocol: Protocol
    """How depth is aligned and clipped before it is scored."""

    def means(self, values: Tensor) -> dict[str, float]:
        """The mean AbsRel of predictions [B, 1, H, W] by family."""
        return self.scores(values, ("abs_rel",))["abs_rel"]

    def scores(self, values: Tensor, metrics: Sequence[str]) -> dict[str, dict[str, float]]:
        """The means of some depth metrics of predictions [B, 1, H, W], by metric and family."""
        truth, valid = self.sample.maps["depth"][:, 0], usable(self.sample)[:, 0]
        parts = zip(values[:, 0].split(AT_ONCE), truth.split(AT_ONCE), valid.split(AT_ONCE), strict=True)
        found = [depth_metrics(align(p, g, ok, self.protocol), g, ok) for p, g, ok in parts]
        every = {name: torch.cat([one[name] for one in found]).view(len(self.families), -1) for name in metrics}
        return {name: dict(zip(self.families, x.mean(dim=1).tolist(), strict=True)) for name, x in every.items()}

    def first(self, count: int) -> "HeldOut":
        """The first scenes of each family alone."""

        def chosen(x: Tensor) -> Tensor:
            return x.unflatten(0, (len(self.families), -1))[:, :count].flatten(0, 1)

        return replace(self, sample=self.sample.each(chosen))


def held_out(folder: Path, size: int, count: int, device: str) -> HeldOut:
    """`count` held-out scenes of every family, from their files."""
    samples = [stored(folder, held_out_source(family, size, count), device) for family in FAMILIES]
    sample = Sample(
        "",
        torch.cat([one.image for one in samples]).float(),
        {"depth": torch.cat([one.maps["depth"] for one in samples]).float()},
        {"depth": torch.cat([one.valid["depth"] for one in samples])},
    )
    return HeldOut(FAMILIES, sample, Protocol("depth", *Procedural.card.depth_range))


@torch.no_grad()
def predictions(estimator: Estimator, scenes: HeldOut, sampling: Sampling, member: int = 0) -> Tensor:
    """Depth [B, 1, H, W] in 0 to 1 of all scenes; `member` chooses the noise."""
    backbone, found = estimator.backbone, []
    for number, image in enumerate(scenes.sample.image.split(AT_ONCE)):
        condition = estimator.encode_image(image * 2 - 1)
        shape = (len(image), backbone.targets * backbone.latent_channels, *condition.shape[-2:])
        noise = gaussian(shape, seeds.stream(member, "noise", number), image.device)
        found.append(estimator.decode(estimator.sample(condition, noise, sampling)))
    return torch.cat(found)


def baselines(scenes: HeldOut) -> dict[str, dict[str, float]]:
    """The mean AbsRel by family of answers that have not looked at the photo."""
    found = Depth().baselines(scenes.sample)
    return {name: scenes.means(values.expand_as(scenes.sample.maps["depth"])) for name, values in found.items()}


def _file(folder: Path, wanted: Source, piece: range) -> Path:
    scenes = wanted.dataset
    assert isinstance(scenes, Procedural)
    name = f"{wanted.split}-{'-'.join(scenes.families)}-{scenes.height}"
    return folder / f"{name}-{piece.start}-{piece.stop}.safetensors"
