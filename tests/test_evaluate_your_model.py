"""The page on scoring one's own model, followed: its files are models, and its commands score them."""

import importlib
import json
import re
import shlex
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from diffusers import MarigoldDepthPipeline
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    DPTImageProcessorPil,
    pipeline,
)

from marigold import cli
from toys import published
from toys.benchmarks import png8
from toys.worlds import png16

PAGE = (Path(__file__).parents[1] / "docs" / "evaluate-your-model.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def python_blocks(first_line):
    """The page's blocks of Python that begin like this, by the name of the module in it."""
    found = ((re.match(first_line, code), code) for kind, code in BLOCKS if kind == "python")
    return {match[1]: code for match, code in found if match}


FILES = python_blocks(r"# (\w+)\.py\n")
CALLS = python_blocks(r"from (\w+) import")
COMMANDS = [line for kind, code in BLOCKS if kind == "sh" for line in code.splitlines()]
WIDTH, HEIGHT = 32, 24
ANYTHING, MARIGOLD = "depth-anything/Depth-Anything-V2-Small-hf", "prs-eth/marigold-depth-v1-1"


def write_ibims(root: Path) -> None:
    """Two photos of noise, whose depth is 2 m and 1 / 4 m more in each column; all of it counts."""
    stored = np.rint((2 + 0.25 * np.arange(WIDTH)) * 65535 / 50) * np.ones((HEIGHT, 1))
    for seed, name in enumerate(("corridor_01", "office_02")):
        photo = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        (root / "rgb").mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(photo).save(root / f"rgb/{name}.png")
        png16(root / f"depth/{name}.png", stored)
        for mask in ("mask_invalid", "mask_transp"):
            png8(root / f"{mask}/{name}.png", np.full((HEIGHT, WIDTH), 255))


def write_depth_anything(folder: Path) -> None:
    """A folder as the hub has it, of random weights, for photos of 28 pixels."""
    torch.manual_seed(3)
    stages = [f"stage{number}" for number in range(1, 5)]
    sizes = {"hidden_size": 8, "num_hidden_layers": 4, "num_attention_heads": 2, "image_size": 28, "patch_size": 14}
    backbone = Dinov2Config(**sizes, out_features=stages, reshape_hidden_states=False)
    neck = {"neck_hidden_sizes": [4, 4, 8, 8], "fusion_hidden_size": 4, "head_in_channels": 4, "head_hidden_size": 4}
    config = DepthAnythingConfig(backbone_config=backbone, reassemble_hidden_size=8, patch_size=14, **neck)
    model = DepthAnythingForDepthEstimation(config)
    for weights in model.parameters():
        torch.nn.init.normal_(weights, 0.1, 0.3)  # as they are drawn, little of the photo reaches the output
    torch.nn.init.constant_(model.head.conv3.bias, 1.0)
    model.save_pretrained(folder)
    size = {"height": 28, "width": 28}
    DPTImageProcessorPil(size=size, ensure_multiple_of=14, keep_aspect_ratio=True).save_pretrained(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder that holds the page's files, the data set, and weights under the names of the hub."""
    folder = tmp_path_factory.mktemp("models")
    for name, code in FILES.items():
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    write_ibims(folder / "data" / "ibims")
    write_depth_anything(folder / ANYTHING)
    published.marigold(folder / MARIGOLD, "marigold-depth-v1-1")
    published.edit(folder / MARIGOLD / "model_index.json", default_processing_resolution=32)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    yield folder
    sys.path.remove(str(folder))
    for name in FILES:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def in_it(folder, monkeypatch):
    monkeypatch.chdir(folder)


def photos():
    return [np.asarray(PIL.Image.open(file)) for file in sorted(Path("data/ibims/rgb").glob("*.png"))]


def brightness(photo):
    return 255 - photo.astype(np.float64).mean(axis=2)


def by_transformers(photo):
    return pipeline("depth-estimation", ANYTHING)(PIL.Image.fromarray(photo))["predicted_depth"].double().numpy()


def by_diffusers(photo):
    pipe = MarigoldDepthPipeline.from_pretrained(MARIGOLD)
    pipe.set_progress_bar_config(disable=True)
    noise = torch.Generator().manual_seed(1234)
    found = pipe(PIL.Image.fromarray(photo), num_inference_steps=1, ensemble_size=3, generator=noise)
    return found.prediction[0, ..., 0].astype(np.float64)


def abs_rel(found, *, disparity=False):
    """The mean relative error after least squares by NumPy."""
    truth = np.rint((2 + 0.25 * np.arange(WIDTH)) * 65535 / 50) * 50 / 65535 * np.ones((HEIGHT, 1))
    wanted = 1 / truth if disparity else truth
    columns = np.stack([found.ravel(), np.ones(found.size)], axis=1)
    fitted = (columns @ np.linalg.lstsq(columns, wanted.ravel())[0]).reshape(truth.shape)
    depth = 1 / np.maximum(fitted, 1e-3) if disparity else fitted
    return float((np.abs(np.clip(depth, 1e-3, 50) - truth) / truth).mean())


MODELS = {
    "brightness": ("brightness", brightness, False),
    "depth_anything": ("depth-anything-v2-small", by_transformers, True),
    "diffusers_marigold": ("marigold-depth-v1-1-diffusers", by_diffusers, False),
}


def scored(name):
    summary = json.loads((Path("results/ibims") / name / "summary.json").read_text(encoding="utf-8"))
    (one,) = summary["sets"]
    assert (one["count"], one["holes"]) == (2, [])
    return one["scores"][name]["abs_rel"]["mean"]


@pytest.mark.parametrize("module", MODELS)
def test_a_call_of_the_page_scores_as_numpy_does(module, capsys):
    name, predict, disparity = MODELS[module]
    exec(CALLS[module], {})
    found = [predict(photo) for photo in photos()]
    assert all(np.std(map_) > 1e-4 for map_ in found)  # a constant would score the same whatever is done with it
    wanted = np.mean([abs_rel(map_, disparity=disparity) for map_ in found])
    assert scored(name) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("module", MODELS)
def test_a_command_of_the_page_gives_the_same_as_its_call(module, capsys):
    name, _, _ = MODELS[module]
    exec(CALLS[module], {})
    before = (Path("results/ibims") / name / "per_sample.csv").read_text(encoding="utf-8")
    (command,) = (line for line in COMMANDS if f"--model {module}:" in line)
    assert cli.main(shlex.split(command.removeprefix("python -m marigold "))) == 0
    assert (Path("results/ibims") / name / "per_sample.csv").read_text(encoding="utf-8") == before


def test_a_result_of_a_model_is_verified_when_its_code_is_given_again(capsys):
    exec(CALLS["brightness"], {})
    command = ["evaluate", "verify", "results/ibims/brightness", "--model", "brightness:Brightness"]
    assert cli.main(command) == 0
    assert "2 samples reproduced to the last digit" in capsys.readouterr().out


def test_models_of_different_protocols_are_compared_only_across(capsys):
    exec(CALLS["brightness"], {})
    exec(CALLS["depth_anything"], {})
    (across,) = (line for line in COMMANDS if "--across" in line)
    words = shlex.split(across.removeprefix("marigold "))
    assert cli.main(words) == 0
    assert "scored by different protocols" in capsys.readouterr().out
    assert cli.main([word for word in words if word != "--across"]) != 0
    assert "compare all the same: --across" in capsys.readouterr().err


def test_every_model_of_the_page_is_tried():
    assert set(FILES) == set(CALLS) == set(MODELS)
