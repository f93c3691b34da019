"""The page of the documentation that holds committed results."""

import runpy
from pathlib import Path

import pytest

from marigold.core.errors import DataError
from marigold.core.files import write_json
from toys.results import one_set, summary

SCRIPT = Path(__file__).parents[2] / "bench" / "results_page.py"


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


def written(folder, suite, model):
    (folder / suite / model).mkdir(parents=True)
    write_json(folder / suite / model / "summary.json", summary(one_set(), model=model) | {"suite": suite})


def test_the_page_has_a_section_for_every_result_in_order(script, tmp_path):
    written(tmp_path, "depth", "ours")
    written(tmp_path, "depth", "another")
    written(tmp_path, "a-suite", "ours")
    lines = script["page"](tmp_path).splitlines()
    assert lines[0] == "# Results"
    assert [line for line in lines if line.startswith("## ")] == [
        "## a-suite: ours",
        "## depth: another",
        "## depth: ours",
    ]
    assert "### All metrics" in lines
    assert sum(line.startswith("# ") for line in lines) == 1


def test_without_results_there_is_no_page(script, tmp_path):
    with pytest.raises(DataError, match=r"summary\.json"):
        script["page"](tmp_path)
