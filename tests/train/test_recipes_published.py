"""The published trainings: what their recipes say, that they run on the data as it is distributed, and what comes out.

The numbers are those of the published configurations (`config/train_marigold_*.yaml` of prs-eth/Marigold) and papers.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    MarigoldDepthPipeline,
    PNDMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextModel, CLIPTokenizer

from marigold import checkpoint, cli
from marigold.backbones._prompt import make_text_encoder, write_text_files
from marigold.core.config import encode
from marigold.core.find import name_of
from marigold.data import border
from marigold.data.augment import Augment
from marigold.data.source import Source
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.objectives.denoise import Denoise
from marigold.train.loop import train
from marigold.train.recipe import Recipe, load
from toys import hypersim, worlds
from toys.published import BETAS, edit

NAMES = ("depth", "normals", "appearance", "lighting", "depth-v1-0")
SIDE = 32
PHOTO = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


# ---- what the recipes say ----

SECOND = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
FIRST = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": False, "timestep_spacing": "leading"}

#                 lr,   decay, steps, schedule, defaults
RUNS = {
    "depth": (3e-5, 25_000, 30_000, SECOND, {"steps": 4, "resolution": 768}),
    "normals": (6e-5, 25_000, 30_000, SECOND, {"steps": 4, "resolution": 768}),
    "appearance": (3e-5, 25_000, 50_000, SECOND, {"steps": 4, "resolution": 768}),
    "lighting": (8e-5, 45_000, 50_000, SECOND, {"steps": 4, "resolution": 768}),
    "depth-v1-0": (3e-5, 25_000, 18_000, FIRST, {"steps": 50, "resolution": 768, "ensemble": 10}),
}
# data set, weight, split, size
MIXES = {
    "depth": [("hypersim", 0.9, "train", (480, 640)), ("vkitti", 0.1, "train", (352, 1216))],
    "normals": [
        ("hypersim", 0.5, "train+val+test", (480, 640)),
        ("interiorverse", 0.49, "train+val+test", ()),
        ("sintel", 0.01, "train", (480, 640)),
    ],
    "appearance": [("interiorverse", 1.0, "train", ())],
    "lighting": [("hypersim", 1.0, "train+val", (480, 640))],
    "depth-v1-0": [("hypersim", 0.9, "train", (480, 640)), ("vkitti", 0.1, "train", (352, 1216))],
}
MODALITIES = {
    "depth": Depth(low=0.02, high=0.98, target_space="depth"),
    "normals": Normals(use_full_z_range=True),
    "appearance": Appearance(albedo_space="gamma", material_space="gamma"),
    "lighting": Lighting(albedo_space="linear", brightest=0.98, up_to_scale=True),
    "depth-v1-0": Depth(low=0.02, high=0.98, target_space="depth"),
}


@pytest.mark.parametrize("name", NAMES)
def test_rates_steps_and_batches_are_the_published_ones(name):
    recipe, (lr, decay, steps, schedule, defaults) = load(name), RUNS[name]
    assert recipe.start == "stabilityai/stable-diffusion-2"
    optim = recipe.optim
    assert (optim.name, optim.lr, optim.warmup, optim.decay, optim.final) == ("adamw", lr, 100, decay, 0.01)
    # Plain Adam: without decay of the weights, clipping or an average.
    assert (optim.beta1, optim.beta2, optim.eps, optim.weight_decay) == (0.9, 0.999, 1e-8, 0.0)
    assert (optim.clip, recipe.average) == (0.0, 0.0)
    assert (recipe.steps, recipe.batch, recipe.accumulate, recipe.seed) == (steps, 2, 16, 2024)
    assert recipe.schedule == schedule and recipe.defaults == defaults
    assert recipe.objective == Denoise(noise="annealed", strength=0.9, unit_variance="batch")
    assert recipe.modality == MODALITIES[name]
    assert (recipe.plan.precision, recipe.plan.compiled, recipe.lora, recipe.phases) == ("fp32", False, None, ())
    assert (recipe.licence, recipe.reuse, recipe.layers) == ("RAIL++-M", 1, ())


@pytest.mark.parametrize("name", NAMES)
def test_the_mixture_and_the_sizes_are_the_published_ones(name):
    found = [(name_of(one.dataset), one.weight, one.split, one.resize) for one in load(name).data]
    assert found == MIXES[name]


@pytest.mark.parametrize("name", ["depth", "appearance", "lighting", "depth-v1-0"])
def test_half_of_the_samples_are_mirrored_and_nothing_else_changes(name):
    assert all(source.augment == Augment(mirror=0.5) for source in load(name).data)


def test_normals_see_changed_colours_and_those_of_hypersim_blurs_too():
    jitter = {"jitter": 0.3, "brightness": 0.5, "contrast": 0.5, "saturation": 0.5, "hue": 0.2, "cast": 0.0}
    # Up to 4 pixels and 11 pixels at 768 rows are 2.5 and 6.9 at 480, of which the nearest odd length is 7.
    blurs = {"blur": 0.3, "sigma": 4 * 480 / 768, "motion_blur": 0.3, "motion_length": 7}
    first, *others = load("normals").data
    assert first.augment == Augment(mirror=0.5, **jitter, **blurs)
    assert all(source.augment == Augment(mirror=0.5, **jitter) for source in others)


def test_data_are_read_by_the_published_conventions():
    depth, street = load("depth").data
    assert encode(depth)["camera"] == "published" and encode(street)["crop"] is True
    assert encode(load("normals").data[2])["cut"] == 221
    assert encode(load("lighting").data[0])["checked"] is True


@pytest.mark.parametrize("name", NAMES)
def test_a_fast_recipe_differs_in_how_it_runs_alone(name):
    slow, fast = load(name), load(f"{name}-fast")
    assert (fast.name, fast.batch, fast.accumulate) == (f"{name}-fast", 16, 2)
    assert (fast.plan.precision, fast.plan.compiled) == ("bf16", True)
    same = replace(fast.plan, precision="fp32", compiled=False)
    assert replace(fast, name=name, batch=2, accumulate=16, plan=same) == slow
    assert fast.batch * fast.accumulate == slow.batch * slow.accumulate == 32


# ---- the data, in miniature ----


def write_hypersim(root: Path) -> None:
    """Two frames to train on, of which one has no surface in places, one to validate on and one to test on.

    Light adds up: shading is 1 and the residual 0.
    """
    hypersim.raw(root)
    for scene, camera, number, _ in hypersim.FRAMES:
        arrays = hypersim.arrays(number)
        arrays |= {"color": arrays["diffuse_reflectance"], "residual": np.zeros_like(arrays["residual"])}
        arrays["diffuse_illumination"] = np.ones_like(arrays["residual"])
        if number == 1:
            arrays["render_entity_id"][0, 0] = -1
        hypersim.write_frame(root, scene, camera, number, **arrays)


def write_streets(root: Path) -> None:
    """One frame of a scene of each split, at its full size for the benchmark crop."""
    height, width = worlds.VKITTI_SIZE
    depth = np.broadcast_to(100 + np.arange(height)[:, None], (height, width))
    for scene in ("Scene01", "Scene02"):
        frames = root / scene / "clone/frames"
        worlds.grey_photo(frames / "rgb/Camera_0/rgb_00000.jpg", 90, width, height)
        worlds.png16(frames / "depth/Camera_0/depth_00000.png", depth)


def write_films(root: Path) -> None:
    """A frame with normals that face the viewer, 8 columns wide once it is cut, and its list."""
    worlds.grey_photo(root / "alley_1/frame_0001.png", 90, 450, 8)
    np.save(root / "alley_1/normals_0001.npy", np.broadcast_to(np.array([0.0, 0.0, 1.0]), (8, 450, 3)))
    (root / "train.txt").write_text("alley_1/frame_0001.png alley_1/normals_0001.npy\n")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """The trees in the places that the recipes name."""
    folder = tmp_path_factory.mktemp("data")
    write_hypersim(folder / "hypersim")
    write_streets(folder / "vkitti")
    worlds.interiorverse(folder / "interiorverse")
    write_films(folder / "sintel")
    return folder


def here(source: Source, data: Path) -> Source:
    """A source of a recipe as it lies in miniature, at a size of a few pixels."""
    name = name_of(source.dataset)
    root, dataset = data / source.root.relative_to("data"), source.dataset
    if name == "vkitti":
        dataset = replace(dataset, variations=("clone",), cameras=(0,), scenes=("Scene01", "Scene02"))
    if name == "sintel":
        dataset = replace(dataset, lists={"train": root / "train.txt"})
    return replace(source, dataset=dataset, root=root, resize=(SIDE, SIDE))


def small(name: str, data: Path, start: Path) -> Recipe:
    recipe = load(name)
    places = {key: tuple(here(source, data) for source in getattr(recipe, key)) for key in ("data", "validation")}
    few = {"steps": 2, "batch": 1, "accumulate": 2, "validation_batches": 1, "scored": 0}
    return replace(recipe, start=str(start), every=replace(recipe.every, save=0), **places, **few)


@pytest.mark.parametrize("name", NAMES)
def test_every_source_has_what_the_modality_needs(name, data):
    recipe = load(name)
    for source in (*recipe.data, *recipe.validation):
        place = here(source, data)
        keys = border.keys(place.dataset, place.root, place.split)
        sample = border.read(place.dataset, place.root, keys[-1] if name == "lighting" else keys[0])
        assert set(recipe.modality.needs) <= set(sample.maps)
        assert all(sample.usable(field).any() for field in recipe.modality.needs)


# ---- the start ----

TINY = {
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "sample_size": 8,
}
V1 = {"cross_attention_dim": 768, "attention_head_dim": 2}
V2 = {"cross_attention_dim": 1024, "attention_head_dim": (2, 4), "use_linear_projection": True}
NOISE = {**BETAS, "steps_offset": 1, "set_alpha_to_one": False}
STOCK = {
    "stable-diffusion-v1-5": (V1, PNDMScheduler(**{**NOISE, "prediction_type": "epsilon"}, skip_prk_steps=True)),
    "stable-diffusion-2": (V2, DDIMScheduler(**NOISE, clip_sample=False)),
    "stable-diffusion-2-1-base": (V2, PNDMScheduler(**{**NOISE, "prediction_type": "epsilon"}, skip_prk_steps=True)),
}


def write_stock(folder: Path, name: str) -> Path:
    """A folder in the layout of a stock Stable Diffusion, saved by diffusers, with tiny networks of random weights."""
    unet, scheduler = STOCK[name]
    files, _ = make_text_encoder(unet["cross_attention_dim"])
    write_text_files(files, folder / "text")
    vae = {"block_out_channels": [8] * 4, "layers_per_block": 1, "norm_num_groups": 4, "latent_channels": 4}
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4}
    StableDiffusionPipeline(
        unet=UNet2DConditionModel(**TINY, **unet),
        vae=AutoencoderKL(**vae, **blocks),
        text_encoder=CLIPTextModel.from_pretrained(folder / "text/text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "text/tokenizer"),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder / name)
    checker = ["stable_diffusion", "StableDiffusionSafetyChecker"] if unet is V1 else [None, None]
    edit(folder / name / "model_index.json", safety_checker=checker)
    return folder / name


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    return write_stock(tmp_path_factory.mktemp("start"), "stable-diffusion-2")


# ---- the runs ----


@pytest.fixture(scope="module", params=NAMES)
def run(request, data, start, tmp_path_factory) -> tuple[Recipe, Path]:
    """A recipe in miniature, and the checkpoint of two of its steps."""
    recipe = small(request.param, data, start)
    return recipe, train(recipe, tmp_path_factory.mktemp("runs") / request.param)


def test_a_run_leaves_a_checkpoint_with_the_recipes_settings(run):
    recipe, folder = run
    estimator = checkpoint.open(folder)
    assert estimator.modality == recipe.modality
    assert estimator.card.defaults == recipe.defaults and estimator.card.licence == "RAIL++-M"
    targets = len(recipe.modality.targets)
    assert (estimator.backbone.conditions, estimator.backbone.targets) == (1, targets)
    assert json.loads((folder / "unet/config.json").read_text())["in_channels"] == 4 * (targets + 1)
    saved = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    assert saved.items() >= {**recipe.schedule, "_class_name": "DDIMScheduler"}.items()
    index = json.loads((folder / "model_index.json").read_text())
    assert (index["default_denoising_steps"], index["default_processing_resolution"]) == (recipe.defaults["steps"], 768)


def test_marigold_predict_opens_what_a_run_leaves(run, tmp_path):
    recipe, folder = run
    PIL.Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    words = f"--checkpoint {folder} --output {tmp_path / 'output'} --steps 1 --ensemble 1 --resolution {SIDE}"
    assert cli.main(["predict", name_of(recipe.modality), str(tmp_path / "photo.png"), *words.split()]) == 0
    assert list((tmp_path / "output").rglob("*.npy"))


@pytest.mark.parametrize("name", STOCK)
def test_every_stock_generator_becomes_a_checkpoint_that_diffusers_loads(name, data, tmp_path):
    folder = train(small("depth", data, write_stock(tmp_path, name)), tmp_path / "run")
    estimator = checkpoint.open(folder)
    assert estimator.backbone.schedule.output.value == "v_prediction"
    assert float(estimator.backbone.schedule.signal[-1]) == 0
    pipeline = MarigoldDepthPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline.scheduler, DDIMScheduler)
    assert (pipeline.unet.config.in_channels, pipeline.default_denoising_steps) == (8, 4)
    found = pipeline(PIL.Image.fromarray(PHOTO), num_inference_steps=1, processing_resolution=SIDE).prediction
    assert found.shape == (1, SIDE, SIDE, 1) and np.isfinite(found).all()
