"""The pipeline of diffusers for depth, opened from a checkpoint's folder, with or without transformers installed."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

_HIDDEN = ("transformers", "peft")
"""The library of text encoders, and one that needs it."""
_TEXT = ("CLIPTextModel", "CLIPTokenizer")
"""What the pipeline's file imports of transformers, for the empty prompt, which a checkpoint of ours holds computed."""


def open_pipeline(folder: Path, device: str, dtype: torch.dtype) -> Any:
    """A `MarigoldDepthPipeline` that needs no text encoder; to diffusers transformers is not there in this process."""
    from safetensors.torch import load_file

    pipeline = _pipeline_class()
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTiny
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    name = json.loads((folder / "vae" / "config.json").read_text())["_class_name"]
    kind = {"AutoencoderKL": AutoencoderKL, "AutoencoderTiny": AutoencoderTiny}[name]
    opened = pipeline(
        unet=UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=dtype),
        vae=kind.from_pretrained(folder / "vae", torch_dtype=dtype),
        scheduler=DDIMScheduler.from_pretrained(folder / "scheduler"),
        text_encoder=None,
        tokenizer=None,
        prediction_type="depth",
        default_denoising_steps=1,
        default_processing_resolution=768,
    ).to(device)
    opened.empty_text_embedding = load_file(folder / "empty_prompt.safetensors")["embedding"].to(device, dtype)
    opened.set_progress_bar_config(disable=True)
    return opened


def compile_pipeline(pipeline: Any) -> None:
    """As diffusers' documentation of Marigold says for the U-Net, and the autoencoder's decoder, in place."""
    pipeline.unet.compile(mode="reduce-overhead", fullgraph=True)
    pipeline.vae.decoder.compile(fullgraph=True)


def _pipeline_class() -> Any:
    with _without_transformers():
        from diffusers.pipelines.marigold.pipeline_marigold_depth import MarigoldDepthPipeline
    return MarigoldDepthPipeline


@contextmanager
def _without_transformers() -> Iterator[None]:
    """In which diffusers finds no transformers, and the pipeline's file two names in its place.

    The versions on a machine need not go together, and the peer's start is the shorter without it.
    """
    assert "diffusers" not in sys.modules  # which looks for transformers once
    for name in _HIDDEN:
        sys.modules[name] = None  # type: ignore[assignment]
    import diffusers.pipelines.pipeline_utils  # noqa: F401

    stand_in = ModuleType("transformers")
    for name in _TEXT:
        setattr(stand_in, name, type(name, (), {}))
    sys.modules["transformers"] = stand_in
    try:
        yield
    finally:
        sys.modules["transformers"] = None  # type: ignore[assignment]
