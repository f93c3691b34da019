"""What `engine.py` compares, opened on random weights: the package's predictor and diffusers' pipeline, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import PIL.Image
import torch

from engine_rows import CASES, PEER, Case

CAP = 4 * 2**30
"""Bytes of the GPU's memory that the engine within 4 GiB has, with what the driver takes."""


@dataclass(frozen=True)
class Setup:
    """Where and how long to measure."""

    work: Path
    """A folder with the checkpoints `kl` and `tiny`."""
    size: str
    device: str
    seconds: float
    photos: int
    began: float
    """When the process was started, in seconds since the epoch."""

    @property
    def case(self) -> Case:
        """The photos."""
        return CASES[self.size]


class Engine(Protocol):
    """What is measured: a photo in, a map out, both in the computer's memory."""

    def predict(self, photo: PIL.Image.Image, members: int = 1, steps: int = 1) -> np.ndarray:
        """A map [H, W] at the photo's size."""
        ...

    def predict_many(self, photos: list[PIL.Image.Image]) -> list[np.ndarray]:
        """Maps of photos of one size in one batch, one member and one step each."""
        ...

    def predict_from(self, photo: PIL.Image.Image, noise: torch.Tensor) -> np.ndarray:
        """A map in one step from the noise [1, C, h, w]."""
        ...


class Ours:
    """The package's own predictor."""

    def __init__(
        self, setup: Setup, checkpoint: str = "kl", *, compiled: str, precision: str = "bf16", **options: Any
    ) -> None:
        from marigold.predict.predictor import load

        name, chosen = setup.work / checkpoint, {"precision": precision, "compile": compiled, **options}
        self.predictor = load(name, device=setup.device, **chosen)
        self._resolution = setup.case.resolution

    def predict(self, photo: PIL.Image.Image, members: int = 1, steps: int = 1) -> np.ndarray:
        """One photo, as everyone calls it."""
        found = self.predictor.predict(photo, steps=steps, ensemble=members, resolution=self._resolution)
        return found.maps["depth"]

    def predict_many(self, photos: list[PIL.Image.Image]) -> list[np.ndarray]:
        """A batch."""
        from marigold.predict.settings import Request

        request = Request(steps=1, ensemble=1, resolution=self._resolution)
        found = self.predictor.predict_many(photos, request, batch=len(photos))
        return [one.maps["depth"] for one in found]

    def predict_from(self, photo: PIL.Image.Image, noise: torch.Tensor) -> np.ndarray:
        """One step from given noise."""
        found = self.predictor.predict(photo, steps=1, ensemble=1, resolution=self._resolution, noise=noise)
        return found.maps["depth"]


class Peer:
    """diffusers' pipeline."""

    def __init__(self, setup: Setup, checkpoint: str = "kl", *, compiled: bool = False) -> None:
        from engine_peer import compile_pipeline, open_pipeline

        self.dtype = torch.float16 if setup.device == "cuda" else torch.bfloat16
        self.pipeline = open_pipeline(setup.work / checkpoint, setup.device, self.dtype)
        self._device, self._resolution = setup.device, setup.case.resolution
        if compiled:
            compile_pipeline(self.pipeline)

    def predict(self, photo: PIL.Image.Image, members: int = 1, steps: int = 1) -> np.ndarray:
        """One photo, as everyone calls it."""
        return self._run(photo, steps, ensemble_size=members, batch_size=members)[0]

    def predict_many(self, photos: list[PIL.Image.Image]) -> list[np.ndarray]:
        """A batch."""
        return list(self._run(photos, 1, batch_size=len(photos)))

    def predict_from(self, photo: PIL.Image.Image, noise: torch.Tensor) -> np.ndarray:
        """One step from given noise."""
        return self._run(photo, 1, latents=noise.to(self._device, self.dtype))[0]

    def _run(self, photo: PIL.Image.Image | list[PIL.Image.Image], steps: int, **options: Any) -> np.ndarray:
        options["processing_resolution"] = self._resolution
        return self.pipeline(photo, num_inference_steps=steps, **options).prediction[..., 0]


def exact(setup: Setup) -> Ours:
    """Ours in float32 throughout, which convolutions on a GPU are not by themselves."""
    torch.backends.cudnn.allow_tf32 = False
    return Ours(setup, precision="fp32", compiled="off")


def within_memory(setup: Setup) -> Ours:
    """Ours with what is left of `CAP` beside what the driver has taken of the GPU."""
    torch.zeros(1, device=setup.device)
    free, there = torch.cuda.mem_get_info()
    taken = there - free - torch.cuda.memory_reserved()
    torch.cuda.set_per_process_memory_fraction((CAP - taken) / there)
    return Ours(setup, compiled="off")


def small_decoder(setup: Setup) -> Ours:
    """Ours with a decoder of the shape that `distil-decoder` trains, its weights random."""
    from marigold.checkpoints import store

    folder = setup.work / "decoder"
    if not folder.is_dir():
        estimator = store.open(setup.work / "kl")
        estimator.backbone.add_decoder(*decoder_shape(setup.size))
        store.save_decoder(estimator, folder)
    return Ours(setup, compiled="on", autoencoder=folder)


def decoder_shape(size: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Channels and blocks of the small decoder's levels."""
    from marigold.train import recipe

    if size == "tiny":
        return (16, 8), (1, 1)
    objective: Any = recipe.load("distil-decoder").objective
    return objective.widths, objective.blocks


OPENERS: dict[str, Callable[[Setup], Engine]] = {
    "ours-fp32": exact,
    "ours-off": partial(Ours, compiled="off"),
    "ours-auto": partial(Ours, compiled="auto"),
    "ours-on": partial(Ours, compiled="on"),
    "ours-fp16": partial(Ours, precision="fp16", compiled="off"),
    "ours-4gb": within_memory,
    "ours-decoder": small_decoder,
    "ours-tiny": partial(Ours, checkpoint="tiny", compiled="on"),
    PEER: Peer,
    "diffusers-compiled": partial(Peer, compiled=True),
    "diffusers-tiny": partial(Peer, checkpoint="tiny"),
}
