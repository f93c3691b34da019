"""Training: runs resume to the bit, learn what they are shown, and refuse what they cannot do."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from marigold import checkpoint
from marigold.checkpoints.card import Card
from marigold.core.config import encode
from marigold.core.errors import CheckpointError, ConfigError, DataError, UnknownNameError
from marigold.data.source import Source
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.objectives.autoencode import Autoencode
from marigold.objectives.denoise import Denoise
from marigold.objectives.end_to_end import EndToEnd
from marigold.train.loop import Trainer, train
from marigold.train.phase import unreached
from marigold.train.recipe import Every, Optim, PhaseSettings, Recipe, load, names
from marigold.train.run import Run
from toys.scenes import NETWORK, Toy

TESTS = Path(__file__).parents[1]


def recipe(**changes) -> Recipe:
    source = Source(Toy(), capacity=16, renewal=0.5, block=4)
    settings = dict(
        name="toy-depth",
        modality=Depth(),
        network=NETWORK,
        defaults={"steps": 1, "resolution": 16},
        data=(source,),
        optim=Optim(lr=1e-3, warmup=2, decay=100),
        every=Every(log=1, save=2, validate=0),
        steps=6,
        batch=2,
        accumulate=2,
    )
    return Recipe(**{**settings, **changes})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "state.safetensors")


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_a_run_leaves_a_checkpoint_that_opens(tmp_path):
    folder = train(recipe(), tmp_path / "run")
    estimator = checkpoint.open(folder)
    assert estimator.backbone.conditions == 1
    assert estimator.card.recipe.startswith("toy-depth")


def test_a_run_stopped_between_steps_and_resumed_gives_the_same_weights(tmp_path, monkeypatch):
    train(recipe(), tmp_path / "whole")

    def stop(self, folder):
        raise KeyboardInterrupt

    short = replace(recipe(), every=Every(log=1, save=2, validate=0, keep=4))
    whole = tmp_path / "again"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("marigold.train.record.Recorder.export", stop)
        train(short, whole)
    assert json.loads((whole / "log.jsonl").read_text().splitlines()[-1])["step"] == 4
    train(short, whole)
    assert same(weights(tmp_path / "whole"), weights(whole))
    assert checkpoint.describe(whole / "steps/000004").card.note == "4 of 6 steps"


@pytest.mark.parametrize(("modality", "before"), [("depth", 5000), ("normals", 0)])
def test_the_card_counts_the_seconds_of_what_it_went_on_from(modality, before, tmp_path):
    few = {"steps": 1, "scored": 0, "validation_batches": 1}
    started = train(recipe(**few), tmp_path / "first")
    replace(Card.read(started), modality=modality, options={}, seconds_of_training=5000).write(started)
    onward = train(recipe(**few, start=str(started), network={}), tmp_path / "second")
    assert before <= Card.read(onward).seconds_of_training < before + 1000


def stopped_before(step: int, patch: pytest.MonkeyPatch, recipe: Recipe, folder: Path) -> None:
    """Runs a recipe until a step is about to be taken."""
    update = Trainer.update

    def stop(self):
        if self.step == step:
            raise KeyboardInterrupt
        return update(self)

    patch.setattr(Trainer, "update", stop)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, folder)
    patch.undo()


def losses(folder: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [(line["step"], line["loss"]) for line in lines if line["kind"] == "train"]


@pytest.mark.parametrize("stopped", [3, 5, 7])
def test_the_log_of_a_resumed_run_is_that_of_an_uninterrupted_one(stopped, tmp_path, monkeypatch):
    short = recipe(steps=10, every=Every(log=4, save=3, validate=0), scored=0, validation_batches=1)
    train(short, tmp_path / "whole")
    stopped_before(stopped, monkeypatch, short, tmp_path / "again")
    train(short, tmp_path / "again")
    whole, again = losses(tmp_path / "whole"), losses(tmp_path / "again")
    assert [step for step, _ in again] == [4, 8, 10]
    assert [loss for _, loss in again] == pytest.approx([loss for _, loss in whole], rel=1e-6)


def spoilt(patch: pytest.MonkeyPatch, calls_of: set[int] | None) -> None:
    """Losses become NaN, with their gradients, in these calls or in all."""
    loss, calls = Denoise.loss, itertools.count()

    def bad(self, *given):
        value = loss(self, *given)
        return value * float("nan") if calls_of is None or next(calls) in calls_of else value

    patch.setattr(Denoise, "loss", bad)


def test_a_batch_without_a_finite_loss_is_left_out(tmp_path, monkeypatch):
    short = recipe(steps=4, accumulate=1, every=Every(log=2, save=4, validate=0), scored=0, validation_batches=1)
    spoilt(monkeypatch, {2})
    train(short, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line.get("left_out", 0) for line in lines if line["kind"] == "train"] == [0, 1]
    assert all(bool(x.isfinite().all()) for x in weights(tmp_path).values())


def test_a_run_without_any_finite_loss_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    spoilt(monkeypatch, None)
    with pytest.raises(DataError, match=r"not a number at step 1; .* lower optim\.lr"):
        train(recipe(), tmp_path)


def test_a_run_stopped_before_anything_was_saved_logs_every_step_once(tmp_path, monkeypatch):
    short = recipe(steps=4, every=Every(log=1, save=4, validate=0), scored=0, validation_batches=1)
    stopped_before(3, monkeypatch, short, tmp_path)
    assert [step for step, _ in losses(tmp_path)] == [1, 2, 3]
    train(short, tmp_path)
    assert [step for step, _ in losses(tmp_path)] == [1, 2, 3, 4]


PHASES = (PhaseSettings(steps=2, size=8, batch=4), PhaseSettings(steps=2, objective=EndToEnd()))


@pytest.mark.parametrize("stopped", [2, 3, 4, 5])
def test_a_run_of_several_phases_resumes_to_the_same_weights(stopped, tmp_path, monkeypatch):
    phased = recipe(phases=PHASES, reuse=2, cache=6, every=Every(log=1, save=1, validate=0))
    train(phased, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        update = Trainer.update

        def stop(self):
            if self.step == stopped:
                raise KeyboardInterrupt
            return update(self)

        patch.setattr(Trainer, "update", stop)
        train(phased, tmp_path / "again")
    train(phased, tmp_path / "again")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "again"))


def test_every_phase_has_its_own_size_batch_and_objective(tmp_path, monkeypatch):
    seen = []
    for kind in (Denoise, EndToEnd):
        prepare = kind.prepare

        def recorded(self, estimator, batch, prepare=prepare):
            seen.append((type(self).__name__, *batch.image.shape[::3]))
            return prepare(self, estimator, batch)

        monkeypatch.setattr(kind, "prepare", recorded)
    train(recipe(phases=PHASES, accumulate=1, scored=0, validation_batches=1), tmp_path / "run")
    assert seen[:6] == 2 * [("Denoise", 4, 8)] + 2 * [("EndToEnd", 2, 16)] + 2 * [("Denoise", 2, 16)]


def test_a_phase_that_trains_another_network_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="autoencode"):
        train(recipe(phases=(PhaseSettings(steps=3, objective=Autoencode()),)), tmp_path / "run")


def test_recommended_settings_that_no_checkpoint_could_have_are_refused_at_once():
    with pytest.raises(ConfigError, match=r"recipe\.defaults: default tta 'many' is not none or flip-scale"):
        recipe(defaults={"steps": 1, "tta": "many"})


def test_steps_may_end_a_run_before_its_phases(tmp_path):
    train(recipe(steps=3, phases=PHASES, scored=0, validation_batches=1), tmp_path / "run")
    assert json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])["step"] == 3


@pytest.mark.parametrize("steps", [1, 2])
def test_phases_that_a_run_does_not_reach_are_named(steps):
    assert unreached(recipe(steps=steps, phases=PHASES)) == (
        f"recipe.steps: the run ends at step {steps}, before phase 2 of 2 (end_to_end, 2 steps); "
        "use 4 or more for all phases, or shorten `phases`"
    )


@pytest.mark.parametrize("steps", [3, 4, 9])
def test_phases_that_a_run_reaches_are_not_remarked_on(steps):
    assert unreached(recipe(steps=steps, phases=PHASES)) == ""


def test_a_run_without_phases_misses_none():
    assert unreached(recipe(steps=1)) == ""


def test_a_recipe_of_one_part_keeps_its_hash():
    assert "phases" in encode(recipe()) and recipe().digest() != recipe(phases=PHASES).digest()


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_that_reuses_encoded_samples_resumes_to_the_same_weights(optimizer, tmp_path, monkeypatch):
    reusing = recipe(reuse=2, cache=6, batch=4)
    reusing = replace(reusing, optim=replace(reusing.optim, name=optimizer))
    train(reusing, tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        update = Trainer.update

        def stop(self):
            if self.step == 5:
                raise KeyboardInterrupt
            return update(self)

        patch.setattr(Trainer, "update", stop)
        train(reusing, tmp_path / "stopped")
    train(reusing, tmp_path / "stopped")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "stopped"))


def test_a_killed_run_resumes_to_the_same_weights(tmp_path):
    script = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[1]); import torch; torch.set_num_threads(1)\n"
        "from train.test_loop import recipe\n"
        "from marigold.train.loop import train\n"
        "train(recipe(steps=40), pathlib.Path(sys.argv[2]))"
    )

    def start(folder: Path) -> subprocess.Popen:
        command = [sys.executable, "-c", script, str(TESTS), str(folder)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL)

    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start(killed)
    deadline = time.monotonic() + 60
    while not (killed / "state.safetensors").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert start(killed).wait() == 0
    assert start(whole).wait() == 0
    assert same(weights(whole), weights(killed))


def test_training_lowers_the_held_out_loss(tmp_path):
    learning = recipe(steps=60, optim=Optim(lr=3e-3, warmup=2, decay=1000), every=Every(log=5, save=0, validate=5))
    train(learning, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    losses = [line["loss_toys.scenes_0"] for line in lines if line["kind"] == "validate"]
    assert losses[-1] < 0.8 * losses[0]
    assert all(line["abs_rel_toys.scenes_0"] > 0 for line in lines if line["kind"] == "validate")


def test_an_autoencoder_learns_and_measures_its_latent_scale(tmp_path):
    learning = recipe(modality=Image(), objective=Autoencode(), optim=Optim(lr=3e-3, warmup=2, decay=1000), steps=30)
    folder = train(learning, tmp_path / "run")
    estimator = checkpoint.open(folder)
    image = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert estimator.backbone.autoencoder.config.scaling_factor != 0.18215
    assert estimator.encode_image(image).shape == (2, 4, 8, 8)


def test_a_damaged_state_is_an_error_that_says_what_to_delete(tmp_path):
    (tmp_path / "state.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(CheckpointError, match=r"state\.safetensors: damaged .* delete it"):
        Run(tmp_path, recipe())


def test_a_finished_run_is_left_as_it_is(tmp_path):
    train(recipe(), tmp_path / "run")
    log = (tmp_path / "run/log.jsonl").read_text()
    card = (tmp_path / "run/checkpoint/card.json").stat().st_mtime_ns
    train(recipe(), tmp_path / "run")
    assert (tmp_path / "run/log.jsonl").read_text() == log
    assert (tmp_path / "run/checkpoint/card.json").stat().st_mtime_ns == card


def test_the_recipe_hash_does_not_depend_on_where_files_lie():
    here, there = (
        recipe(),
        recipe(start="somewhere", data=(Source(Toy(), root=Path("/x"), capacity=16, block=4),)),
    )
    assert recipe(data=(replace(there.data[0], root=Path(), renewal=0.5),)).digest() == here.digest()
    assert there.digest() != here.digest()  # the renewal differs
    assert recipe(start="a").digest() == here.digest()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": 0}, r"recipe\.batch: 0 cannot be used"),
        ({"steps": -1}, r"recipe\.steps: -1 cannot be used"),
        ({"average": 1.0}, r"recipe\.average"),
        ({"data": ()}, r"recipe\.data"),
    ],
)
def test_values_that_cannot_be_used_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        recipe(**changes)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_learning_rate_must_be_a_positive_number(rate):
    with pytest.raises(ConfigError, match=r"recipe\.optim\.lr"):
        Optim(lr=rate)


@pytest.mark.parametrize("name", names())
def test_every_packaged_recipe_is_valid(name):
    loaded = load(name)
    assert loaded.name == name


def test_an_unknown_recipe_is_an_error_with_the_nearest_name():
    with pytest.raises(UnknownNameError, match="did you mean `tiny-depth`"):
        load("tiny-dept")


def test_a_recipe_file_may_start_from_another_recipe(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: tiny-depth\nname: mine\noptim: {lr: 1.0e-5}\n")
    mine, theirs = load(str(path)), load("tiny-depth")
    assert mine.optim.lr == 1e-5
    assert mine.optim.clip == theirs.optim.clip
    assert mine.data == theirs.data


def test_another_objective_does_not_take_over_the_settings_of_the_bases(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: tiny-depth\nname: mine\nobjective: end_to_end\n")
    assert load(str(path)).objective == EndToEnd()


def test_the_same_objective_keeps_the_settings_of_the_base(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("base: tiny-depth\nname: mine\nobjective: {strength: 0.5}\n")
    mine = load(str(path)).objective
    assert (mine.strength, mine.pure) == (0.5, load("tiny-depth").objective.pure)


def test_the_modalitys_own_settings_reach_the_checkpoint(tmp_path):
    folder = train(recipe(modality=Depth(low=0.05, high=0.9)), tmp_path / "run")
    assert (checkpoint.open(folder).modality.low, checkpoint.open(folder).modality.high) == (0.05, 0.9)
