"""What the page on benchmarks says of counts, ranges, lists and settings is what the readers have."""

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from marigold.core.find import implementation
from marigold.datasets.base import Dataset

PAGE = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (.*?) \| `(\w+)` \| `(\w+)` \| (.*?) \| (.*?) to (.*?) \|$", PAGE, re.MULTILINE)
NAMES = tuple(dict.fromkeys(name for _, name, *_ in ROWS))


def test_every_benchmark_of_depth_has_a_row():
    assert set(NAMES) == {"nyuv2", "kitti", "eth3d", "scannet", "diode", "ibims", "middlebury", "booster"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]} {row[2]}")
def test_counts_and_ranges_are_those_of_the_cards(row):
    _, name, split, count, nearest, farthest = row
    card = implementation(Dataset, name)().card
    assert card.counts.get(split) == (None if count == "not stated" else int(count))
    assert card.depth_range == (float(nearest), float(farthest.replace("infinity", "inf")))


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_and_published_list_stands_in_the_page(name):
    module = import_module(f"marigold.datasets.{name}")
    for setting in fields(implementation(Dataset, name)):
        assert f"`{setting.name}`" in PAGE or f"`{setting.name}:" in PAGE
    for file in getattr(module, "LISTS", {}).values():
        assert file in PAGE or re.sub("(indoor|outdoor)", "all", file) in PAGE
