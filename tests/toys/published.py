"""Checkpoints in the layouts that others published, of random weights, made and saved by diffusers alone."""

import json
from pathlib import Path

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    LCMScheduler,
    MarigoldDepthPipeline,
    MarigoldIntrinsicsPipeline,
    MarigoldNormalsPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

from marigold.backbones._prompt import make_text_encoder, write_text_files
from toys.scenes import NETWORK

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "prediction_type": "v_prediction"}
FIRST = {**BETAS, "steps_offset": 1, "set_alpha_to_one": False, "clip_sample": False, "timestep_spacing": "leading"}
SECOND = {**FIRST, "timestep_spacing": "trailing", "rescale_betas_zero_snr": True}
APPEARANCE = {
    "target_names": ["albedo", "material"],
    "albedo": {"prediction_space": "srgb", "up_to_scale": False},
    "material": {"prediction_space": "stack", "sub_target_names": ["roughness", "metallicity", None]},
    "roughness": {"prediction_space": "linear", "up_to_scale": False},
    "metallicity": {"prediction_space": "linear", "up_to_scale": False},
}
LIGHTING = {
    "target_names": ["albedo", "shading", "residual"],
    "albedo": {"prediction_space": "linear", "up_to_scale": False},
    "shading": {"prediction_space": "linear", "up_to_scale": True},
    "residual": {"prediction_space": "linear", "up_to_scale": True},
}

DEPTH = {"scale_invariant": True, "shift_invariant": True, "default_processing_resolution": 768}
NORMALS = {"use_full_z_range": True, "default_processing_resolution": 768}
FIRST_NAMES = {"_class_name": "MarigoldPipeline", "prediction_type": None, "_diffusers_version": "0.25.0"}

# Pipeline, its options, scheduler, number of targets, and the keys of model_index.json that differ from today's.
KINDS = {
    "marigold-depth-v1-0": (MarigoldDepthPipeline, DEPTH, DDIMScheduler(**FIRST), 1, FIRST_NAMES),
    "marigold-depth-v1-1": (
        MarigoldDepthPipeline,
        {**DEPTH, "prediction_type": "depth", "default_denoising_steps": 4},
        DDIMScheduler(**SECOND),
        1,
        {},
    ),
    "marigold-depth-lcm-v1-0": (
        MarigoldDepthPipeline,
        {**DEPTH, "prediction_type": "depth", "default_denoising_steps": 1},
        LCMScheduler(**{key: value for key, value in FIRST.items() if key != "steps_offset"}),
        1,
        {"_class_name": "MarigoldPipeline"},
    ),
    "marigold-normals-v0-1": (
        MarigoldNormalsPipeline,
        {**NORMALS, "default_denoising_steps": 10},
        DDIMScheduler(**FIRST),
        1,
        FIRST_NAMES,
    ),
    "marigold-normals-v1-1": (
        MarigoldNormalsPipeline,
        {**NORMALS, "prediction_type": "normals", "default_denoising_steps": 4},
        DDIMScheduler(**SECOND),
        1,
        {},
    ),
    "marigold-normals-lcm-v0-1": (
        MarigoldNormalsPipeline,
        {**NORMALS, "default_denoising_steps": 1},
        LCMScheduler(**BETAS),
        1,
        FIRST_NAMES,
    ),
    "marigold-iid-appearance-v1-1": (
        MarigoldIntrinsicsPipeline,
        {"prediction_type": "intrinsics", "target_properties": APPEARANCE, "default_denoising_steps": 4},
        DDIMScheduler(**SECOND),
        2,
        {},
    ),
    "marigold-iid-lighting-v1-1": (
        MarigoldIntrinsicsPipeline,
        {"prediction_type": "intrinsics", "target_properties": LIGHTING, "default_denoising_steps": 4},
        DDIMScheduler(**SECOND),
        3,
        {"_class_name": "MarigoldIIDPipeline"},
    ),
}


def marigold(folder: Path, name: str, **saving):
    """Saves a folder like `prs-eth/NAME` and returns diffusers' pipeline; `saving` as of `save_pretrained`."""
    kind, options, scheduler, targets, index = KINDS[name]
    torch.manual_seed(1)
    pipeline = kind(scheduler=scheduler, **parts(folder.parent, 4 * (targets + 1), 4 * targets), **options)
    pipeline.save_pretrained(folder, **saving)
    edit(folder / "model_index.json", **index)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def end_to_end(folder: Path, **changes) -> StableDiffusionPipeline:
    """Saves a folder as the end-to-end trainer of Garcia et al. leaves it: a generator's pipeline, a wider U-Net."""
    torch.manual_seed(1)
    scheduler = DDPMScheduler(**BETAS, clip_sample=False, timestep_spacing="trailing")
    pipeline = StableDiffusionPipeline(
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        **parts(folder.parent, 8, 4),
    )
    pipeline.save_pretrained(folder)
    edit(folder / "model_index.json", **changes)
    return pipeline


def lotus(folder: Path, *, sees_noise: bool) -> StableDiffusionPipeline:
    """Saves a folder like Lotus-G or, if the network sees the photo alone, Lotus-D: a U-Net with a task switch."""
    torch.manual_seed(1)
    switch = {"class_embed_type": "projection", "projection_class_embeddings_input_dim": 4}
    pipeline = StableDiffusionPipeline(
        scheduler=DDIMScheduler(**{**FIRST, "prediction_type": "epsilon"}),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
        **parts(folder.parent, 8 if sees_noise else 4, 4, **switch),
    )
    pipeline.save_pretrained(folder)
    edit(folder / "model_index.json", _class_name="LotusGPipeline" if sees_noise else "LotusDPipeline")
    return pipeline


def parts(workplace: Path, inputs: int, outputs: int, **unet) -> dict:
    """U-Net, autoencoder, text encoder and tokenizer of random weights."""
    files, _ = make_text_encoder(NETWORK["prompt_dim"])
    write_text_files(files, workplace / "text")
    options = {**NETWORK["unet"], "in_channels": inputs, "out_channels": outputs, **unet}
    return {
        "unet": UNet2DConditionModel(**options).eval(),
        "vae": AutoencoderKL(**NETWORK["vae"]).eval(),
        "text_encoder": CLIPTextModel.from_pretrained(workplace / "text" / "text_encoder"),
        "tokenizer": CLIPTokenizer.from_pretrained(workplace / "text" / "tokenizer"),
    }


def edit(file: Path, **changes) -> None:
    """Changes keys of a JSON file; None removes one."""
    value = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: entry for key, entry in value.items() if entry is not None}))
