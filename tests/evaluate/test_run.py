"""Evaluations as a whole: what is scored, what is left out and shown, what goes on, and what is written."""

import csv
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError, DataError, OutputError
from marigold.core.sample import Sample
from marigold.datasets.base import Dataset, DatasetCard
from marigold.evaluate import fingerprint, results, run
from marigold.evaluate.measures.base import Measure
from marigold.evaluate.measures.standard import Standard
from marigold.evaluate.measures.uncertainty import Uncertainty
from marigold.evaluate.model import ModelAnswers
from marigold.evaluate.run import Where
from marigold.evaluate.source import Checkpoint, Given, of_folder, of_model
from marigold.evaluate.suite import Suite, SuiteSet
from marigold.evaluate.task import check_fields, only_split
from marigold.measure.metrics import Metric
from marigold.measure.tally import Tally
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from toys.identity import identity_estimator
from toys.measured import KEYS, Curved, Measured, Red

SET = SuiteSet("made", Measured())
SUITE = Suite("Made", (SET,))


@dataclass(frozen=True)
class Facing(Dataset):
    """A wall, seen from in front."""

    card = DatasetCard(("normals",), ("test",), "none", "made up")

    def scan(self, root, split):
        return ["wall"]

    def read(self, root, key):
        ones = torch.ones(1, 4, 6)
        return Sample(
            key, ones.expand(3, -1, -1), {"normals": torch.cat([0 * ones, 0 * ones, ones])}, {"normals": ones > 0}
        )


def where(tmp_path, **more):
    return Where(root=tmp_path, output=tmp_path / "results", progress=False, report=False, **more)


def evaluated(tmp_path, model=None, suite=SUITE, **more):
    return run.run("made", suite, of_model(model or Red(), Depth()), where(tmp_path, **more))


