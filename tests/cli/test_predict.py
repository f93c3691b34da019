"""`marigold predict` from the command line to the files, with a small Stable Diffusion of random weights."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import safetensors.torch
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from marigold import checkpoint, cli
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.calibration import Calibration, Spread
from marigold.checkpoints.card import Card
from marigold.diffusion.schedule import Schedule
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from marigold.predict import together

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
    assert predict("a.png", *options, "--tta", "flip-scale") == 0
    report = json.loads(Path("deep/er/a_depth.json").read_text())
    assert report["settings"] == {
        "steps": 2,
        "ensemble": 3,
        "resolution": 16,
        "seed": 5,
        "spacing": "auto",
        "match_input": True,
        "compat": "none",
        "tta": "flip-scale",
        "sizing": "longest",
        "reduction": None,
        "resample_input": "bilinear",
        "resample_output": "bilinear",
        "precision": "fp32",
        "device": "cpu",
    }
    assert report["checkpoint"]["name"] == "small" and len(report["checkpoint"]["revision"]) == 12
    assert os.path.exists("deep/er/a_depth_uncertainty.npy") and os.path.exists("deep/er/a_depth_uncertainty.png")


@pytest.mark.parametrize("choice", ["auto", "off"])
def test_on_a_cpu_nothing_is_compiled_and_the_report_says_so(predict, choice):
    assert predict("a.png", "--compile", choice) == 0
    plan = json.loads(Path("output/a_depth.json").read_text())["plan"]
    assert (plan["kernels"], plan["graphs"]) == ("torch", 0)


def test_compiling_for_a_cpu_is_refused_before_anything_is_written(predict, capsys):
    assert predict("a.png", "--compile", "on") == 1
    assert "compile: nothing can be compiled for cpu, as there is no Triton" in complaint(capsys)
    assert not os.path.exists("output/a_depth.json")


def test_results_are_complete_whatever_is_compiled(predict, capsys):
    assert predict("a.png", "--compile", "off") == 0
    assert predict("a.png", "--compile", "auto") == 0
    assert "complete already" in capsys.readouterr().out


def test_a_batch_is_asked_for_and_told_in_the_report(predict):
    for name in "bcd":
        shutil.copy("a.png", f"{name}.png")
    assert predict("a.png", "b.png", "c.png", "d.png", "--batch", "3") == 0
    batches = [json.loads(Path(f"output/{name}_depth.json").read_text())["plan"]["batch"] for name in "abcd"]
    assert batches == [3, 3, 3, 1]
    assert predict("a.png", "b.png") == 0  # complete, whatever the batch


def test_a_batch_of_nothing_is_refused(predict, capsys):
    assert predict("a.png", "--batch", "0") == 1
    assert "batch: 0 is too small; use 1 or more" in capsys.readouterr().err


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


def test_the_formats_asked_for_are_written_with_their_options(predict):
    assert predict("a.png", "--format", "npy,preview", "--colormap", "gray") == 0
    assert sorted(os.listdir("output")) == ["a_depth.json", "a_depth.npy", "a_depth_colored.png"]
    with PIL.Image.open("output/a_depth_colored.png") as picture:
        levels = np.asarray(picture)
    assert (levels[..., 0] == levels[..., 1]).all()
    np.testing.assert_allclose(levels[..., 0] / 255, np.load("output/a_depth.npy"), atol=1 / 255)


def test_an_unknown_format_is_one_line_before_anything_is_loaded(predict, capsys):
    assert predict("a.png", "--format", "npy,exrr", checkpoint="./nowhere") == 1
    assert complaint(capsys) == "marigold: error: no format named `exrr`; did you mean `exr`?"


def test_a_second_run_skips_what_is_complete_and_says_so(predict, capsys):
    shutil.copy("a.png", "b.png")
    assert predict("a.png") == 0
    capsys.readouterr()
    assert predict("a.png", "b.png") == 0
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == "a.png: complete already" and second.startswith("b.png: 33 x 24, ")
    assert "1 photo in " in last and "; 1 photo skipped, complete already (--overwrite predicts again)" in last
    assert predict("a.png", "b.png") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("2 photos skipped, complete already") and last.endswith("maps and pictures are in output")
    assert predict("a.png", "b.png", "--overwrite") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("2 photos in ")


def test_a_run_over_several_photos_has_a_log(predict):
    shutil.copy("a.png", "b.png")
    predict("a.png", "b.png")
    lines = [json.loads(line) for line in Path("output/log.jsonl").read_text().splitlines()]
    assert [(line["photo"], line["status"]) for line in lines] == [("a.png", "done"), ("b.png", "done")]


def test_the_log_of_one_photo_is_where_it_is_asked_for(predict):
    predict("a.png", "--log", "logs/run.jsonl")
    assert json.loads(Path("logs/run.jsonl").read_text())["status"] == "done"
    assert not os.path.exists("output/log.jsonl")


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Checkpoints of depth and normals with the same autoencoder, as `--checkpoint` takes them."""
    folder = tmp_path_factory.mktemp("pair")
    for name, modality in (("depth", Depth()), ("normals", Normals())):
        estimator = small_estimator()
        checkpoint.save(Estimator(estimator.backbone, modality, Card(name, name, defaults=DEFAULTS)), folder / name)
    return f"{folder / 'depth'},normals={folder / 'normals'}"


