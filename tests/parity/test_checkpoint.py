"""Checkpoints saved here run in diffusers' pipelines, those saved there run here, and both give the same maps."""

from pathlib import Path

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    MarigoldDepthPipeline,
    MarigoldIntrinsicsPipeline,
    MarigoldNormalsPipeline,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

from marigold import checkpoint
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.seeds import stream
from marigold.estimator import Estimator
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from toys.scenes import NETWORK

# Like the small family, at another width: more latent channels than four, at a quarter of the size.
SMALL = {
    **NETWORK,
    "unet": {name: value for name, value in NETWORK["unet"].items() if not name.endswith("_channels")}
    | {"block_out_channels": [8, 16]},
    "vae": {
        **NETWORK["vae"],
        "block_out_channels": [8, 8, 8],
        "down_block_types": ["DownEncoderBlock2D"] * 3,
        "up_block_types": ["UpDecoderBlock2D"] * 3,
        "latent_channels": 8,
        "scaling_factor": 0.6,
    },
}
PIPELINES = [
    (Depth(), MarigoldDepthPipeline),
    (Normals(), MarigoldNormalsPipeline),
    (Appearance(), MarigoldIntrinsicsPipeline),
    (Lighting(), MarigoldIntrinsicsPipeline),
]


def estimator(modality, network=SMALL) -> Estimator:
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**network)
    if modality.needs:
        backbone.adapt(1, len(modality.targets))
    return Estimator(backbone, modality, Card("toy", "")).eval()


