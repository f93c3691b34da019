"""`marigold predict` from the command line to the files, with a small Stable Diffusion of random weights."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import safetensors.torch
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from marigold import checkpoint, cli
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.core.card import Card
from marigold.diffusion.schedule import Schedule
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth

SCHEDULE = {"prediction_type": "v_prediction", "timestep_spacing": "trailing", "rescale_betas_zero_snr": True}
DEFAULTS = {"steps": 1, "resolution": 32, "ensemble": 1}


def small_estimator():
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=4,
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
        block_out_channels=[16, 16],
        layers_per_block=1,
        cross_attention_dim=8,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    blocks = {"down_block_types": ["DownEncoderBlock2D"] * 2, "up_block_types": ["UpDecoderBlock2D"] * 2}
    vae = AutoencoderKL(**blocks, block_out_channels=[8, 8], norm_num_groups=4)
    backbone = StableDiffusion(unet, vae, Schedule.from_config(SCHEDULE), torch.randn(1, 2, 8))
    return Estimator(backbone, Depth(), Card("small", "depth", defaults=DEFAULTS))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints") / "small"
    checkpoint.save(small_estimator(), folder)
    return folder


@pytest.fixture
def predict(small, tmp_path, monkeypatch):
    """Runs `marigold predict depth` in an empty folder that holds `a.png`; returns the exit code."""
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (24, 33, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save("a.png")

    def run(*arguments, checkpoint=small):
        device = ["--device", "cpu", "--precision", "fp32"]
        return cli.main(["predict", "depth", *arguments, "--checkpoint", str(checkpoint), *device])

    return run


def complaint(capsys):
    """The one line on the error stream."""
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("marigold: error: ") and ";" in line
    return line


def test_one_photo_becomes_a_map_and_its_pictures(predict, capsys):
    assert predict("a.png") == 0
    assert sorted(os.listdir("output")) == [
        "a_depth.json",
        "a_depth.npy",
        "a_depth_16bit.png",
        "a_depth_colored.png",
    ]
    depth = np.load("output/a_depth.npy")
    assert depth.shape == (24, 33) and depth.dtype == np.float32 and 0 <= depth.min() <= depth.max() <= 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("a.png: 33 x 24, ") and out[1].endswith("maps and pictures are in output")


def test_every_setting_reaches_the_report(predict):
    options = ["--steps", "2", "--ensemble", "3", "--resolution", "16", "--seed", "5", "--output", "deep/er"]
    assert predict("a.png", *options) == 0
    report = json.loads(Path("deep/er/a_depth.json").read_text())
    assert report["settings"] == {
        "steps": 2,
        "ensemble": 3,
        "resolution": 16,
        "seed": 5,
        "spacing": "auto",
        "match_input": True,
        "compat": "none",
        "precision": "fp32",
        "device": "cpu",
    }
    assert report["checkpoint"]["name"] == "small" and len(report["checkpoint"]["revision"]) == 12
    assert os.path.exists("deep/er/a_depth_uncertainty.npy") and os.path.exists("deep/er/a_depth_uncertainty.png")


def test_the_python_interface_gives_the_same_map(predict, small):
    import marigold

    predict("a.png", "--seed", "3")
    prediction = marigold.load(small, device="cpu", precision="fp32").predict("a.png", seed=3)
    np.testing.assert_array_equal(prediction.maps["depth"], np.load("output/a_depth.npy"))


def test_files_folders_and_patterns_can_be_mixed(predict):
    os.makedirs("more")
    for name in ("more/b.png", "more/c.png", "d1.png", "d2.png"):
        shutil.copy("a.png", name)
    assert predict("a.png", "more", "d*.png") == 0
    maps = [name for name in os.listdir("output") if name.endswith(".npy")]
    assert sorted(maps) == [f"{name}_depth.npy" for name in ("a", "b", "c", "d1", "d2")]


def test_the_good_photos_of_a_folder_are_finished_and_the_bad_ones_listed(predict, capsys):
    os.makedirs("in/sub")
    shutil.copy("a.png", "in/good.png")
    Path("in/empty.jpg").touch()
    Path("in/text.jpg").write_text("not a photo")
    assert predict("in") == 1
    assert os.path.exists("output/good_depth.json")
    errors = capsys.readouterr().err.splitlines()
    assert errors[0] == "marigold: error: 2 inputs could not be used:"
    assert "in/empty.jpg: the file is empty" in errors[1] and "in/text.jpg: not an image" in errors[2]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.jpg", None, "missing.jpg: no such file; check"),
        ("empty.jpg", b"", "empty.jpg: the file is empty"),
        ("text.jpg", b"plain text", "text.jpg: not an image"),
    ],
)
def test_a_single_bad_photo_is_one_line_and_exit_code_1(predict, capsys, name, content, message):
    if content is not None:
        Path(name).write_bytes(content)
    assert predict(name) == 1
    assert message in complaint(capsys)


def test_an_unknown_checkpoint_is_one_line(predict, capsys):
    assert predict("a.png", checkpoint="smal") == 1
    assert "no checkpoint named `smal`" in complaint(capsys)
    assert predict("a.png", checkpoint="./nowhere") == 1
    assert "nowhere" in complaint(capsys)


def test_an_unknown_modality_is_one_line(small, capsys):
    assert cli.main(["predict", "dpeth", "a.png", "--checkpoint", str(small)]) == 1
    assert complaint(capsys) == "marigold: error: no modality named `dpeth`; did you mean `depth`?"


def test_a_checkpoint_of_another_modality_is_refused(predict, small, capsys):
    assert cli.main(["predict", "normals", "a.png", "--checkpoint", str(small), "--device", "cpu"]) == 1
    assert "checkpoint `small` predicts depth, not normals" in complaint(capsys)


def test_a_modality_without_a_bundled_checkpoint_asks_for_one(predict, capsys):
    assert cli.main(["predict", "image", "a.png"]) == 1
    assert "no checkpoint for image is bundled; name one with --checkpoint" in complaint(capsys)


def test_an_output_in_the_way_is_one_line(predict, capsys):
    Path("taken").touch()
    assert predict("a.png", "--output", "taken") == 1
    assert "taken: cannot be written" in complaint(capsys)


def test_weights_that_are_not_numbers_are_one_line(predict, small, tmp_path, capsys):
    broken = shutil.copytree(small, tmp_path / "broken")
    (file,) = (broken / "unet").glob("*.safetensors")
    weights = safetensors.torch.load_file(file)
    weights["conv_in.weight"][0, 0, 0, 0] = torch.nan
    safetensors.torch.save_file(weights, file)
    assert predict("a.png", checkpoint=broken) == 1
    assert "broken" in complaint(capsys)
    assert not os.path.exists("output/a_depth.npy")


def test_settings_out_of_range_are_one_line(predict, capsys):
    assert predict("a.png", "--steps", "0") == 1
    assert "steps: 0 is too small; use 1 or more" in complaint(capsys)


def test_no_photo_at_all_is_one_line(predict, capsys):
    assert predict() == 1
    assert "no photo was named" in complaint(capsys)


def test_ctrl_c_leaves_no_half_written_file(predict, monkeypatch, capsys):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", interrupted)
    assert predict("a.png") == 130
    assert os.listdir("output") == []
    assert capsys.readouterr().err == "marigold: interrupted\n"
