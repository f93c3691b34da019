"""A predictor and a pipeline of diffusers on the same small random networks."""

import copy
from functools import cache
from itertools import combinations
from typing import Any

import torch
from diffusers import (
    DDIMScheduler,
    LCMScheduler,
    MarigoldDepthPipeline,
    MarigoldIntrinsicsPipeline,
    MarigoldNormalsPipeline,
)

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.estimator import Estimator
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.predict.predictor import Predictor
from toys.scenes import NETWORK

MODALITIES = {
    "depth": (Depth(), MarigoldDepthPipeline, {}),
    "normals": (Normals(), MarigoldNormalsPipeline, {}),
    "half normals": (Normals(use_full_z_range=False), MarigoldNormalsPipeline, {"use_full_z_range": False}),
    "appearance": (
        Appearance(),
        MarigoldIntrinsicsPipeline,
        {"target_properties": Appearance().options()["target_properties"]},
    ),
    "lighting": (
        Lighting(),
        MarigoldIntrinsicsPipeline,
        {"target_properties": Lighting().options()["target_properties"]},
    ),
}
SCHEDULERS = {"DDIMScheduler": DDIMScheduler, "LCMScheduler": LCMScheduler}
AUTOENCODERS = {
    "kl": {
        **NETWORK["vae"],
        "block_out_channels": [8, 8, 8],
        "down_block_types": ["DownEncoderBlock2D"] * 3,
        "up_block_types": ["UpDecoderBlock2D"] * 3,
        "scaling_factor": 0.6,
    },
    "tiny": {
        "_class_name": "AutoencoderTiny",
        "encoder_block_out_channels": [8, 8, 8],
        "decoder_block_out_channels": [8, 8, 8],
        "num_encoder_blocks": [1, 1, 1],
        "num_decoder_blocks": [1, 1, 1],
        "latent_channels": 4,
    },
}
STRIDE = 4


@cache
def peers(
    modality: str,
    autoencoder: str = "kl",
    output: str = "v_prediction",
    scheduler: str = "DDIMScheduler",
    spacing: str = "trailing",
) -> tuple[Predictor, Any]:
    """A predictor and a pipeline with networks of the same weights; made once. Target images span the whole range."""
    kind, pipeline, options = MODALITIES[modality]
    backbone = _backbone(modality, autoencoder, output, scheduler, spacing)
    # Those of the predictor are rebuilt for inference.
    predictor = Predictor(Estimator(copy.deepcopy(backbone), kind, Card("toy", modality)))
    config = {key: value for key, value in backbone.schedule.config().items() if not key.startswith("_")}
    theirs = pipeline(
        unet=backbone.unet,
        vae=backbone.vae,
        scheduler=SCHEDULERS[scheduler].from_config(config),
        text_encoder=None,
        tokenizer=None,
        prediction_type=kind.options()["prediction_type"],
        **options,
    )
    theirs.empty_text_embedding = backbone.prompt
    theirs.set_progress_bar_config(disable=True)
    return predictor, theirs


def toy(modality: str) -> Estimator:
    """An estimator on small random networks, which recommends what the bundled ones do."""
    card = Card("toy", modality, defaults={"steps": 1, "resolution": 288, "sizing": "area"})
    return Estimator(_backbone(modality), MODALITIES[modality][0], card)


def _backbone(
    modality: str,
    autoencoder: str = "kl",
    output: str = "v_prediction",
    scheduler: str = "DDIMScheduler",
    spacing: str = "trailing",
) -> StableDiffusion:
    schedule = {
        **NETWORK["schedule"],
        "_class_name": scheduler,
        "prediction_type": output,
        "timestep_spacing": spacing,
        "rescale_betas_zero_snr": output != "epsilon",
    }
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(
        unet=NETWORK["unet"], vae=AUTOENCODERS[autoencoder], schedule=schedule, prompt_dim=NETWORK["prompt_dim"]
    )
    backbone.adapt(1, len(MODALITIES[modality][0].targets))
    backbone.unet.conv_in.weight.data[:, :4] *= 10  # the photo is to be seen in the answer
    if autoencoder == "tiny":
        _use_whole_range(backbone.vae)
    return backbone


@torch.no_grad()
def _use_whole_range(autoencoder: torch.nn.Module) -> None:
    """Scales a random tiny autoencoder's last layers: latents of about unit variance, pictures mostly in -1 to 1."""
    for layer, factor, run in (
        (autoencoder.encoder.layers[-1], 1, lambda: autoencoder.encode(photo(32, 48) * 2 - 1).latents),
        (autoencoder.decoder.layers[-1], 0.4, lambda: autoencoder.decode(torch.randn(1, 4, 16, 16)).sample / 2),
    ):
        layer.weight *= factor / run().std()
        layer.bias -= run().mean(dim=(0, 2, 3))[: len(layer.bias)]


def photo(height: int, width: int, count: int = 1) -> torch.Tensor:
    """Photos [N, 3, H, W] with smooth and rough parts."""
    generator = torch.Generator().manual_seed(height * width)
    coarse = torch.rand(count, 3, 4, 5, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return 0.8 * smooth + 0.2 * torch.rand(count, 3, height, width, generator=generator)


def cover(axes: dict[str, tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Few combinations of settings in which every two values of two axes meet."""
    names = list(axes)
    open_pairs = {
        ((a, x), (b, y)) for a, b in combinations(names, 2) for x in range(len(axes[a])) for y in range(len(axes[b]))
    }
    rows = []
    while open_pairs:
        row = dict(min(open_pairs))
        for name in names:
            if name not in row:
                met = [len(open_pairs & _pairs(row | {name: i}, names)) for i in range(len(axes[name]))]
                row[name] = met.index(max(met))
        open_pairs -= _pairs(row, names)
        rows.append({name: axes[name][row[name]] for name in names})
    return rows


def _pairs(row: dict[str, int], names: list[str]) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    return {((a, row[a]), (b, row[b])) for a, b in combinations(names, 2) if a in row and b in row}
