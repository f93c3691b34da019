"""Writers whose disk takes nothing more, and names that few writers expect."""

import json
import os
import resource
from contextlib import contextmanager

import pytest

from marigold.core.errors import OutputError
from marigold.core.find import names
from marigold.export.base import Format, chosen
from marigold.folders.sheet import write_sheet
from marigold.predict.settings import Request
from toys.runs import both, identity, photo, run


@contextmanager
def files_of_at_most(size):
    """The system refuses to make a file longer than so many bytes, as it refuses on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [0, 50])
@pytest.mark.parametrize("name", names(Format))
def test_every_writer_says_what_the_disk_said_and_leaves_nothing(tmp_path, name, size):
    (format_,) = chosen(name)
    made = both().predict(photo(tmp_path / "a.png", 9))["normals" if name == "normal_map" else "depth"]
    with files_of_at_most(size), pytest.raises(OutputError, match=r"out.*: cannot be written \(file too large\)"):
        made.save(tmp_path / "out", formats=[format_])
    assert not os.listdir(tmp_path / "out")
    assert made.save(tmp_path / "out", formats=[format_])


def test_a_sheet_says_what_the_disk_said(tmp_path):
    predictions = both().predict(photo(tmp_path / "a.png", 9))
    with files_of_at_most(50), pytest.raises(OutputError, match=r"a_all.jpg: cannot be written \(file too large\)"):
        write_sheet(tmp_path / "a_all.jpg", predictions["depth"].colorize())


def test_an_earlier_result_is_untouched_by_a_disk_that_is_full(tmp_path):
    photos = [photo(tmp_path / "a.png", 9)]
    run(photos, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with files_of_at_most(700):  # enough for what is told of a file, too little for the maps
        outcome = run(photos, tmp_path / "out", request=Request(seed=1))
    assert outcome.done == 0 and "file too large" in outcome.failures[0]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_too_little_memory_costs_one_photo_and_says_what_to_lower(tmp_path, monkeypatch):
    predictors = identity()
    predict, calls = predictors.predict, []

    def cramped(*arguments):
        calls.append(1)
        if len(calls) == 2:
            raise MemoryError
        return predict(*arguments)

    predictors.predict = cramped
    photos = [photo(tmp_path / f"{name}.png", 9) for name in "abc"]
    outcome = run(photos, tmp_path / "out", predictors)
    assert outcome.done == 2 and outcome.failures == [
        f"{photos[1]}: not enough memory; lower --resolution or --ensemble, or scale the photo down"
    ]


NAMES = [b"caf\xe9", "深\u202e".encode(), b"a\nb\x1b[2J", b"\xff\\ \xfe", b"-x'\"<>&$()%s{}", b"a.b."]


@pytest.mark.parametrize("name", NAMES)
def test_every_format_takes_names_of_any_bytes(tmp_path, name):
    (tmp_path / "in").mkdir()
    paths = [photo(tmp_path / "in" / os.fsdecode(name + b".png"), 90)]
    every = ",".join(names(Format))
    assert run(paths, tmp_path / "out", both(), formats=every).done == 1
    files = json.loads((tmp_path / "out" / f"{os.fsdecode(name)}_all.json").read_text("utf-8"))["files"]
    assert files and all((tmp_path / "out" / file).is_file() for file in files)
    assert run(paths, tmp_path / "out", both(), formats=every).skipped == 1
