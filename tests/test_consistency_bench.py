"""The bench of consistency models: what it computes, by hand, and that it goes on where it was stopped."""

import importlib
import json
import sys
from pathlib import Path

import pytest
import torch

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


def test_a_miniature_trains_scores_and_goes_on(bench, tmp_path, monkeypatch, capsys):
    page = tmp_path / "page.md"
    words = ["consistency.py", str(tmp_path / "out"), "--quick", "--train", "--report", "--page", str(page)]
    monkeypatch.setattr(bench, "STEPS", (1, 2))
    monkeypatch.setattr(sys, "argv", words)
    bench.main()
    result = tmp_path / "out/result.json"
    found = json.loads(result.read_text())
    assert set(found["networks"]) == {"teacher", "student, skip 100", "bundled depth"}
    for one in found["networks"].values():
        assert set(one["rows"]) == {"1", "2"}
        for numbers in one["rows"].values():
            assert len(numbers["abs_rel"]) == 2 and 0 < numbers["spread"] < 1
    assert page.read_text().startswith("# A consistency model beside its teacher\n")
    student = found["networks"]["student, skip 100"]["rows"]
    kept, student["2"] = student["1"], None
    del student["2"]
    result.write_text(json.dumps(found))
    capsys.readouterr()
    bench.main()
    again = json.loads(result.read_text())["networks"]["student, skip 100"]["rows"]
    assert again["1"] == kept and set(again) == {"1", "2"}
    assert "student, skip 100, 1 steps" not in capsys.readouterr().out
