"""The contract of a modality: how physical fields become target images for a generator, and back."""

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from marigold.core.choices import Reduction
from marigold.core.config import decode
from marigold.core.errors import DataError
from marigold.core.fields import FIELDS, Space
from marigold.core.sample import Batch, Sample
from marigold.measure.alignment import STANDARD, Protocol
from marigold.measure.curve import Curve
from marigold.measure.losses import masked_square
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally


@dataclass(frozen=True)
class Ambiguity:
    """What a prediction leaves open, for every photo anew: members are aligned in it before they are merged."""

    scale: bool = False
    shift: bool = False
    """An unknown shift also means that a depth of 0 is not at the camera."""


class Modality(ABC):
    """What is predicted. A concrete modality is a frozen dataclass whose fields are stored in the checkpoint.

    A modality sees pixels and physical values only; it knows neither networks nor noise.
    """

    pipelines: ClassVar[tuple[str, ...]] = ()
    """Classes of published pipelines that predict this, diffusers' own first; none: only a card says that it does."""
    published: ClassVar[Mapping[str, str]] = {}
    """Checkpoints on the hub that predict this, with the licence of their weights (`none stated` where none is)."""
    single_step: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Words in the names of published single-step networks (Garcia et al. 2025, He et al. 2025) that predict this, the
    more exact first, with the options that the modality has there."""

    needs: tuple[str, ...]
    """Fields read from a `Sample`."""
    targets: tuple[str, ...]
    """What the generator predicts, one three-channel target image each, in order."""
    outputs: tuple[str, ...]
    """Names of the predicted maps, in the order of the channels of `values`."""
    channels: tuple[int, ...]
    """The number of channels of each output."""
    metrics: ClassVar[tuple[Metric, ...]] = ()
    """What `score` gives, in the order of tables, the one that counts first; for a metric that is not stated, tables
    show no direction."""
    extent: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    """The least and the most that an end of an interval can be: one that lies there stands for all beyond."""
    pictures: ClassVar[tuple[str, ...]] = ()
    """What can be compared as people see it, by names."""
    ends: ClassVar[Mapping[str, str]] = {"lower": "lower end of an interval", "upper": "upper end of an interval"}
    """What files call the ends of an interval, in one word and in several; of one from 0 on, its upper end alone."""
    reductions: ClassVar[tuple[Reduction, ...]] = ()
    """The reductions that `ensemble` takes as a second argument; none: it merges in its own way."""

    @property
    def reduction(self) -> Reduction:
        """The reduction of `ensemble` when none is asked for."""
        return self.reductions[0] if self.reductions else "median"

    @property
    def main(self) -> Metric | None:
        """The metric by which checkpoints are compared, the first of `metrics`; None: they are not."""
        return self.metrics[0] if self.metrics else None

    @property
    def ambiguity(self) -> Ambiguity:
        """What a prediction leaves open."""
        return Ambiguity()

    @property
    def ambiguous(self) -> tuple[str, ...]:
        """The outputs that share what `ambiguity` leaves open; none where it leaves nothing open."""
        return self.outputs if self.ambiguity.scale or self.ambiguity.shift else ()

    def alignment(self, protocol: Protocol) -> str:
        """How predictions are fitted to the truth before they are compared, in words; empty if they are not."""
        return ""

    @abstractmethod
    def encode(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Truth to target images: pixels [..., N, 3, H, W] in -1 to 1 and valid [..., N, 1, H, W]."""

    @abstractmethod
    def decode(self, pixels: Tensor) -> Tensor:
        """Target images as predicted, [B, N, 3, H, W] (about -1 to 1) to values [B, C, H, W]."""

    def target_images(self, values: Tensor, like: Tensor) -> Tensor:
        """Predicted values [B, C, H, W] as target images [B, N, 3, H, W] in -1 to 1: those that `decode` reads so.

        `like` are target images of a prediction of the same photos, alike in shape, which tell what values leave open.
        Here they themselves, for modalities without a way back.
        """
        return like

    @abstractmethod
    def ensemble(self, values: Tensor, reduction: Reduction | None = None) -> tuple[Tensor, Tensor]:
        """Members [E, C, H, W] to the merged values [C, H, W] and their uncertainty [1, H, W].

        A modality that states no `reductions` may leave the second argument out.
        """

    @abstractmethod
    def resize(self, values: Tensor, height: int, width: int) -> Tensor:
        """Values [B, C, H, W] at another size, still within the modality's range."""

    def mirrored(self, values: Tensor) -> Tensor:
        """Values [..., C, H, W] of the photo with left and right exchanged; directions change sign (`Field.mirror`)."""
        counted = zip(self.outputs, self.channels, strict=True)
        signs = [FIELDS[name].mirror if name in FIELDS else (1.0,) * count for name, count in counted]
        return values.flip(-1) * values.new_tensor(sum(signs, ())).view(-1, 1, 1)

    def loss(self, values: Tensor, batch: Batch) -> Tensor:
        """How far values [B, C, H, W] are from a batch's truth, a scalar, for objectives that teach by the result.

        Differentiable; without a valid pixel it is zero, and so is its gradient. Here the mean squared error against
        the truth encoded and decoded, over the pixels that are valid in every target.
        """
        return masked_square(values, self.decode(batch.pixels), batch.valid.all(dim=1))

    @abstractmethod
    def score(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> dict[str, Tally]:
        """Metrics of one prediction [C, H, W] against the truth; an empty mask raises `DataError`.

        By `protocol.pooling`, sums over the image's pixels where a metric has them; otherwise the image's own score.
        """

    def error(self, values: Tensor, sample: Sample, protocol: Protocol = STANDARD) -> Tensor:
        """The error of one prediction [C, H, W] at every pixel, [1, H, W], in the sense of the main metric.

        What pictures of errors show, and what an uncertainty is compared with; 0 is right, and pixels without truth are
        NaN. Here the mean absolute difference of all channels to the truth encoded and decoded.
        """
        pixels, valid = self.encode(sample)
        away = (values.double() - self.decode(pixels[None])[0]).abs().mean(dim=0, keepdim=True)
        return torch.where(valid.all(dim=-4), away, torch.nan)

    def compared(self, values: Tensor, sample: Sample) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        """For each of `pictures` the prediction and the truth, [3, H, W] in 0 to 1, and valid, [1, H, W]."""
        return {}

    @property
    def interval_channels(self) -> tuple[int, ...]:
        """The number of channels that an interval has of each output."""
        return self.channels

    def centre(self, values: Tensor) -> Tensor:
        """What intervals [..., K, H, W] of values [..., C, H, W] are put around: the values themselves."""
        return values

    def counterpart(self, values: Tensor, sample: Sample) -> tuple[Tensor, Tensor]:
        """What an interval of a prediction [C, H, W] has to hold, [K, H, W], and where that is known, bool, alike.

        That is the truth in the units of the prediction, within `extent`. Here it is that of the fields that are called
        like the outputs, as they are; what is right up to scale or shift is fitted first. Raises `DataError` for a
        sample without one of these fields.
        """
        if missing := [name for name in self.outputs if name not in sample.maps]:
            raise DataError(f"{sample.key}: has no {missing[0]} to compare intervals with; give it, or `counterpart`")
        truth = torch.cat([sample.maps[name] for name in self.outputs])
        known = torch.cat([sample.usable(name).expand_as(sample.maps[name]) for name in self.outputs])
        return torch.where(known, truth, 0.0).clamp(*self.extent), known

    def baselines(self, sample: Sample) -> dict[str, Tensor]:
        """Answers that nobody had to learn, values [C, H, W] by name: what a prediction must beat."""
        return {}

    def comparable(self, values: Tensor, sample: Sample, protocol: Protocol) -> tuple[Tensor, Tensor, Tensor]:
        """A prediction [C, H, W] and the truth as `colorize` takes them, so that equal values have equal colours.

        With them the mask of the truth, [1, H, W], bool. Here the prediction as it is, and the truth encoded and
        decoded.
        """
        pixels, valid = self.encode(sample)
        return values, self.decode(pixels[None])[0], valid.all(dim=0)

    @abstractmethod
    def colorize(self, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What a person looks at: maps by name ([H, W] or [H, W, C]) to RGB pictures [H, W, 3], uint8."""

    @property
    def curve(self) -> Curve:
        """In which quantity depth, if it is predicted, is a straight line of the truth; depth itself by default."""
        return Curve()

    def meaning(self, output: str) -> Space:
        """What the numbers of an output mean; by default, what the field of that name means, or else linear values."""
        return FIELDS[output].space if output in FIELDS else "linear"

    def split(self, values: Tensor) -> dict[str, Tensor]:
        """Values [..., C, H, W] by output name."""
        parts = values.split(self.channels, dim=-3)
        return dict(zip(self.outputs, parts, strict=True))

    @classmethod
    def recognises(cls, index: Mapping[str, Any], words: Collection[str]) -> int:
        """How surely a folder without a card predicts this, by its `model_index.json` and the words of its name.

        0: it does not; 1: its pipeline's class says so; more: it says so in spite of the class.
        """
        return int(index.get("_class_name") in cls.pipelines)

    @classmethod
    def stored(cls, content: Mapping[str, Any]) -> Self:
        """The modality that a checkpoint stores: values by the names of its fields; other keys are ignored.

        Raises `ConfigError` for values that cannot be used.
        """
        if not dataclasses.is_dataclass(cls):
            return cls()
        names = [field.name for field in dataclasses.fields(cls) if content.get(field.name) is not None]
        return decode(cls, {name: content[name] for name in names})

    def options(self) -> dict[str, Any]:
        """What a checkpoint's `model_index.json` stores about this modality; `None` values are left out."""
        return {}
