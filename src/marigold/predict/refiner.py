"""The networks that refine maps, beside those that predict them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, cached_property

import torch

from marigold.accel.offload import suited
from marigold.accel.runtime import Runtime
from marigold.checkpoints import refiners
from marigold.checkpoints.card import Card
from marigold.checkpoints.refiners import Found
from marigold.core.choices import Offload
from marigold.core.device import memory_is_full
from marigold.core.errors import CheckpointError
from marigold.estimator import Estimator
from marigold.predict.provenance import weights_hash


@dataclass(frozen=True, eq=False)
class Refiner:
    """A refiner ready to be used."""

    runtime: Runtime
    """Of its denoiser."""
    autoencoder: Runtime
    """What encodes and decodes for it: the runtime of the global pass where both autoencoders are the same."""

    def use_float32(self) -> None:
        """From now on all of its networks compute in float32."""
        for runtime in {self.runtime, self.autoencoder}:
            runtime.use_float32()


class RefinerSource:
    """Where the refiner of a predictor comes from; its weights are read when it is used."""

    def __init__(self, card: Callable[[], Card], read: Callable[[], Estimator], offload: Offload = "auto") -> None:
        """`card` and `read` are called once each, when they are needed; both may raise `CheckpointError`."""
        self._card, self._read = card, read
        self._offload: Offload = offload

    @classmethod
    def given(cls, estimator: Estimator) -> "RefinerSource":
        """A refiner that has been read; it is taken over."""
        return cls(lambda: estimator.card, lambda: estimator)

    @classmethod
    def found(cls, find: Callable[[], Found], dtype: torch.dtype, offload: Offload) -> "RefinerSource":
        """A refiner that `find` finds, once it is needed; its weights are read as `dtype`."""
        once = cache(find)
        return cls(lambda: once().described.card, lambda: refiners.read(once(), dtype), offload)

    @cached_property
    def card(self) -> Card:
        """The refiner's card, whose revision stands for its weights; these are read where none is stated."""
        card = self._card()
        return card if card.revision else replace(card, revision=weights_hash(self._estimator))

    def beside(self, runtime: Runtime) -> Refiner:
        """The refiner on the device of this runtime, with its autoencoder where it is the same.

        Raises `CheckpointError` for what is no refiner, or does not fit.
        """
        estimator, card = self._estimator, self.card  # which looks at all weights, where they have no revision
        refiners.check(estimator, card.name)
        alike = estimator.backbone.take_autoencoder(runtime.estimator.backbone)
        try:
            plan = replace(runtime.plan, offload=False)
            plan = runtime.plan if runtime.plan.offload else suited(plan, estimator, self._offload)
            own = Runtime(estimator, plan)
        except (RuntimeError, MemoryError) as error:
            if not memory_is_full(error):
                raise
            told = f"refiner {card.name}: its weights do not fit into {runtime.plan.device} beside the others"
            raise CheckpointError(f"{told}; use --offload stage, or a smaller checkpoint") from error
        return Refiner(own, runtime if alike else own)

    @cached_property
    def _estimator(self) -> Estimator:
        return self._read()
