"""`marigold predict --hr` from the command line to the files, and what makes its results incomplete."""

import json

import numpy as np
import PIL.Image
import pytest

from marigold import cli
from marigold.checkpoints import store
from toys.refining import networks

SMALL = ("--resolution", "16", "--steps", "1", "--device", "cpu")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    for modality in ("depth", "normals"):
        store.save(networks(modality, name=modality), folder / modality)
        store.save(networks(modality, refines=True, name=f"{modality}-sharper"), folder / f"{modality}-sharper")
    return folder


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("a", "b"):
        pixels = np.random.default_rng(ord(name)).integers(0, 256, (24, 36, 3), dtype=np.uint8)
        PIL.Image.fromarray(pixels).save(tmp_path / "photos" / f"{name}.png")
    return tmp_path / "photos"


def predicted(checkpoints, photos, *options, modality="depth"):
    names = modality.split(",")
    named = ",".join(f"{name}={checkpoints / name}" for name in names)
    given = ["predict", modality, str(photos), "--output", str(photos.parent / "out"), "--checkpoint", named]
    return cli.main([*given, *SMALL, "--format", "npy", *options])


def refined(checkpoints, *modalities):
    return (
        "--hr",
        "--tile",
        "32",
        "--refiner-steps",
        "1",
        "--refiner",
        ",".join(str(checkpoints / f"{name}-sharper") for name in modalities),
    )


def report(photos, name="a_depth"):
    return json.loads((photos.parent / "out" / f"{name}.json").read_text())


def test_a_folder_is_refined_and_the_files_say_how(checkpoints, photos, capsys):
    assert predicted(checkpoints, photos, *refined(checkpoints, "depth")) == 0
    assert capsys.readouterr().out.count("36 x 24") == 2
    assert np.load(photos.parent / "out" / "a_depth.npy").shape == (24, 36)
    found = report(photos)
    assert found["settings"]["refinement"]["refiner"].startswith("depth-sharper@")
    assert found["working_size"] == {"height": 20, "width": 32}


def test_a_run_that_is_given_again_skips_what_is_refined_alike(checkpoints, photos, capsys):
    again = refined(checkpoints, "depth")
    predicted(checkpoints, photos, *again)
    capsys.readouterr()
    assert predicted(checkpoints, photos, *again) == 0
    assert "2 photos skipped" in capsys.readouterr().out


@pytest.mark.parametrize("options", [("--tile", "64"), ("--upscale", "1.5"), ("--refiner-ensemble", "2")])
def test_other_settings_of_the_refinement_make_results_incomplete(checkpoints, photos, capsys, options):
    predicted(checkpoints, photos, *refined(checkpoints, "depth"))
    capsys.readouterr()
    assert predicted(checkpoints, photos, *refined(checkpoints, "depth"), *options) == 0
    assert "skipped" not in capsys.readouterr().out


def test_a_plain_run_after_a_refined_one_predicts_again(checkpoints, photos, capsys):
    predicted(checkpoints, photos, *refined(checkpoints, "depth"))
    capsys.readouterr()
    assert predicted(checkpoints, photos) == 0
    assert "skipped" not in capsys.readouterr().out
    assert "refinement" not in report(photos)["settings"]


def test_another_refiner_makes_results_incomplete(checkpoints, photos, tmp_path, capsys):
    predicted(checkpoints, photos, *refined(checkpoints, "depth"))
    other = networks(refines=True, name="depth-sharper")
    other.backbone.unet.conv_in.weight.data += 0.01
    store.save(other, tmp_path / "other")
    capsys.readouterr()
    assert predicted(checkpoints, photos, "--hr", "--refiner", str(tmp_path / "other")) == 0
    assert "skipped" not in capsys.readouterr().out


def test_several_modalities_have_a_refiner_each(checkpoints, photos):
    both = refined(checkpoints, "normals", "depth")
    assert predicted(checkpoints, photos, *both, modality="depth,normals") == 0
    assert report(photos, "a_normals")["settings"]["refinement"]["refiner"].startswith("normals-sharper@")
    assert report(photos, "a_depth")["settings"]["refinement"]["refiner"].startswith("depth-sharper@")


def test_warnings_of_the_size_are_on_the_screen_before_the_photo_is_done(checkpoints, photos, capsys):
    assert predicted(checkpoints, photos, *refined(checkpoints, "depth"), "--upscale", "4") == 0
    said = capsys.readouterr()
    assert "a.png: note: refined at 64 x 40 pixels, beyond the photo's own 36 x 24" in said.err
    assert "a.png: note: refined at 64 x 40 pixels, 4 times the global pass" in said.err
    assert "beyond the photo's own" in said.out
    assert sum("refined at" in note for note in report(photos)["notes"]) == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--hr",), "has no refiner, and none for depth is bundled; name one with --refiner"),
        (("--tile", "32"), "tile: counts at high resolution alone; add --hr"),
        (("--hr", "--refiner", "{}/normals-sharper"), "refines normals, and that is not predicted; leave it out"),
        (("--hr", "--refiner", "{}/depth"), "is no refiner: its network takes 1 latents"),
        (("--hr", "--refiner", "nowhere/at/all"), "nowhere/at/all: no such folder"),
    ],
)
def test_what_cannot_be_refined_is_told_on_one_line(checkpoints, photos, capsys, options, words):
    assert predicted(checkpoints, photos, *(option.format(checkpoints) for option in options)) == 1
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1


def test_a_refiner_alone_does_not_predict(checkpoints, photos, capsys):
    named = str(checkpoints / "depth-sharper")
    given = ["predict", "depth", str(photos), "--output", str(photos.parent / "out"), "--checkpoint", named]
    assert cli.main([*given, "--device", "cpu"]) == 1
    assert "is a refiner, which sees a coarse map beside the photo" in capsys.readouterr().err
