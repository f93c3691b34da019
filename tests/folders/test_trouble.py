"""Whatever keeps one photo's results from being written costs that photo; what keeps all of them ends the run."""

import errno
import json
import os
from dataclasses import dataclass

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import ConfigError, OutputError
from marigold.export.base import Format, Options, chosen
from marigold.modalities.depth import Depth
from marigold.predict.predictor import Predictor
from marigold.predict.together import MultiPredictor
from toys.identity import identity_estimator
from toys.runs import both, identity, photo, run


def odd(fail):
    """A format of somebody else's, which calls `fail` for the photo of this name."""

    @dataclass(frozen=True)
    class Odd(Format):
        def takes(self, modality):
            return True

        def write(self, maps, folder, stem):
            if stem == "odd":
                return fail(folder)
            (folder / f"{stem}_odd.txt").write_text("x")
            return [folder / f"{stem}_odd.txt"]

    return Odd()


def fails_with(error):
    def fail(folder):
        raise error

    return fail


def photos(folder):
    return [photo(folder / f"{name}.png", 9) for name in ("a", "odd", "z")]


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("by nothing"),
        KeyError("depth"),
        UnicodeEncodeError("latin-1", "深", 0, 1, "no such letter"),
        OSError("encoder error -2 when writing image file"),
        FileNotFoundError(errno.ENOENT, "No such file or directory", "my_table.csv"),
        OSError(errno.EILSEQ, "Illegal byte sequence"),
        PermissionError(errno.EACCES, "Permission denied"),
        ConfigError("odd: cannot be used; use another"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("predictors", [identity, both])
def test_a_format_that_fails_for_a_photo_costs_that_photo(tmp_path, error, predictors):
    outcome = run(photos(tmp_path), tmp_path / "out", predictors(), formats=[odd(fails_with(error))])
    (failure,) = outcome.failures
    assert outcome.done == 2 and failure.startswith(f"{tmp_path / 'odd.png'}: ") and ";" in failure
    assert (tmp_path / "out" / "z_depth.json").exists() and not (tmp_path / "out" / "odd_depth.json").exists()


@pytest.mark.parametrize("files", [["text"], None, [os.path.join(os.sep, "elsewhere.txt")]], ids=str)
def test_a_format_that_returns_no_files_of_the_folder_costs_that_photo(tmp_path, files):
    outcome = run(photos(tmp_path), tmp_path / "out", formats=[odd(lambda folder: files)])
    assert outcome.done == 2 and len(outcome.failures) == 1


def test_a_folder_where_a_file_is_to_be_costs_that_photo(tmp_path):
    (tmp_path / "out" / "odd_depth.npy").mkdir(parents=True)
    outcome = run(photos(tmp_path), tmp_path / "out", formats="npy")
    assert outcome.done == 2 and "odd_depth.npy: cannot be written (is a directory)" in outcome.failures[0]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_takes_nothing_more_ends_the_run_whoever_meets_it(tmp_path, number):
    error = OSError(number, os.strerror(number))
    with pytest.raises(OutputError, match=r"out: .*; make room there"):
        run(photos(tmp_path), tmp_path / "out", formats=[odd(fails_with(error))])


def test_a_folder_that_can_be_written_no_more_ends_the_run(tmp_path):
    def replaced(folder):
        (tmp_path / "out").rename(tmp_path / "gone")
        (tmp_path / "out").write_text("in the way")
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    with pytest.raises(OutputError, match="out: cannot be written"):
        run(photos(tmp_path), tmp_path / "out", formats=[odd(replaced)])


class Moody(Depth):
    """Depth that cannot be shown where it is black."""

    def colorize(self, maps):
        if maps["depth"].max() == 0:
            raise ValueError("no colours for black")
        return super().colorize(maps)


@pytest.mark.parametrize("also", [[], [both().predictors["normals"]]], ids=["alone", "on the sheet"])
def test_a_modality_that_cannot_show_a_photo_costs_that_photo(tmp_path, also):
    predictors = identity(modality=Moody())
    if also:
        predictors = MultiPredictor([*predictors.predictors.values(), *also])
    taken = [photo(tmp_path / "black.png", 0), photo(tmp_path / "grey.png", 9)]
    outcome = run(taken, tmp_path / "out", predictors, formats="npy" if also else "preview")
    assert outcome.done == 1 and "no colours for black" in outcome.failures[0]


@pytest.mark.parametrize("size", [(8, 66_000), (60_000, 8)])
def test_the_longest_photos_have_a_sheet_and_a_mesh(tmp_path, size):
    PIL.Image.fromarray(np.full((*size, 3), 9, np.uint8)).save(tmp_path / "a.png")
    formats = chosen("preview,glb,png16,exr,ply", Options(detail=50, legend=True))
    assert run([tmp_path / "a.png"], tmp_path / "out", both(), formats=formats).done == 1
    assert {"a_all.jpg", "a_depth.glb"} <= set(os.listdir(tmp_path / "out"))


NAMES = [b"caf\xe9.png", "été 深度.png".encode(), b"a\nb\tc.png", b"\x1b[31mred.png", b"\xff\xfe.png"]


def test_names_of_any_bytes_have_results_that_are_found_complete(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    taken = [photo(tmp_path / "in" / os.fsdecode(name), 9) for name in NAMES]
    log = tmp_path / "log.jsonl"
    assert run(taken, tmp_path / "out", both(), formats="npy", log=log).done == len(NAMES)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(NAMES) and all("24 x 16" in line and line.isprintable() for line in lines)
    assert rf"{os.sep}a\nb\tc.png: " in lines[2] and rf"{os.sep}caf\udce9.png: " in lines[0]
    entries = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
    assert [entry["photo"] for entry in entries] == [str(path) for path in taken]
    assert all((tmp_path / "out" / file).is_file() for entry in entries for file in entry["files"])
    assert run(taken, tmp_path / "out", both(), formats="npy").skipped == len(NAMES)


def test_a_failure_is_one_printable_line_too(tmp_path):
    bad = tmp_path / os.fsdecode(b"a\n\xe9.png")
    bad.write_bytes(b"no photo")
    (failure,) = run([bad], tmp_path / "out").failures
    assert failure.startswith(rf"{tmp_path}{os.sep}a\n\udce9.png: not an image") and failure.isprintable()


def test_a_modality_that_raises_costs_that_photo_alone(tmp_path):
    class Moody(Depth):
        def decode(self, pixels):
            values = super().decode(pixels)
            if float(values.mean()) > 0.5:
                raise ValueError("too bright for me")
            return values

    photos = [photo(tmp_path / f"{level}.png", level) for level in (10, 250, 20)]
    predictors = MultiPredictor([Predictor(identity_estimator(modality=Moody()))])
    outcome = run(photos, tmp_path / "out", predictors)
    assert outcome.done == 2
    (failure,) = outcome.failures
    assert "250.png: ValueError: too bright for me; mend the modality" in failure
