"""Every benchmark is a script that says what it measures, and whose imports are there."""

import runpy
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[1] / "bench"
PARTS = ("hostile_documents", "photographs", "slim", "training_loops")
"""Modules that the scripts share."""


@pytest.fixture(autouse=True)
def as_a_script(monkeypatch):
    """What a script finds when it is run from the shell, and may change."""
    monkeypatch.syspath_prepend(str(BENCH))
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")


@pytest.mark.parametrize("script", sorted({path.stem for path in BENCH.glob("*.py")} - {*PARTS}))
def test_a_benchmark_answers_help(script, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"{script}.py", "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(BENCH / f"{script}.py"), run_name="__main__")
    assert ended.value.code in (0, None)
    assert "usage:" in capsys.readouterr().out


def test_shared_modules_import():
    for part in PARTS:
        runpy.run_path(str(BENCH / f"{part}.py"))
