"""`marigold predict` over folders that hold more than sound photos, and with options that lead nowhere."""

import logging
import os
import re

import numpy as np
import PIL.Image
import pytest
import tifffile

from marigold import cli
from marigold.checkpoints import store as checkpoint
from marigold.core.find import names
from marigold.export.base import Format


@pytest.fixture
def predict(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        return cli.main(["predict", "depth", *arguments, "--steps", "1", "--resolution", "32", "--device", "cpu"])

    return run


def test_a_second_run_into_the_folder_of_the_photos_takes_no_result_for_a_photo(predict, capsys):
    PIL.Image.new("RGB", (16, 16), "grey").save("a.png")
    assert predict(".", "--output", ".") == 0
    capsys.readouterr()
    assert predict(".", "--output", ".") == 0
    first, last = capsys.readouterr().out.splitlines()
    assert first == "a.png: complete already" and last.startswith("1 photo skipped")


def test_a_photo_that_is_called_like_a_result_is_kept_and_the_reason_told(predict, capsys):
    for name in ("a.png", "a_depth_colored.png"):
        PIL.Image.new("RGB", (16, 16), "grey").save(name)
    assert predict(".", "--output", ".") == 1
    out, err = capsys.readouterr()
    assert "a.png: failed: its result a_depth_colored.png is a photo of this run\n" in out
    assert err == (
        "marigold: error: a.png: its result a_depth_colored.png is a photo of this run; choose another --output\n"
    )
    with PIL.Image.open("a_depth_colored.png") as kept:
        assert kept.getpixel((0, 0)) == (128, 128, 128)


def test_a_run_in_which_everything_is_complete_loads_no_network(predict, monkeypatch, capsys):
    PIL.Image.new("RGB", (16, 16), "grey").save("a.png")
    assert predict("a.png") == 0
    monkeypatch.setattr(checkpoint, "open", None)
    assert predict("a.png") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("1 photo skipped, complete already")
    with pytest.raises(TypeError):
        predict("a.png", "--seed", "1")


def test_oddities_of_a_tiff_that_can_be_read_are_not_remarked_on(predict, capsys):
    tifffile.imwrite("a.tif", np.zeros((16, 16, 3), np.uint16), software="", metadata=None)
    with open("a.tif", "r+b") as file, tifffile.TiffFile("a.tif") as tiff:
        file.seek(tiff.pages.first.tags["XResolution"].offset + 2)
        file.write(b"\x63\0")  # a number type that does not exist
    logging.getLogger("tifffile").setLevel(logging.NOTSET)
    assert predict("a.tif") == 0
    assert capsys.readouterr().err == ""


def test_an_option_that_no_format_has_is_an_error_before_any_work(predict, capsys):
    PIL.Image.new("RGB", (16, 16), "grey").save("a.png")
    assert predict("a.png", "--fov", "70") == 1
    assert "fov: no format that is asked for (npy, png16, preview) has this option; add" in capsys.readouterr().err


def test_the_help_names_every_format(capsys):
    assert cli.main(["predict", "--help"]) == 0
    words = set(re.findall(r"\w+", capsys.readouterr().out))
    assert set(names(Format)) <= words


@pytest.mark.parametrize(
    ("option", "value"), [("far", "1e300"), ("near", "nan"), ("fov", "inf"), ("cut", "-1"), ("detail", "9" * 40)]
)
def test_a_number_of_a_format_that_cannot_be_used_names_its_option_before_any_work(predict, capsys, option, value):
    PIL.Image.new("RGB", (16, 16), "grey").save("a.png")
    assert predict("a.png", "--format", "glb", f"--{option}", value, "--checkpoint", "./nowhere") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"marigold: error: {option}: ") and line.endswith(f"with --{option}")


@pytest.mark.parametrize("output", ["a.png", "pipe", "dangling", "a.png/deeper", "/dev/null"])
def test_an_output_that_is_no_folder_is_one_line_and_stays(predict, capsys, output, monkeypatch):
    PIL.Image.new("RGB", (16, 16), "grey").save("a.png")
    os.mkfifo("pipe")
    os.symlink("nowhere", "dangling")
    monkeypatch.setattr(checkpoint, "open", None)  # nothing is loaded
    assert predict("a.png", "--output", output) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"marigold: error: {output}: cannot be written (") and "; choose another folder" in line
    assert sorted(os.listdir()) == ["a.png", "dangling", "pipe"] and os.path.islink("dangling")
