"""Which checkpoints stay: the last ones, and the best by the direction of its metric; nothing of anybody else."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from marigold import checkpoint
from marigold.checkpoints.card import Card
from marigold.core.errors import OutputError
from marigold.data.source import Source
from marigold.measure.metrics import Metric
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals
from marigold.train import record
from marigold.train.checks import unscored
from marigold.train.loop import train
from marigold.train.place import Marker, read_marker
from marigold.train.recipe import Every
from marigold.train.run import Run
from toys.scenes import Toy
from train.test_loop import recipe, stopped_before

QUIET = {"accumulate": 1, "scored": 0, "validation_batches": 0}
SCORED = {"accumulate": 1, "scored": 1, "validation_batches": 1}


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "steps").iterdir())


@pytest.mark.parametrize(("last", "names"), [(0, "23456"), (1, "6"), (2, "56"), (9, "23456")])
def test_the_last_checkpoints_stay(last, names, tmp_path):
    made = recipe(steps=6, every=Every(log=0, save=0, validate=0, keep=1, keep_last=last), **QUIET)
    train(replace(made, steps=1, every=replace(made.every, keep=0)), tmp_path)
    train(made, tmp_path)
    assert kept(tmp_path) == [f"00000{name}" for name in names]
    assert checkpoint.open(tmp_path / "steps/000006").card.note == "6 of 6 steps"


def test_a_resumed_run_keeps_the_last_of_all(tmp_path, monkeypatch):
    made = recipe(steps=4, every=Every(log=0, save=1, validate=0, keep=1, keep_last=2), **QUIET)
    stopped_before(3, monkeypatch, made, tmp_path)
    assert kept(tmp_path) == ["000002", "000003"]
    train(made, tmp_path)
    assert kept(tmp_path) == ["000003", "000004"]


def test_what_was_killed_while_it_was_deleted_is_gone_at_the_next_start(tmp_path, monkeypatch):
    made = recipe(steps=3, every=Every(log=0, save=1, validate=0, keep=1, keep_last=1), **QUIET)

    delete = shutil.rmtree

    def killed(path, **how):
        if path.name.startswith(".000001") and not how:
            raise KeyboardInterrupt
        delete(path, **how)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "rmtree", killed)
        train(made, tmp_path)
    assert [path.name[:8] for path in (tmp_path / "steps").iterdir() if path.name.startswith(".")] == [".000001."]
    train(made, tmp_path)
    assert kept(tmp_path) == ["000003"]


def test_a_checkpoint_of_another_is_not_deleted(tmp_path):
    made = recipe(steps=2, every=Every(log=0, save=1, validate=0, keep=1), **QUIET)
    train(made, tmp_path)
    run = Run(tmp_path, made)
    card = Card.read(tmp_path / "steps/000001")
    replace(card, recipe="toy-depth@000000000000").write(tmp_path / "steps/000001")
    with pytest.raises(OutputError, match="000001: is there and was not written by this run"):
        run.keep(1, 2)
    (tmp_path / "steps/000001/mine.txt").write_text("mine")
    card.write(tmp_path / "steps/000001")
    with pytest.raises(OutputError, match=r"mine\.txt: was not written by this run"):
        run.keep(1, 2)
    assert (tmp_path / "steps/000001/mine.txt").read_text() == "mine"


def scores(patch: pytest.MonkeyPatch, metric: Metric, values: list[float]) -> None:
    """Validations find these values of a metric, one after the other."""
    left = iter(values)
    patch.setattr(Depth, "metrics", (metric,))
    patch.setattr("marigold.train.validation.validation_scores", lambda *given: {metric.name: next(left)})


def best(folder: Path) -> tuple[str, int]:
    """The note of the best checkpoint, and the step that the run says it is of."""
    estimator = checkpoint.open(folder / "best")
    assert estimator.card.recipe.startswith("toy-depth@")
    return estimator.card.note, json.loads((folder / "run.json").read_text())["best"][0]


VALUES = [0.5, 0.25, 0.75, float("nan")]


@pytest.mark.parametrize(("higher", "step", "value"), [(False, 2, "0.25"), (True, 3, "0.75")])
def test_the_best_checkpoint_is_kept_by_the_direction_of_its_metric(higher, step, value, tmp_path, monkeypatch):
    scores(monkeypatch, Metric("goodness", higher_is_better=higher), VALUES)
    train(recipe(steps=4, every=Every(log=0, save=0, validate=1), **SCORED), tmp_path)
    assert best(tmp_path) == (f"{step} of 4 steps, the best until there: goodness {value}", step)


def test_the_best_checkpoint_outlives_an_interruption(tmp_path, monkeypatch):
    made = recipe(steps=4, every=Every(log=0, save=1, validate=1), **SCORED)
    with monkeypatch.context() as patch:
        scores(patch, Metric("goodness"), VALUES[:2])
        stopped_before(2, monkeypatch, made, tmp_path)
    scores(monkeypatch, Metric("goodness"), [0.3, 0.26])
    train(made, tmp_path)
    assert best(tmp_path) == ("2 of 4 steps, the best until there: goodness 0.25", 2)


def test_where_other_samples_are_scored_the_best_begins_anew(tmp_path, monkeypatch):
    made = recipe(steps=2, every=Every(log=0, save=1, validate=1), **SCORED)
    with monkeypatch.context() as patch:
        scores(patch, Metric("goodness"), [0.1, 0.2])
        train(made, tmp_path)
    scores(monkeypatch, Metric("goodness"), [0.5])
    train(replace(made, steps=3, scored=2), tmp_path)
    assert best(tmp_path) == ("3 of 3 steps, the best until there: goodness 0.5", 3)


def test_a_best_checkpoint_of_another_is_not_replaced(tmp_path, monkeypatch):
    made = recipe(steps=2, every=Every(log=0, save=1, validate=1), **SCORED)
    train(made, tmp_path)
    card = Card.read(tmp_path / "best")
    replace(card, recipe="toy-depth@000000000000").write(tmp_path / "best")
    with pytest.raises(OutputError, match="best: is there and was not written by this run"):
        train(replace(made, steps=3), tmp_path)


@pytest.mark.parametrize(
    ("modality", "name", "higher"),
    [
        (Depth(), "abs_rel", False),
        (Normals(), "mean_angle", False),
        (Appearance(), "albedo_psnr", True),
        (Lighting(), "albedo_psnr", True),
    ],
)
def test_a_modality_says_which_metric_counts(modality, name, higher):
    assert (modality.main.name, modality.main.higher_is_better) == (name, higher)
    assert modality.main.is_better(2.0, 1.0) == higher and modality.main.is_better(1.0, 2.0) != higher
    assert not modality.main.is_better(1.0, 1.0)


@pytest.mark.parametrize(
    ("changes", "sources", "why"),
    [
        ({}, (Source(Toy()),), ""),
        ({"modality": Image()}, (Source(Toy()),), "image has no metric"),
        ({"every": Every(validate=0)}, (Source(Toy()),), "every.validate is 0"),
        ({"scored": 0}, (Source(Toy()),), "scored is 0"),
        ({}, (), "no source is held out"),
        ({}, (Source(Toy(), modality="depth"),), "no source is held out"),
    ],
)
def test_a_run_without_a_best_checkpoint_says_why(changes, sources, why):
    note = unscored(recipe(**{"every": Every(), **changes}), sources)
    assert note == (f"recipe: without a best checkpoint, since {why}; the last one is kept" if why else "")


def test_a_run_that_scores_nothing_has_no_best_checkpoint(tmp_path):
    notes = []
    train(recipe(steps=2, every=Every(log=0, save=0, validate=1), scored=0), tmp_path, note=notes.append)
    assert notes == ["recipe: without a best checkpoint, since scored is 0; the last one is kept"]
    assert not (tmp_path / "best").exists()


def test_a_ruined_validation_leaves_the_best_as_it_is(tmp_path, monkeypatch):
    scores(monkeypatch, Metric("goodness"), [0.5, 0.1])
    made = recipe(steps=2, every=Every(log=0, save=0, validate=1), **SCORED)
    held_out, calls = record.validate, []

    def spoilt(stage, device):
        calls.append(1)
        for name, numbers, preview in held_out(stage, device):
            yield name, {**numbers, "loss": float("nan")} if len(calls) == 1 else numbers, preview

    monkeypatch.setattr(record, "validate", spoilt)
    train(made, tmp_path)
    assert best(tmp_path)[1] == 2


@pytest.mark.parametrize("bad", [[1], [1, "x"], [-1, 0.5], {"step": 1}])
def test_a_damaged_note_of_the_best_is_noticed(bad, tmp_path):
    made = recipe(steps=1, every=Every(log=0, save=1, validate=0), **QUIET)
    train(made, tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**content, "best": bad}))
    notes = []
    train(replace(made, steps=2), tmp_path, note=notes.append)
    assert "run.json: damaged" in notes[0]
    assert isinstance(read_marker(tmp_path), Marker)
