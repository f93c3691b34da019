"""What a network expects beside the photo: how the target starts, at which time, and which switch is thrown."""

from dataclasses import dataclass
from typing import Literal

from marigold.core.errors import ConfigError

Spacing = Literal["auto", "published", "trailing"]
"""Which times sampling takes: `published` are the checkpoint's own (see `diffusion/sampling.py`)."""

TTA = Literal["none", "flip-scale"]
"""Test-time augmentation: the members of an ensemble see the photo as it is, or also flipped and scaled."""

Sizing = Literal["longest", "area"]
"""What the resolution is of the working size: its longest side, or the side of a square of as many pixels."""


_LONGEST, _LARGEST = 64, 1e6
"""How many numbers a switch may have, and how far from 0 they may be."""


@dataclass(frozen=True)
class Convention:
    """How a network is called. The defaults are those of networks that denoise step by step.

    Networks that were tuned for a single step start from nothing random and know one time alone; nothing in their
    weights says so, and called in another way they predict something plausible and wrong.
    """

    start: Literal["noise", "zeros", "nothing"] = "noise"
    """What stands beside the photo at first: noise, zeros, or nothing at all, so that the network sees one latent."""
    timestep: int | None = None
    """The one time that the network is called at; its output is the clean latent. None: the times of the schedule."""
    switch: tuple[float, ...] = ()
    """The input of the network's class embedding, such as [1, 0]; empty for networks without one."""
    output: Literal["", "epsilon", "sample", "v_prediction"] = ""
    """What the network outputs, where the scheduler's configuration says something else; empty where it is right."""

    def __post_init__(self) -> None:
        if len(self.switch) > _LONGEST or not all(abs(number) <= _LARGEST for number in self.switch):
            raise ConfigError(
                f"convention: `switch` holds up to {_LONGEST} numbers, none beyond {_LARGEST:g}; state it as [1, 0]"
            )
        if self.start == "nothing" and self.timestep is None:
            raise ConfigError("convention: a network that sees the photo alone takes one step; state its `timestep`")

    @property
    def single_step(self) -> bool:
        """The network takes one step, whatever number is asked for."""
        return self.timestep is not None

    @property
    def deterministic(self) -> bool:
        """Nothing random goes in, so that all members of an ensemble are the same."""
        return self.start != "noise"
