"""An estimator under a plan, and how the plan gives way where memory or precision do not suffice."""

from dataclasses import replace
from typing import Any

import torch
from torch.utils.hooks import RemovableHandle

from marigold.accel import kernels
from marigold.accel.graphs import Graphs
from marigold.accel.kernels import Compiler
from marigold.accel.offload import largest_bytes, stage, take_turns, weights_bytes
from marigold.accel.plan import Plan, apply
from marigold.accel.precision import precision_name
from marigold.backbones.base import directly
from marigold.backbones.fused.ops import Ops, Plain
from marigold.core.device import free_bytes
from marigold.core.device import memory_is_full as memory_is_full
from marigold.core.errors import ConfigError
from marigold.estimator import Estimator

CPU_ACTIVATIONS, CPU_UNCUT = 2**28, 10**9
"""Bytes of the autoencoder's activations at once on a CPU in stripes, and those that an image is not cut for: stripes
take a twentieth more time there (docs/speed.md)."""
_SHARE = 0.9
"""Of a GPU's free memory, for activations."""
_FEWEST = 2**26
"""Bytes of activations below which memory is not what an image takes too much of."""


class Runtime:
    """An estimator ready for inference; `plan` says how it runs by now."""

    def __init__(self, estimator: Estimator, plan: Plan | None = None) -> None:
        """Takes the estimator over: it moves to the plan's device and precision (CPU and float32 when None).

        Its layers are rebuilt for inference, so that it cannot be trained any more. Raises `ConfigError` for a plan
        that is to compile what cannot be compiled.
        """
        self.plan = plan or Plan()
        self._turns: list[RemovableHandle] = []
        self._photos = 0
        self._most_pixels: int | None = None
        """What a batch holds at most since memory was full; None: it never was."""
        self._most_bytes: int | None = None
        """What activations of one input take at most since memory was full for it alone; None: it never was."""
        self._ops: Ops = Plain()
        # Recorded kernels find weights where they were.
        records = self.plan.device.type == "cuda" and self.plan.compile != "off" and not self.plan.offload
        self._graphs = Graphs() if records else None
        self.estimator = apply(estimator, self.plan)
        rebuilt = self._suit()
        self._begin_turns()
        self._notes: list[str] = []
        self._compiler = self._make_compiler(rebuilt)
        if self._compiler is not None and (self.plan.compile == "on" or self._compiler.is_kept):
            self._compiler.finish()
            self._take_compiled(self._compiler)

    def use_float32(self) -> None:
        """From now on the networks compute in float32."""
        self.plan = replace(self.plan, dtype=torch.float32)
        self._forget()
        self._end_turns()
        self.estimator = apply(self.estimator, self.plan)
        self._suit()
        self._begin_turns()

    def at_once(self, pixels: int, asked: int | None = None) -> int:
        """How many inputs of so many pixels run as one batch: as `asked`, or by the plan; one at least.

        Never more than memory was found to hold.
        """
        wanted = self.plan.pixels_at_once // pixels if asked is None else asked
        return max(1, wanted if self._most_pixels is None else min(wanted, self._most_pixels // pixels))

    def hold_at_most(self, pixels: int) -> None:
        """From now on a batch holds no more pixels than these, or one input."""
        self._most_pixels = pixels

    def take_less(self, height: int, width: int) -> bool:
        """After memory was full for one input of this size: activations take half from now on; whether they can."""
        whole = self.estimator.backbone.whole_bytes(height, width)
        most = self._bound()
        less = (whole if most is None else min(most, whole)) // 2
        if less < _FEWEST:
            return False
        self._most_bytes = less
        self._forget()
        self._bind()
        return True

    def _bind(self) -> None:
        """Bounds what activations take."""
        uncut = CPU_UNCUT if self.plan.device.type == "cpu" and self._most_bytes is None else 0
        self.estimator.backbone.bound(self._bound(), uncut)

    def _bound(self) -> int | None:
        """Bytes that activations may take at once; None where that is not known."""
        free = CPU_ACTIVATIONS if self.plan.device.type == "cpu" else self.free_bytes()
        if self.plan.device.type != "cpu" and free is not None:
            coming = weights_bytes(self.estimator.backbone.autoencoder) if self.plan.offload else 0
            free = max(1, int(_SHARE * (free - coming)))
        known = [most for most in (free, self._most_bytes) if most is not None]
        return min(known, default=None)

    def free_bytes(self) -> int | None:
        """Bytes of the device's memory that can still be taken, those included that a network leaves at its turn."""
        free = free_bytes(self.plan.device)
        return free + stage(self.plan.device).taken if self.plan.offload and free is not None else free

    def turn_bytes(self) -> int:
        """Bytes of the largest network that is still to come to the device; 0 where all of them are there."""
        return largest_bytes(self.estimator) if self.plan.offload else 0

    def expect(self, photos: int) -> None:
        """So many photos are to come: kernels are compiled beside the first of them where that repays itself."""
        if self._compiler is not None and self._photos + photos >= kernels.REPAYS and not self.is_compiled:
            self._compiler.start()

    def begin(self, photos: int = 1) -> None:
        """So many photos are computed now, with compiled kernels if they are ready."""
        self._photos += photos
        self._bind()
        self.expect(0)
        if self._compiler is not None and not self.is_compiled:
            self._take_compiled(self._compiler)

    def take_notes(self) -> list[str]:
        """What a person should know of how the networks run by now; each note once."""
        notes, self._notes = self._notes, []
        return notes

    @property
    def is_compiled(self) -> bool:
        """Whether compiled kernels compute."""
        return not isinstance(self._ops, Plain)

    def stated_at(self, height: int, width: int) -> dict[str, Any]:
        """As `stated`, and how the autoencoder computes photos of this working size, each by itself."""
        striped = self.estimator.backbone.is_striped(height, width)
        return {**self.stated(), "autoencoder": "stripes" if striped else "whole"}

    def stated(self) -> dict[str, Any]:
        """How the networks run, in words for a report."""
        return {
            "precision": precision_name(self.plan.dtype),
            "layout": "channels last",
            "kernels": "compiled" if self.is_compiled else "torch",
            "offload": "stage" if self.plan.offload else "off",
            "graphs": 0 if self._graphs is None else self._graphs.count,
        }

    def _make_compiler(self, rebuilt: bool) -> Compiler | None:
        """What compiles kernels for this plan; None where nothing is to be compiled, or nothing can be."""
        possible = rebuilt and kernels.available(self.plan.device)
        if self.plan.compile == "on" and not possible:
            why = "there is no Triton for this device" if rebuilt else "this backbone has no layers that are rebuilt"
            raise ConfigError(f"compile: nothing can be compiled for {self.plan.device}, as {why}; use auto or off")
        return Compiler(self.estimator.backbone, self.plan.device) if possible and self.plan.compile != "off" else None

    def _take_compiled(self, compiler: Compiler) -> None:
        """Takes the compiled kernels if they are there. Where compiling has failed torch's own go on, with a note."""
        if compiler.error and self.plan.compile == "on":
            raise ConfigError(f"compile: kernels cannot be compiled ({compiler.error}); use auto or off")
        if compiler.error:
            self._notes.append(f"kernels cannot be compiled ({compiler.error}); torch's own compute")
            self._compiler = None
        elif (ops := compiler.ready()) is not None:
            self._ops = ops
            self._suit()
            self._forget()

    def _suit(self) -> bool:
        """Lets the networks compute by the operations there are by now; whether they have been rebuilt for it."""
        run = directly if self._graphs is None else self._graphs
        return self.estimator.backbone.suit_inference(self._ops, run)

    def _forget(self) -> None:
        """Drops what was recorded with other weights or operations."""
        if self._graphs is not None:
            self._graphs.forget()

    def _begin_turns(self) -> None:
        """Lets the networks take turns on the device, where that is planned."""
        self._turns = take_turns(self.estimator, self.plan.device) if self.plan.offload else []

    def _end_turns(self) -> None:
        if self._turns:
            stage(self.plan.device).clear()
        for turn in self._turns:
            turn.remove()
