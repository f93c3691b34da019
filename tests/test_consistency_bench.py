"""The bench of consistency models: what it computes, by hand, and that it goes on where it was stopped."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

from marigold import checkpoint
from toys.peers import toy

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def bench(monkeypatch):
    """The script as a module; none of the benchmarks' modules stays, as their names are short."""
    monkeypatch.syspath_prepend(str(BENCH))
    before = set(sys.modules)
    yield importlib.import_module("consistency")
    for name in set(sys.modules) - before:
        if (BENCH / f"{name}.py").is_file():
            del sys.modules[name]


def row(abs_rel, spread):
    return {"abs_rel": [abs_rel - 0.01, abs_rel + 0.01], "delta1": [0.5, 0.7], "spread": spread}


def network(rows, steps="60"):
    return {"revision": "abc", "recipe": "toy@1", "seconds": 7, "steps": steps, "rows": rows}


def test_the_spread_is_the_deviation_over_seeds_relative_to_the_truth(bench):
    # Of two seeds half a difference: 1 of 4 m in one pixel, 3 of 6 m in the next; the third is not valid.
    depths = torch.tensor([[[[3.0, 9.0, 1.0]]], [[[5.0, 3.0, 90.0]]]])[:, 0]
    truth, valid = torch.tensor([[[4.0, 6.0, 0.0]]]), torch.tensor([[[True, True, False]]])
    assert bench.spread_of(depths, truth, valid) == pytest.approx((1 / 4 + 3 / 6) / 2)


def test_the_page_compares_every_student_with_its_teacher(bench):
    networks = {
        "teacher": network({"1": row(0.4, 0.02), "10": row(0.2, 0.08)}),
        "student, skip 100": network({"1": row(0.3, 0.04)}),
        "bundled depth": network({"1": row(0.1, 0.01)}, steps=""),
    }
    facts = {"size": 32, "scenes": 2, "seeds": 2}
    text = bench.page({"facts": facts, "device": "cpu", "networks": networks})
    assert "| student, skip 100 | 0.3000 (0.2900 to 0.3100) |  |  |  |" in text
    assert "| teacher | 2.00 |  |  | 8.00 |" in text
    # 0.3 / 0.4 and 0.3 / 0.2; 4 / 2 and 4 / 8.
    assert "student, skip 100: the AbsRel with 1 step is 0.750 times the teacher's with 1 step, and 1.500" in text
    assert "of its seeds are 2.00 and 0.50 times as far apart" in text
    assert "bundled depth: " not in text


@pytest.fixture
def random_depth(tmp_path):
    """A checkpoint of depth with small random networks."""
    checkpoint.save(toy("depth"), tmp_path / "random")
    return str(tmp_path / "random")


def test_scores_go_on_where_they_were_stopped(bench, random_depth, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "trained", lambda options: {"teacher": random_depth, "student": random_depth})
    monkeypatch.setattr(sys, "argv", ["consistency.py", str(tmp_path), "--quick", "--train", "--report"])
    monkeypatch.setattr(bench, "STEPS", (1,))
    bench.main()
    first = json.loads((tmp_path / "consistency.json").read_text())["networks"]
    monkeypatch.setattr(bench, "STEPS", (1, 2))
    capsys.readouterr()
    bench.main()
    found = json.loads((tmp_path / "consistency.json").read_text())["networks"]
    assert [one["rows"]["1"] for one in found.values()] == [one["rows"]["1"] for one in first.values()]
    assert "student, 2 steps" in (said := capsys.readouterr().out) and "student, 1 steps" not in said
    for one in found.values():
        assert len(one["rows"]["2"]["abs_rel"]) == 2 and 0 < one["rows"]["2"]["spread"] < 1
    assert (tmp_path / "consistency.md").read_text().startswith("# A consistency model beside its teacher\n")
