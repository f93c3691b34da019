"""A source whose samples are read from the disk one by one, each once in an epoch, as a process that reads has it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from torch import Tensor

from marigold.core.errors import DataError, RefusedSampleError
from marigold.core.sample import Sample
from marigold.data import border
from marigold.data.latents import LatentFiles
from marigold.data.order import Epochs
from marigold.data.reader import fitted, only
from marigold.data.skipped import Skipped
from marigold.data.source import Source

ATTEMPTS = 8
"""Samples that cannot be read, one in place of the other, before a source counts as broken."""
REFUSALS = 100
"""Samples that are tried at most, where the data set's rules refuse most of them."""
CHECKED = 32
"""Samples of a source that are read before the first step."""
Size = tuple[int, int]


@dataclass(frozen=True)
class Item:
    """One sample of a batch: read, or what has been kept of it encoded, and those that it stands in for."""

    key: str
    sample: Sample | None
    latents: dict[str, Tensor] | None
    name: str
    """What its latents are kept under; empty where none are kept."""
    skipped: tuple[Skipped, ...] = ()
    refused: tuple[str, ...] = ()
    """The keys of those that the data set's rules leave out."""


@dataclass(frozen=True)
class Streamed:
    """The samples of a source by number. `size` is the height and width that all have; (0, 0) takes any."""

    source: Source
    fields: tuple[str, ...]
    keys: Sequence[str]
    seed: int
    size: Size = (0, 0)

    def item(self, index: int, latents: LatentFiles | None = None, mirrored: bool = False) -> Item:
        """The sample that comes as number `index`; one that cannot be used, or is refused, gives its place to another.

        With `latents` what is kept of the sample, mirrored or not, is taken instead of it. Raises `DataError` where so
        many in a row cannot be used that the source must be broken.
        """
        skipped: list[Skipped] = []
        refused: list[Skipped] = []
        while len(skipped) < ATTEMPTS and len(skipped) + len(refused) < REFUSALS:
            key = self.key(index, len(skipped) + len(refused))
            try:
                name, sample = self._named(key, latents, mirrored)
                kept = latents.find(name) if latents else None
                if kept is None:
                    sample = sample or self.read(key)
                passed = tuple(one.key for one in refused)
                return Item(key, None if kept else sample, kept, name, tuple(skipped), passed)
            except RefusedSampleError as error:
                refused.append(Skipped(key, str(error)))
            except DataError as error:
                skipped.append(Skipped(key, str(error)))
        raise DataError(self._in_vain(skipped, refused))

    @property
    def shape(self) -> tuple[int, ...]:
        """The height and width that samples come with."""
        source = self.source
        return source.resize or ((source.side, source.side) if source.side else self.size)

    def key(self, index: int, attempt: int = 0) -> str:
        """The key of the sample that comes as number `index`; of the one in its place after so many attempts."""
        return self.keys[self._epochs.instead(index, attempt) if attempt else self._epochs.place(index)]

    def read(self, key: str) -> Sample:
        """A sample, with the fields that are needed, at the source's size. Raises `DataError`."""
        sample = only(border.read(self.source.dataset, self.source.root, key), self.fields)
        sample = fitted(sample, self.source)
        height, width = sample.image.shape[-2:]
        if self.size not in ((0, 0), (height, width)):
            raise DataError(
                f"{key}: is {width} x {height} pixels, where others are {self.size[1]} x {self.size[0]}; for one "
                "size set its `augment.size`, such as --data.0.augment.size 256, or `resize`, which cuts nothing off"
            )
        return sample

    def sized(self) -> "Streamed":
        """The same, knowing the size that all samples have if none is set. Raises `DataError` if none can be read."""
        if self.source.resize or self.source.side:
            return self
        skipped: list[Skipped] = []
        refused: list[Skipped] = []
        for key in self._spread(REFUSALS):
            try:
                height, width = self.read(key).image.shape[-2:]
                return replace(self, size=(height, width))
            except RefusedSampleError as error:
                refused.append(Skipped(key, str(error)))
            except DataError as error:
                skipped.append(Skipped(key, str(error)))
            if len(skipped) == ATTEMPTS:
                break
        raise DataError(skipped[0].why if skipped else self._in_vain(skipped, refused))

    def broken(self, first: int = 0) -> list[Skipped]:
        """Those that cannot be used of the `first` so many samples and some more, spread over the source."""
        found: list[Skipped] = []
        for key in dict.fromkeys([*self.keys[:first], *self._spread(CHECKED)]):
            try:
                self.read(key)
            except RefusedSampleError:
                continue
            except DataError as error:
                found.append(Skipped(key, str(error)))
        return found

    def _in_vain(self, skipped: list[Skipped], refused: list[Skipped]) -> str:
        """Why none of the samples that were tried will do."""
        root = self.source.root
        if len(skipped) < ATTEMPTS and refused:
            count, why = len(skipped) + len(refused), refused[0].why
            remedy = "turn the rule off, or give a source that holds others"
            return f"{root}: the data set's own rules leave none of {count} samples, the first: {why}; {remedy}"
        return f"{root}: {len(skipped)} samples in a row cannot be used, the first: {skipped[0].why}"

    def _spread(self, count: int) -> list[str]:
        """Keys of at most so many samples, from the first on."""
        return list(self.keys[:: -(-len(self.keys) // count)])

    @cached_property
    def _epochs(self) -> Epochs:
        return Epochs(len(self.keys), self.seed)

    def _named(self, key: str, latents: LatentFiles | None, mirrored: bool) -> tuple[str, Sample | None]:
        """What a sample's latents are kept under, and the sample where it had to be read for that."""
        if latents is None:
            return "", None
        source = self.source
        identity, sample = border.identity(source.dataset, source.root, key), None
        if not identity:
            sample = self.read(key)
            identity = latents.content(sample)
        return latents.name(source, key, identity, mirrored), sample
