"""Samples that are left out are counted for each source and split, and an error lists them briefly."""

from dataclasses import replace
from pathlib import Path

import pytest

from marigold.core.errors import DataError
from marigold.data.skipped import Skipped, SkippedSamples
from marigold.data.source import Source
from marigold.datasets.pairs import Pairs

SOURCE = Source(Pairs(depth="depth/*.png"), root=Path("rooms"))


def bad(*names, why="damaged; copy it again"):
    return [Skipped(name, f"rooms/{name}.png: {why}") for name in names]


def test_a_bad_sample_of_train_is_none_of_test():
    skipped = SkippedSamples()
    skipped.add(SOURCE, 135, bad("a"))
    skipped.add(replace(SOURCE, split="test"), 15, [])
    with pytest.raises(DataError, match=r"^pairs: rooms, split test: 1 of 15 samples cannot be used, more than 1%: "):
        skipped.add(replace(SOURCE, split="test"), 15, bad("b"))


def test_two_sources_in_one_folder_are_counted_apart():
    skipped = SkippedSamples()
    for number in range(2):
        skipped.add(replace(SOURCE, dataset=Pairs(depth=f"depth{number}/*.png")), 100, bad(f"{number}/a"))
    assert [one.key for one in skipped.take()] == ["0/a", "1/a"]


def test_what_is_said_of_several_files_is_said_once():
    with pytest.raises(DataError) as raised:
        SkippedSamples().add(SOURCE, 4, [*bad("a", "b"), *bad("c", why="empty"), *bad("d")])
    listed = "rooms/a.png: damaged; copy it again; likewise rooms/b.png, rooms/d.png; rooms/c.png: empty"
    told = "pairs: rooms, split train: 4 of 4 samples cannot be used, more than 1%: "
    assert str(raised.value) == told + listed


def test_a_long_list_is_cut():
    with pytest.raises(DataError, match=r"likewise (rooms/\d+\.png, ){8}rooms/9\.png; and 3 more$"):
        SkippedSamples().add(SOURCE, 13, bad(*map(str, range(13))))