def predict_all(*arguments):
    return cli.main(["predict", *arguments, "--device", "cpu", "--precision", "fp32"])


@pytest.mark.parametrize("modalities", ["all", "depth,normals"])
def test_several_modalities_come_from_one_reading_and_one_encoding(predict, pair, monkeypatch, capsys, modalities):
    monkeypatch.setattr(together, "bundled", list)
    encode, sizes = AutoencoderKL.encode, []

    def counted(self, x, **options):
        sizes.append(tuple(x.shape[-2:]))
        return encode(self, x, **options)

    monkeypatch.setattr(AutoencoderKL, "encode", counted)
    assert predict_all(modalities, "a.png", "--checkpoint", pair) == 0
    assert sizes.count((24, 32)) == 1  # 33 x 24 pixels at the resolution of 32, whole latent cells
    assert {f"a_{end}" for end in ("depth.npy", "normals.npy", "all.jpg", "all.json")} <= set(os.listdir("output"))
    assert "output/a_all.jpg" in capsys.readouterr().out
    assert predict_all(modalities, "a.png", "--checkpoint", pair) == 0
    assert "1 photo skipped" in capsys.readouterr().out
    assert sizes.count((24, 32)) == 1


def test_a_modality_of_several_has_the_map_that_it_has_alone(predict, pair):
    assert predict_all("depth,normals", "a.png", "--checkpoint", pair) == 0
    assert predict_all("depth", "a.png", "--checkpoint", pair.split(",")[0], "--output", "alone") == 0
    np.testing.assert_array_equal(np.load("output/a_depth.npy"), np.load("alone/a_depth.npy"))


def test_a_modality_without_a_checkpoint_is_one_line(predict, pair, monkeypatch, capsys):
    monkeypatch.setattr(together, "bundled", list)
    assert predict_all("depth,normals,lighting", "a.png", "--checkpoint", pair) == 1
    assert "no checkpoint for lighting is bundled; name one with --checkpoint" in complaint(capsys)


def test_an_interval_is_written_beside_the_map_of_a_calibrated_checkpoint(predict, small, tmp_path):
    calibrated = tmp_path / "calibrated"
    shutil.copytree(small, calibrated)
    spread = Spread(2.0, 0.01, (0.5, 1.5))
    calibration = Calibration(1, 3, 32, "longest", "none", 60, "toys", (0.5, 0.9), {"depth": spread})
    replace(Card.read(calibrated), calibration=(calibration,)).write(calibrated)
    assert predict("a.png", "--ensemble", "3", "--interval", "0.9", checkpoint=calibrated) == 0
    lower, upper = (np.load(f"output/a_depth_{end}.npy") for end in ("lower", "upper"))
    depth, uncertainty = np.load("output/a_depth.npy"), np.load("output/a_depth_uncertainty.npy")
    half = 1.5 * 2 * (uncertainty + 0.01)
    np.testing.assert_allclose(lower, np.clip(depth - half, 0, 1), atol=1e-6)
    np.testing.assert_allclose(upper, np.clip(depth + half, 0, 1), atol=1e-6)
    report = json.loads(Path("output/a_depth.json").read_text())
    assert report["settings"]["interval"] == 0.9 and report["notes"] == []
    assert {"a_depth_lower.npy", "a_depth_upper_16bit.png"} <= set(report["files"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--ensemble", "3"], "checkpoint `small` is not calibrated"),
        ([], "there are 1; give an ensemble of 3 or more"),
        (["--ensemble", "3", "--interval", "90"], "interval: 90.0 is no share of pixels"),
    ],
)
def test_an_interval_that_cannot_be_given_is_one_line(predict, capsys, words, message):
    assert predict("a.png", "--interval", "0.9", *words) == 1
    assert message in complaint(capsys)
    assert not Path("output").exists()
