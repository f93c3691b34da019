"""Training batches from several sources, drawn by weight from a stream keyed by the step, so resuming is an index."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from marigold.core import find, seeds
from marigold.core.config import decode
from marigold.core.errors import ConfigError
from marigold.core.sample import Batch
from marigold.data.augment import Augment, augment
from marigold.data.pool import Pool
from marigold.datasets.base import Dataset
from marigold.modalities.base import Modality


@dataclass(frozen=True)
class Source:
    """One data set in a mix."""

    dataset: str
    """The name of a data set (a file in `datasets/`) or a dotted module name."""
    root: Path = Path()
    """The folder it lies in; data sets that render need none."""
    split: str = "train"
    weight: float = 1.0
    """Share of the steps that use this source, relative to the other sources."""
    paint: str = ""
    """The modality whose pictures are the targets; empty means the recipe's own."""
    options: dict[str, Any] = field(default_factory=dict)
    """The data set's own settings, such as `height` and `width`."""
    augment: Augment = Augment()
    capacity: int = 512
    """Samples kept on the device."""
    renewal: float = 1.0
    """Samples replaced by others at each step that draws from the mix."""
    block: int = 16
    """Samples read or rendered together."""
    optional: bool = False
    """Leave the source out, with a note, when its folder does not exist."""


def open_dataset(source: Source) -> Dataset:
    """The data set object of a source, with its options checked."""
    kind = find.implementation(Dataset, source.dataset)
    return decode(kind, source.options, f"data.{source.dataset}.options")


class Mix:
    """Batches by step. One batch comes from one source, since sources differ in size and fields."""

    def __init__(
        self, sources: tuple[Source, ...], modality: Modality, *, batch: int, seed: int, device: str, workers: int = 0
    ) -> None:
        self.sources = [source for source in sources if not (source.optional and not source.root.is_dir())]
        if not self.sources:
            raise ConfigError("data: no source is left; give at least one whose folder exists")
        self._modality, self._batch, self._seed, self._device, self._workers = modality, batch, seed, device, workers
        self._pools: dict[str, Pool] = {}

    def batch(self, step: int) -> Batch:
        """The batch of a step, on the device."""
        weights = torch.tensor([source.weight for source in self.sources])
        position = int(torch.multinomial(weights, 1, generator=seeds.stream(self._seed, "source", step)))
        return self.batch_of(position, step)

    def batch_of(self, position: int, step: int) -> Batch:
        """The batch that one source gives at a step."""
        source = self.sources[position]
        modality = self.modality(source)
        sample = self._pool(source).draw(step, self._batch)
        sample = augment(sample, source.augment, seeds.stream(self._seed, "augment", step))
        pixels, valid = modality.encode(sample)
        return Batch(image=sample.image * 2 - 1, pixels=pixels, valid=valid, truth=sample)

    def modality(self, source: Source) -> Modality:
        """What the batches of a source paint."""
        return find.implementation(Modality, source.paint)() if source.paint else self._modality

    def close(self) -> None:
        """Ends all worker processes."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, source: Source) -> Pool:
        """Sources that differ only in what they paint share one pool, which keeps the fields of all of them."""
        key = _same_data(source)
        if key not in self._pools:
            sharing = [self.modality(other).needs for other in self.sources if _same_data(other) == key]
            needs = tuple(sorted({name for names in sharing for name in names}))
            dataset = open_dataset(source)
            self._pools[key] = Pool(
                dataset=dataset,
                root=source.root,
                split=source.split,
                needs=needs,
                capacity=source.capacity,
                renewal=source.renewal,
                seed=self._seed,
                device=self._device,
                block=source.block,
                workers=self._workers,
            )
        return self._pools[key]


def _same_data(source: Source) -> str:
    return repr(replace(source, paint="", weight=1.0, augment=Augment()))
