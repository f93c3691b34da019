"""Tables and JSON of an evaluation."""

import json

from marigold.evaluate.report import settings, table, write
from marigold.evaluate.runner import Scores
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally

SCORES = Scores(
    {"tiny": {"abs_rel": Tally(0.2, 2), "psnr": Tally(61, 2)}, "constant": {"abs_rel": Tally(0.5, 1), "psnr": Tally()}},
    [{"key": "a", "abs_rel": 0.05, "psnr": float("nan")}, {"key": "b", "abs_rel": 0.15, "psnr": 30.5}],
    (Metric("abs_rel"), Metric("psnr", "dB", higher_is_better=True)),
)


def test_the_table_has_a_line_for_each_method_and_an_arrow_for_each_metric():
    assert table(SCORES) == (
        "| method   | abs_rel ↓ | psnr [dB] ↑ |\n"
        "| -------- | --------: | ----------: |\n"
        "| tiny     |    0.1000 |       30.50 |\n"
        "| constant |    0.5000 |         nan |"
    )


def test_a_method_without_a_metric_has_an_empty_cell():
    lines = table(Scores({"a": {"x": Tally(1, 1)}, "b": {"y": Tally(2, 1)}})).splitlines()
    assert lines[2] == "| a      | 1.0000 |        |"


def test_a_metric_that_nobody_states_has_no_arrow():
    (head, *_) = table(Scores({"a": {"f1": Tally(1, 1)}})).splitlines()
    assert head == "| method |     f1 |"


def test_the_json_states_unit_and_direction_of_every_metric(tmp_path):
    write(tmp_path / "scores.json", SCORES, {})
    metrics = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["metrics"]
    assert metrics["psnr"] == {"unit": "dB", "higher_is_better": True}
    assert metrics["abs_rel"] == {"unit": "", "higher_is_better": False}


def test_every_setting_has_its_line():
    assert settings({"steps": 4, "seed": 0}) == "steps: 4\nseed: 0"


def test_the_json_holds_protocol_means_and_every_sample(tmp_path):
    write(tmp_path / "scores.json", SCORES, {"steps": 4})
    content = json.loads((tmp_path / "scores.json").read_text(), parse_constant=lambda word: f"not JSON: {word}")
    assert content["protocol"] == {"steps": 4}
    assert content["scores"]["tiny"] == {"abs_rel": 0.1, "psnr": 30.5}
    assert content["scores"]["constant"]["psnr"] is None
    assert content["samples"][0] == {"key": "a", "abs_rel": 0.05, "psnr": None}


def test_means_are_those_of_the_estimator_unless_a_method_is_named():
    assert SCORES.means()["abs_rel"] == 0.1
    assert SCORES.means("constant")["abs_rel"] == 0.5
