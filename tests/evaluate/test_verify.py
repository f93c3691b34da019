"""Whether a stored result is reproduced: what counts as that, and what does not."""

import json
from dataclasses import replace

import pytest

from marigold import checkpoint
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError, DataError
from marigold.datasets.folder import write_index, write_sample
from marigold.estimator import Estimator
from marigold.evaluate import results, run
from marigold.evaluate.asked import Asked, root_of, source_of, suite_of
from marigold.evaluate.run import Where
from marigold.evaluate.verify import Found, verify
from marigold.modalities.depth import Depth
from toys.scenes import NETWORK, Toy


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """The result of a random checkpoint on three scenes, and where everything lies."""
    place = tmp_path_factory.mktemp("stored")
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(conditions=1, targets=1)
    card = Card(name="tiny", modality="depth", defaults={"steps": 1, "resolution": 16, "ensemble": 1})
    checkpoint.save(Estimator(backbone, Depth(), card), place / "tiny")
    write_index(place / "scenes", Toy().card, {})
    for index, key in enumerate(Toy().scan(place, "test")[:3]):
        write_sample(place / "scenes", replace(Toy().read(place, key), key=f"test/{index:06d}"))
    asked = Asked(str(place / "scenes"), checkpoint=str(place / "tiny"), prediction={"precision": "fp32"})
    name, suite = suite_of(asked)
    source = source_of(asked, suite, "cpu")
    there = Where(root_of(asked), place / "results", progress=False, report=False)
    run.run(name, suite, source, there, asked.as_plain())
    return place


def read(place):
    return results.read(place / "results" / "scenes" / "tiny")


def again(summary, rows, **more):
    (found,), remarks = verify(summary, rows, count=3, device="cpu", progress=False, **more)
    return found, remarks


def test_the_same_machine_reproduces_it_to_the_last_digit(stored):
    found, remarks = again(*read(stored))
    assert found.is_reproduced() and found.same == found.samples == 3 and remarks == []
    assert found.verdict() == "3 samples reproduced to the last digit"


def test_a_number_that_differs_is_named_with_its_sample(stored):
    summary, rows = read(stored)
    rows[1]["rmse"] = repr(float(rows[1]["rmse"]) * 1.01)
    found, _ = again(summary, rows)
    assert not found.is_reproduced() and found.same == 2
    assert found.worst == pytest.approx(1 - 1 / 1.01)
    assert found.where.startswith("test/000001, rmse was ")


def test_a_difference_within_the_tolerance_is_said(stored):
    summary, rows = read(stored)
    rows[0]["abs_rel"] = repr(float(rows[0]["abs_rel"]) * (1 + 1e-5))
    found, _ = again(summary, rows)
    assert found.is_reproduced() and "reproduced within 1.0e-05 (2 to the last digit)" in found.verdict()
    assert not found.is_reproduced(1e-6)


def test_a_sample_that_was_no_hole_then_is_not_reproduced(stored):
    summary, rows = read(stored)
    rows[2]["status"] = "hole"
    found, _ = again(summary, rows)
    assert not found.is_reproduced() and "was hole, is scored" in found.where


def test_samples_that_are_others_are_not_reproduced(stored):
    summary, rows = read(stored)
    rows[0]["key"] = "test/000009"
    found, _ = again(summary, rows)
    assert "its samples are others" in found.verdict()


def test_a_protocol_that_is_another_by_now_is_not_reproduced(stored):
    summary, rows = read(stored)
    summary["sets"][0]["protocol"]["fit"] = "median"
    found, _ = again(summary, rows)
    assert "fit: median and least-squares" in found.verdict()


def test_other_weights_and_versions_are_remarked(stored):
    summary, rows = read(stored)
    summary["model"]["weights"], summary["versions"]["torch"] = "0" * 16, "1.0"
    _, remarks = again(summary, rows)
    assert [remark.split(" was ")[0] for remark in remarks] == ["scenes: weights", "scenes: torch"]


def test_no_file_chooses_code_that_runs(stored):
    summary, rows = read(stored)
    summary["asked"] |= {"model": "os:getcwd", "checkpoint": "", "modality": "depth"}
    with pytest.raises(ConfigError, match="was made by code, os:getcwd; give --model again if you trust it"):
        again(summary, rows)
    summary["asked"] = {"what": "toys.measured", "checkpoint": summary["asked"]["checkpoint"]}
    with pytest.raises(ConfigError, match=r"asks for code of another package, `toys.measured`"):
        again(summary, rows)


@pytest.mark.parametrize("asked", [{}, {"what": 3}, {"what": "x", "unknown": 1}, "x", None])
def test_a_summary_that_does_not_say_what_was_asked_for_is_refused(stored, asked):
    summary, rows = read(stored)
    summary["asked"] = asked
    with pytest.raises(DataError, match=r"does not say what was asked for .* evaluate again"):
        again(summary, rows)


def test_a_set_without_samples_left_has_a_verdict():
    assert Found("made", 0, 0, 0.0, "").verdict() == "0 samples reproduced to the last digit"


def test_the_summary_is_json_as_it_is_written(stored):
    text = (stored / "results" / "scenes" / "tiny" / "summary.json").read_text()
    json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.mark.parametrize(
    "asked",
    [
        {"measures": ["toys.unheard_of"]},
        {"modality": "toys.unheard_of"},
        {"set": ['a.b={"c": [{"name": toys.unheard_of}]}']},
        {"what": "quick", "set": ["procedural.name=toys.unheard_of"]},
    ],
)
def test_no_file_chooses_measures_modalities_or_settings_that_are_code(stored, asked):
    summary, rows = read(stored)
    summary["asked"] |= asked
    with pytest.raises(ConfigError, match=r"asks for code of another package, `toys.unheard_of`.*--trust toys"):
        again(summary, rows)


def test_a_table_without_samples_reproduces_nothing(stored):
    summary, _ = read(stored)
    found, _ = again(summary, [])
    assert found.verdict() == "not reproduced: its table has 0 samples, its summary says 3"


def test_a_metric_that_was_taken_out_is_not_reproduced(stored):
    summary, rows = read(stored)
    found, _ = again(summary, [{name: cell for name, cell in row.items() if name != "rmse"} for row in rows])
    assert not found.is_reproduced() and "rmse was nan" in found.where


def test_a_mean_that_is_not_that_of_the_samples_is_not_reproduced(stored):
    summary, rows = read(stored)
    for mean in (0.001, 10**400, None):
        summary["sets"][0]["scores"]["tiny"]["abs_rel"]["mean"] = mean
        found, _ = again(summary, rows)
        assert f"its summary says abs_rel {mean}, the mean of its samples is 0." in found.verdict()