def rows_of(tmp_path, name="red"):
    with (tmp_path / "results" / "made" / name / "per_sample.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_right_answer_scores_perfectly_and_the_others_stand_beside_it(tmp_path):
    (one,) = evaluated(tmp_path).summary["sets"]
    assert list(one["scores"]) == ["red", "representation ceiling", "affine in the row", "constant"]
    assert one["scores"]["red"]["abs_rel"]["mean"] < 0.01
    assert one["scores"]["constant"]["abs_rel"]["mean"] > 0.2


def test_the_result_states_all_that_its_numbers_depend_on(tmp_path):
    evaluated(tmp_path, count=4)
    summary = json.loads((tmp_path / "results" / "made" / "red" / "summary.json").read_text(), parse_constant=str)
    (one,) = summary["sets"]
    assert summary["model"] == {"name": "red", "kind": "object", "modality": "depth", "class": "Red"}
    assert summary["versions"].keys() == {"marigold", "torch", "python", "device"}
    assert (one["count"], one["published_count"], one["split"]) == (4, 6, "test")
    protocol = one["protocol"]
    assert (protocol["space"], protocol["nearest"], protocol["farthest"], protocol["mask"]) == (
        *("depth", 0.5, 20.0),
        "every pixel",
    )
    assert one["metrics"]["delta1"] == {"unit": "", "higher_is_better": True}


def test_every_sample_has_its_line_with_all_digits(tmp_path):
    found = evaluated(tmp_path, Curved())
    rows = rows_of(tmp_path, "Curved")
    assert [row["key"] for row in rows] == list(KEYS)
    mean = sum(float(row["abs_rel"]) for row in rows) / len(rows)
    assert mean == pytest.approx(found.summary["sets"][0]["scores"]["Curved"]["abs_rel"]["mean"], rel=1e-12)


def test_the_interval_of_a_mean_holds_it(tmp_path):
    score = evaluated(tmp_path, Curved()).summary["sets"][0]["scores"]["Curved"]["abs_rel"]
    assert score["low"] < score["mean"] < score["high"]


def test_pixels_of_all_images_together_have_no_interval_over_images(tmp_path):
    found = evaluated(tmp_path, Curved(), protocol={"pooling": "pixel"}).summary["sets"][0]
    assert found["protocol"]["pooling"] == "pixel"
    assert found["scores"]["Curved"]["rmse"]["low"] is None


@pytest.mark.parametrize("jobs", [1, 5])
def test_threads_change_no_number(tmp_path, jobs):
    two = evaluated(tmp_path, Curved())
    other = evaluated(tmp_path / "other", Curved(), jobs=jobs)
    assert other.rows == two.rows
    assert other.summary["sets"][0]["scores"] == two.summary["sets"][0]["scores"]


def test_what_cannot_be_read_or_answered_is_a_hole_that_is_shown(tmp_path):
    (tmp_path / "broken").write_text(KEYS[1])

    class Sometimes(Red):
        def predict(self, photo):
            found = super().predict(photo)
            return found[:5] if abs(found[0, 0] - first_red(KEYS[4])) < 0.5 else found

    found = evaluated(tmp_path, Sometimes())
    assert found.holes == 2
    (one,) = found.summary["sets"]
    assert [hole["key"] for hole in one["holes"]] == [KEYS[1], KEYS[4]]
    statuses = [(row["status"], row["abs_rel"] != "") for row in rows_of(tmp_path)]
    assert statuses == [("scored", True), ("hole", False), *[("scored", True)] * 2, ("hole", False), ("scored", True)]
    assert "damaged; copy it again" in rows_of(tmp_path)[1]["reason"]


def first_red(key):
    return round(float(Measured().read(Path(), key).image[0, 0, 0]) * 255)


def test_what_the_data_set_s_rules_refuse_is_no_hole(tmp_path):
    (tmp_path / "refused").write_text(f"{KEYS[0]}\n{KEYS[5]}")
    found = evaluated(tmp_path)
    assert (found.holes, found.summary["sets"][0]["refused"]) == (0, 2)
    assert rows_of(tmp_path)[0]["status"] == "refused"


def test_an_empty_mask_is_a_hole_with_its_reason(tmp_path):
    suite = Suite("Made", (SuiteSet("made", Measured(empty=KEYS[2])),))
    assert "no valid pixel" in evaluated(tmp_path, suite=suite).summary["sets"][0]["holes"][0]["reason"]


def test_if_nothing_can_be_scored_nothing_is_written_and_the_reason_is_told(tmp_path):
    class Wrong:
        def predict(self, photo):
            return photo[:3, :3, 0]

    with pytest.raises(DataError, match=r"not one of 6 samples can be scored \(room/000.png: depth of Wrong is"):
        evaluated(tmp_path, Wrong())
    assert not (tmp_path / "results" / "made" / "Wrong" / "summary.json").exists()


def test_an_interrupted_evaluation_goes_on_and_gives_the_same(tmp_path):
    class Stopped(Curved):
        name, asked = "Curved", 0

        def predict(self, photo):
            Stopped.asked += 1
            if Stopped.asked == 4:
                raise KeyboardInterrupt
            return super().predict(photo)

    whole = evaluated(tmp_path / "whole", Stopped.__bases__[0]())
    with pytest.raises(KeyboardInterrupt):
        evaluated(tmp_path, Stopped(), jobs=1)
    journal = tmp_path / "results" / "made" / "Curved" / "journal.jsonl"
    noted = len(journal.read_text().splitlines()) - 1
    with journal.open("a") as file:
        file.write('{"set": 0, "key": "cut sho')  # as a kill leaves it
    found = evaluated(tmp_path, Stopped(), jobs=1)
    assert noted >= 2 and Stopped.asked == 4 + len(KEYS) - noted
    assert found.rows == whole.rows
    assert found.summary["sets"][0]["scores"] == whole.summary["sets"][0]["scores"]
    assert not journal.exists()


def test_a_journal_of_another_evaluation_is_not_gone_on_with(tmp_path):
    folder = tmp_path / "results" / "made" / "red"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text('{"digest": "other"}\n{"set": 0, "key": "room/000.png"}\n')
    assert len(evaluated(tmp_path).rows) == 6


def test_holes_are_tried_again(tmp_path):
    (tmp_path / "broken").write_text(KEYS[0])

    class Stops(Red):
        stopped = False

        def predict(self, photo):
            if not Stops.stopped and first_red(KEYS[3]) == photo[0, 0, 0]:
                Stops.stopped = True
                raise KeyboardInterrupt
            return super().predict(photo)

    with pytest.raises(KeyboardInterrupt):
        evaluated(tmp_path, Stops(), jobs=1)
    (tmp_path / "broken").unlink()
    assert evaluated(tmp_path, Stops(), jobs=1).holes == 0


def test_sets_that_are_not_there_are_named_and_the_others_scored(tmp_path):
    (tmp_path / "here").mkdir()
    suite = Suite("Two", (replace(SET, folder="here"), replace(SET, title="away", folder="nowhere")))
    found = run.run("two", suite, of_model(Red(), Depth()), where(tmp_path))
    assert [one["set"] for one in found.summary["sets"]] == ["made"]
    assert found.left.missing == [f"away: not there, at {tmp_path / 'nowhere'}"]
    with pytest.raises(DataError, match="give --root the folder that holds nowhere"):
        run.run("none", Suite("None", suite.sets[1:]), of_model(Red(), Depth()), where(tmp_path))


def test_truth_that_a_modality_needs_must_be_there(tmp_path):
    with pytest.raises(DataError, match="made: has no normals, which `normals` is scored by; it has: depth"):
        run.run("made", SUITE, of_model(Red(), Normals()), where(tmp_path))


class Level:
    name = "level"

    def predict(self, photo):
        return np.broadcast_to(np.array([0.0, 0.0, 1.0]), photo.shape).copy()


def test_what_no_protocol_fits_states_no_fit(tmp_path):
    """So that results with and without a word about depth can be compared."""
    suite = Suite("Made", (SuiteSet("made", Facing(), protocol={"space": "disparity", "longest": 9}),))
    (one,) = run.run("made", suite, of_model(Level(), Normals()), where(tmp_path)).summary["sets"]
    assert (one["protocol"]["space"], one["protocol"]["longest"]) == ("none", 0)
    assert one["protocol"]["words"] == "compared as they are"
    with pytest.raises(ConfigError, match="space log: `normals` is not fitted by a protocol; leave it out"):
        run.run("made", suite, of_model(Level(), Normals()), where(tmp_path, protocol={"space": "log"}))


def test_metrics_without_a_value_are_named(tmp_path):
    some = Suite("Made", (replace(SET, measures=(Standard(), Uncertainty())),))
    (one,) = evaluated(tmp_path, suite=some).summary["sets"]
    assert one["notes"][-1].startswith("red has no value of ause, aurg, spearman, risk,")
    with pytest.raises(DataError, match="red gives nothing that uncertainty could score; choose other --measures"):
        evaluated(tmp_path, suite=Suite("Made", (replace(SET, measures=(Uncertainty(),)),)))


def test_a_split_has_to_be_named_among_all_that_there_are():
    card = DatasetCard(("depth",), ("indoors", "outdoor"), "none", "made up", counts={"indoors": 1, "all": 3})
    with pytest.raises(DataError, match="made: name one of its splits with --split: indoors, outdoor, all"):
        only_split("made", card)


def test_a_published_split_is_not_replaced_by_another_where_its_list_is_missing():
    here = DatasetCard(("depth",), ("train", "val"), "none", "made up")
    usual = replace(here, counts={"test": 652})
    assert only_split("made", here, usual) == "test"
    assert only_split("made", replace(here, splits=("mine",)), usual) == "mine"
    with pytest.raises(DataError, match=r"name one of its splits with --split: train, val$"):
        only_split("made", here)


def test_predictions_of_a_suite_lie_in_a_folder_of_each_set_and_a_set_without_costs_itself_alone(tmp_path):
    """The second set has none; the first has depth that is right, which no map in the folder above is."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    for key in KEYS:
        file = (tmp_path / "out" / "one" / key).with_suffix(".npy")
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, Measured().read(tmp_path, key).maps["depth"][0].numpy())
    suite = Suite("Two", tuple(replace(SET, title=name, folder=name) for name in ("one", "two")))
    found = run.run("two", suite, of_folder(tmp_path / "out", Depth(), "theirs"), where(tmp_path))
    (one,) = found.summary["sets"]
    assert one["set"] == "one" and one["scores"]["theirs"]["abs_rel"]["mean"] == pytest.approx(0, abs=1e-6)
    (lost,) = found.left.unusable
    assert lost.startswith("two: not one of 6 samples can be scored (room/000.png: no prediction of depth")


def test_a_set_that_cannot_be_used_is_named_once(tmp_path):
    suite = Suite("Two", (SET, replace(SET, title="more")))
    with pytest.raises(DataError, match=r"^made: has no normals, [^;]*; it has: depth; more: has no normals"):
        run.run("two", suite, of_model(Red(), Normals()), where(tmp_path))


def test_truth_of_another_kind_names_the_measures_that_read_it():
    card = DatasetCard((), ("test",), "none", "made up", annotations=("judgements",))
    with pytest.raises(DataError, match=r"it has: judgements, for --measures whdr$"):
        check_fields("made", card, Lighting(), (Standard(),))


def test_a_file_of_the_user_s_is_not_replaced(tmp_path):
    folder = tmp_path / "results" / "made" / "red"
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text('{"mine": 1}')
    with pytest.raises(OutputError, match=r"is no summary of an evaluation.*not replaced"):
        evaluated(tmp_path)
    assert (folder / "summary.json").read_text() == '{"mine": 1}'


@pytest.mark.parametrize("name", ["..", "a\nb", "x" * 300])
def test_names_that_no_folder_can_have_ask_for_another(tmp_path, name):
    with pytest.raises(OutputError, match="or name the result with --name"):
        run.run("made", SUITE, of_model(Red(), Depth(), name), where(tmp_path))


def test_a_checkpoint_is_scored_by_the_settings_of_the_set_and_of_whoever_asks(tmp_path):
    suite = Suite("Made", (replace(SET, prediction={"ensemble": 3, "steps": 2, "precision": "fp32"}),))
    source = Checkpoint(Predictor(identity_estimator(leak=0.1)), Request(steps=5))
    (one,) = run.run("made", suite, source, where(tmp_path)).summary["sets"]
    assert (one["prediction"]["steps"], one["prediction"]["ensemble"], one["prediction"]["precision"]) == (5, 3, "fp32")
    assert one["scores"]["identity"]["abs_rel"]["mean"] > 0


def test_a_setting_that_no_request_has_is_refused():
    with pytest.raises(ConfigError, match=r"prediction.step: no key named `step`; did you mean `steps`"):
        replace(SET, prediction={"step": 3})


def test_the_ceiling_of_an_autoencoder_that_loses_nothing_is_that_of_the_representation(tmp_path):
    suite = Suite("Made", (replace(SET, beside=("ceiling", "autoencoder")),))
    source = Checkpoint(Predictor(identity_estimator()))
    scores = run.run("made", suite, source, where(tmp_path)).summary["sets"][0]["scores"]
    alone, through = (scores[name]["abs_rel"]["mean"] for name in ("representation ceiling", "through the autoencoder"))
    assert 0 < alone == pytest.approx(through, rel=1e-5)


def test_an_unknown_row_beside_a_model_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="beside: magic is not known; choose among: ceiling, autoencoder, baselines"):
        run.run("made", Suite("Made", (replace(SET, beside=("magic",)),)), of_model(Red(), Depth()), where(tmp_path))


def test_a_result_that_was_read_is_what_was_written(tmp_path):
    found = evaluated(tmp_path)
    summary, rows = results.read(tmp_path / "results" / "made" / "red")
    assert summary == json.loads(json.dumps(found.summary))
    assert [row["abs_rel"] for row in rows] == [row["abs_rel"] for row in found.rows]


@pytest.mark.parametrize("content", ["", "[]", '{"format": 2, "sets": []}', '{"format": 1}'])
def test_what_is_no_result_is_refused(tmp_path, content):
    (tmp_path / "summary.json").write_text(content)
    (tmp_path / "per_sample.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="give the folder of a result"):
        results.read(tmp_path)


def test_the_page_shows_the_best_the_median_and_the_worst_sample(tmp_path):
    there = replace(where(tmp_path), report=True)
    run.run("made", SUITE, of_model(Curved(), Depth()), there)
    page = (tmp_path / "results" / "made" / "Curved" / "report.html").read_text(encoding="utf-8")
    rows = sorted(rows_of(tmp_path, "Curved"), key=lambda row: float(row["abs_rel"]))
    for row in (rows[0], rows[2], rows[-1]):
        assert row["key"] in page


@pytest.mark.parametrize("file", ["report.html", "table.md", "per_sample.csv", "journal.jsonl"])
def test_no_file_of_the_user_s_with_a_result_s_name_is_replaced(tmp_path, file):
    folder = tmp_path / "results" / "made" / "red"
    folder.mkdir(parents=True)
    (folder / file).write_text("mine")
    with pytest.raises(OutputError, match="not replaced: move it away"):
        evaluated(tmp_path)
    assert [path.name for path in folder.iterdir()] == [file] and (folder / file).read_text() == "mine"


@pytest.mark.parametrize("begun", ["", '{"dig'])
def test_a_journal_whose_first_line_was_cut_short_is_begun_anew(tmp_path, begun):
    folder = tmp_path / "results" / "made" / "red"
    folder.mkdir(parents=True)
    (folder / "journal.jsonl").write_text(begun)
    (folder / "per_sample.csv").write_text("what a killed evaluation left")
    assert evaluated(tmp_path).holes == 0
    assert len(rows_of(tmp_path)) == len(KEYS)


@pytest.mark.parametrize("name", ["representation ceiling", "constant"])
def test_a_model_that_is_called_like_a_line_beside_it_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=f"{name}: is what tables call a line beside the model; give another name"):
        run.run("made", SUITE, of_model(Red(), Depth(), name), where(tmp_path))


@pytest.mark.parametrize("more", [{"jobs": 0}, {"jobs": -1}, {"jobs": 10**6}, {"count": -1}])
def test_numbers_of_threads_and_samples_that_cannot_be_are_refused(tmp_path, more):
    with pytest.raises(ConfigError, match=f"{next(iter(more))}: .* cannot be used; it must be from"):
        where(tmp_path, **more)


def test_what_ends_the_program_in_a_model_is_a_hole(tmp_path):
    class Ends(Red):
        asked = 0

        def predict(self, photo):
            self.asked += 1
            if self.asked == 3:
                raise SystemExit(0)
            return super().predict(photo)

    found = evaluated(tmp_path, Ends())
    assert found.holes == 1 and "SystemExit" in rows_of(tmp_path)[2]["reason"]


def test_predictions_and_data_that_have_changed_are_scored_again(tmp_path):
    """A journal belongs to the files that were there."""
    folder = tmp_path / "rival"
    for key in KEYS:
        file = folder / f"{key.removesuffix('.png')}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, Measured().read(tmp_path, key).maps["depth"][0].numpy())
    todo, _ = run.tasks(SUITE, of_folder(folder, Depth()), where(tmp_path))

    def state():
        source = of_folder(folder, Depth())
        return fingerprint.digest(todo, source, source.facts())

    before = state()
    assert state() == before
    np.save(folder / "room" / "003.npy", np.ones((3, 3)))
    assert state() != before


def test_what_the_answers_have_to_say_stands_in_the_result(tmp_path):
    class Says(ModelAnswers):
        notes = ("measured twice",)

    source = Given("object", Says(Red(), Depth()), Depth())
    (one,) = run.run("made", SUITE, source, where(tmp_path)).summary["sets"]
    assert one["notes"] == ["measured twice"]


def test_a_model_that_fails_the_second_time_costs_a_picture_and_no_result(tmp_path):
    class Once(Curved):
        name, seen = "once", set()

        def predict(self, photo):
            if (what := photo.tobytes()) in self.seen:
                raise RuntimeError("tired")
            self.seen.add(what)
            return super().predict(photo)

    found = run.run("made", SUITE, of_model(Once(), Depth()), replace(where(tmp_path), report=True))
    assert found.holes == 0
    assert (tmp_path / "results" / "made" / "once" / "report.html").is_file()


@dataclass(frozen=True)
class Gives(Measure):
    """A measure that gives way at the pixel in the corner of one sample."""

    error: type[BaseException] = ZeroDivisionError

    def metrics(self, modality):
        return (Metric("corner"),)

    def score(self, answer, sample, modality, protocol):
        if sample.key == KEYS[2]:
            raise self.error("in the corner")
        return {"corner": Tally(1.0, 1)}


@pytest.mark.parametrize(
    ("error", "told"), [(ZeroDivisionError, r"cannot be scored \(ZeroDivisionError"), (MemoryError, "do not fit")]
)
def test_a_measure_that_fails_costs_its_sample_alone(tmp_path, error, told):
    suite = Suite("Made", (replace(SET, measures=(Gives(error),)),))
    (hole,) = evaluated(tmp_path, suite=suite).summary["sets"][0]["holes"]
    assert hole["key"] == KEYS[2] and re.search(told, hole["reason"])