def quiet(pipeline):
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def start(model: Estimator) -> tuple[torch.Tensor, torch.Tensor]:
    """A photo of 48 x 32 pixels in 0 to 1, and noise."""
    stride, channels = model.backbone.stride, model.backbone.latent_channels * model.backbone.targets
    image = torch.rand(1, 3, 32, 48, generator=stream(0, "photo"))
    return image, torch.randn(1, channels, 32 // stride, 48 // stride, generator=stream(0, "noise"))


@torch.no_grad()
def ours(model: Estimator, steps: int) -> torch.Tensor:
    """Values [C, H, W]."""
    image, noise = start(model)
    return model.decode(model.sample(model.encode_image(image * 2 - 1), noise, steps, spacing="published"))[0]


def theirs(pipeline, model: Estimator, steps: int) -> torch.Tensor:
    """The first C channels of all targets, [C, H, W]; what an intrinsic picture leaves unused comes last."""
    image, noise = start(model)
    options = {"processing_resolution": 0, "latents": noise, "output_type": "pt", "num_inference_steps": steps}
    return quiet(pipeline)(image, **options).prediction.flatten(0, 1)[: sum(model.modality.channels)]


@pytest.mark.parametrize("steps", [1, 4])
@pytest.mark.parametrize(("modality", "pipeline"), PIPELINES)
def test_what_is_saved_here_gives_the_same_maps_in_diffusers(tmp_path, modality, pipeline, steps):
    model = estimator(modality)
    checkpoint.save(model, tmp_path / "toy")
    expected = theirs(pipeline.from_pretrained(tmp_path / "toy"), model, steps)
    torch.testing.assert_close(ours(checkpoint.open(tmp_path / "toy"), steps), expected, atol=1e-4, rtol=0)
    assert expected.std() > 1e-2  # a map and not a constant


@pytest.mark.parametrize("steps", [1, 4])
def test_the_bundled_depth_is_shown_in_diffusers_as_it_is_predicted(tmp_path, steps):
    model = checkpoint.open("depth")
    checkpoint.save(model, tmp_path / "depth")
    predicted = theirs(MarigoldDepthPipeline.from_pretrained(tmp_path / "depth"), model, steps)
    # As docs/checkpoints.md says, 32 ** prediction is the distance in units of the near end; ours is 0 there and 1 at
    # the 99 % quantile.
    distance = 32**predicted
    far = distance.flatten().quantile(0.99)
    expected = ((distance - 1) / (far - 1)).clamp(0, 1)
    shown, _ = model.modality.ensemble(ours(model, steps)[None])
    torch.testing.assert_close(shown, expected, atol=1e-3, rtol=0)
    assert model.modality.target_space == "log" and expected.std() > 1e-2


@pytest.mark.parametrize("spacing", ["leading", "linspace"])
def test_other_spacings_give_the_same_maps_too(tmp_path, spacing):
    model = estimator(Depth(), {**SMALL, "schedule": {**SMALL["schedule"], "timestep_spacing": spacing}})
    checkpoint.save(model, tmp_path / "toy")
    expected = theirs(MarigoldDepthPipeline.from_pretrained(tmp_path / "toy"), model, 3)
    torch.testing.assert_close(ours(model, 3), expected, atol=1e-4, rtol=0)


def published(folder: Path, variant: str | None = None) -> MarigoldDepthPipeline:
    """A depth checkpoint as the published ones are laid out, made and saved by diffusers alone, without a card."""
    text = folder.with_name("text")
    checkpoint.save(estimator(Image(), NETWORK), text)
    torch.manual_seed(1)
    options = {key: value for key, value in NETWORK["unet"].items() if key not in ("in_channels", "out_channels")}
    pipeline = MarigoldDepthPipeline(
        unet=UNet2DConditionModel(in_channels=8, out_channels=4, **options),
        vae=AutoencoderKL(**NETWORK["vae"]),
        scheduler=DDIMScheduler(**NETWORK["schedule"]),
        text_encoder=CLIPTextModel.from_pretrained(text / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(text / "tokenizer"),
        prediction_type="depth",
        default_denoising_steps=4,
        default_processing_resolution=768,
    )
    pipeline.save_pretrained(folder, variant=variant)
    return pipeline


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_what_diffusers_saves_gives_the_same_maps_here(tmp_path, variant):
    pipeline = published(tmp_path / "published", variant)
    model = checkpoint.open(tmp_path / "published")
    assert model.card.defaults == {"steps": 4, "resolution": 768, "ensemble": 1}
    torch.testing.assert_close(ours(model, 4), theirs(pipeline, model, 4), atol=1e-4, rtol=0)


def test_the_empty_prompt_is_that_of_diffusers(tmp_path):
    pipeline = published(tmp_path / "published")
    model = checkpoint.open(tmp_path / "published")
    theirs(pipeline, model, 1)
    torch.testing.assert_close(model.backbone.prompt, pipeline.empty_text_embedding)


def test_a_published_checkpoint_saved_here_still_runs_in_diffusers(tmp_path):
    pipeline = published(tmp_path / "published")
    model = checkpoint.open(tmp_path / "published")
    checkpoint.save(model, tmp_path / "again")
    again = MarigoldDepthPipeline.from_pretrained(tmp_path / "again")
    assert again.default_denoising_steps == 4
    torch.testing.assert_close(theirs(again, model, 1), theirs(pipeline, model, 1))


def test_a_generator_saved_here_loads_as_stable_diffusion(tmp_path):
    model = estimator(Image(), NETWORK)
    checkpoint.save(model, tmp_path / "toy")
    pipeline = quiet(StableDiffusionPipeline.from_pretrained(tmp_path / "toy"))
    noise = torch.randn(1, 4, 8, 8, generator=stream(0))
    # Guidance 1 with the unpadded empty prompt is sampling without words.
    found = pipeline(
        prompt_embeds=model.backbone.prompt,
        guidance_scale=1.0,
        num_inference_steps=4,
        latents=noise,
        height=16,
        width=16,
        output_type="latent",
    ).images
    with torch.no_grad():
        torch.testing.assert_close(model.sample(None, noise, 4), found, atol=1e-4, rtol=1e-4)


def test_the_tokenizer_of_a_small_generator_reads_bytes(tmp_path):
    checkpoint.save(estimator(Image(), NETWORK), tmp_path / "toy")
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "toy" / "tokenizer")
    assert tokenizer("")["input_ids"] == [512, 513]
    words = tokenizer.decode(tokenizer("a röd 3d map")["input_ids"], skip_special_tokens=True)
    assert words.replace(" ", "") == "aröd3dmap"
    assert tokenizer.model_max_length == 77
