"""The page of file formats tells the truth: every format, every option, and code that reads what was written."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from marigold.core.find import implementation, names
from marigold.export.base import Format, Maps, Options, chosen
from marigold.modalities.depth import Depth

PAGE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| [")]


@pytest.mark.parametrize("name", names(Format))
def test_every_format_stands_in_the_first_table(name):
    assert any(f"`{name}`" in row.split("|")[1] for row in ROWS)


@pytest.mark.parametrize("option", [field.name for field in dataclasses.fields(Options)])
def test_every_option_is_explained(option):
    assert f"`--{option.replace('_', '-')}" in PAGE


@pytest.mark.parametrize("name", names(Format))
def test_every_option_of_a_format_can_be_given(name):
    own = {field.name for field in dataclasses.fields(implementation(Format, name))}
    assert own <= {field.name for field in dataclasses.fields(Options)}


def test_the_page_states_the_defaults():
    for option, value, unit in (("fov", 55, " degrees"), ("cut", 3, ""), ("detail", 1024, "")):
        assert getattr(Options(), option) == value
        assert re.search(rf"`--{option}`[^`]*\(default {value}{unit}", PAGE), option
    assert (Options.near, Options.far) == (1, 3) and "`--near` and `--far` (default 1 and 3 metres)" in PAGE


def test_the_code_that_reads_a_16_bit_picture_gets_the_map(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "output").mkdir()
    depth = np.random.default_rng(0).random((9, 11), np.float32)
    chosen("png16")[0].write(Maps(Depth(), {"depth": depth}), tmp_path / "output", "photo")
    (code,) = (
        block for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if "16bit" in block
    )
    found = {}
    exec(code, found)
    assert np.abs(found["depth"] - depth).max() < 1 / 65535
