"""A run that distils a consistency model: it resumes to the bit, and what it leaves is diffusers' LCM."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch
from diffusers import LCMScheduler, MarigoldDepthPipeline

from marigold import checkpoint
from marigold.core.errors import ConfigError
from marigold.data.source import Source
from marigold.objectives.consistency import ConsistencyDistillation
from marigold.objectives.denoise import Denoise
from marigold.predict.predictor import load
from marigold.train.build import build
from marigold.train.loop import train
from marigold.train.lora import Lora
from marigold.train.recipe import Every, PhaseSettings, Recipe
from marigold.train.recipe import load as load_recipe
from marigold.train.rehearsal import rehearse
from toys.scenes import Toy
from train.test_loop import recipe, same, stopped_before, weights

SIDE = 16
PHOTO = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
LCM = {"_class_name": "LCMScheduler", "original_inference_steps": 50, "timestep_spacing": "leading"}
OBJECTIVE = ConsistencyDistillation(skip=100, average=0.9)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    """A checkpoint of depth with random weights."""
    folder = tmp_path_factory.mktemp("teacher") / "checkpoint"
    checkpoint.save(build(recipe(name="teacher")), folder)
    return folder


def distilling(teacher: Path, **changes) -> Recipe:
    usual = dict(name="toy-lcm", start=str(teacher), network={}, schedule=LCM, objective=OBJECTIVE, average=0.9)
    return recipe(**{**usual, "accumulate": 1, "validation_batches": 0, **changes})


@pytest.fixture(scope="module")
def finished(teacher, tmp_path_factory) -> Path:
    """The folder of a finished run with a validation on the way."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    every = Every(log=1, save=3, validate=3)
    train(distilling(teacher, every=every, scored=1, validation_batches=1), folder)
    return folder


@pytest.mark.parametrize("stopped", [3, 5])
def test_a_run_stopped_and_resumed_ends_with_the_same_weights_and_the_same_target(
    stopped, teacher, finished, tmp_path, monkeypatch
):
    made = distilling(teacher)
    train(made, tmp_path / "whole")
    stopped_before(stopped, monkeypatch, made, tmp_path / "parts")
    train(made, tmp_path / "parts")
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert same(whole, parts)
    names = [name.removeprefix("module.") for name in whole if name.startswith("module.")]
    kept = {
        name: torch.stack([(whole[f"kept.{name}.denoiser.{n}"] - whole[f"module.{n}"]).abs().max() for n in names])
        for name in ("teacher", "target")
    }
    # After some steps all three differ; the target is nearer to the student than the teacher is.
    assert 0 < float(kept["target"].max()) < float(kept["teacher"].max())


def test_the_teacher_of_a_run_is_its_start(teacher, finished):
    taught = checkpoint.open(teacher).backbone.denoiser.state_dict()
    state = weights(finished)
    assert all(torch.equal(state[f"kept.teacher.denoiser.{name}"], value) for name, value in taught.items())


def test_where_an_earlier_phase_has_trained_its_result_is_the_teacher(tmp_path, monkeypatch):
    phased = recipe(
        schedule=LCM,
        steps=4,
        phases=(PhaseSettings(2, objective=Denoise()),),
        objective=OBJECTIVE,
        accumulate=1,
        validation_batches=0,
        average=0.0,
    )
    train(phased, tmp_path / "whole")
    train(replace(phased, steps=2), tmp_path / "first")
    first, state = weights(tmp_path / "first"), weights(tmp_path / "whole")
    trained = {name.removeprefix("module."): x for name, x in first.items() if name.startswith("module.")}
    assert all(torch.equal(state[f"kept.teacher.denoiser.{name}"], value) for name, value in trained.items())
    stopped_before(3, monkeypatch, phased, tmp_path / "parts")
    train(phased, tmp_path / "parts")
    assert same(state, weights(tmp_path / "parts"))


def test_what_a_run_leaves_says_that_it_is_a_consistency_model(finished, teacher):
    folder = finished / "checkpoint"
    scheduler = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    before = json.loads((teacher / "scheduler/scheduler_config.json").read_text())
    assert scheduler == {**before, **LCM}
    index = json.loads((folder / "model_index.json").read_text())
    assert index["scheduler"] == ["diffusers", "LCMScheduler"]
    assert checkpoint.describe(folder).card.source.startswith("teacher ")
    names = [line["kind"] for line in map(json.loads, (finished / "log.jsonl").read_text().splitlines())]
    assert "validate" in names


@pytest.mark.parametrize("steps", [1, 4])
def test_diffusers_makes_the_same_map_of_what_a_run_leaves(steps, finished, monkeypatch):
    folder = finished / "checkpoint"
    predictor, pipeline = load(folder, precision="fp32"), MarigoldDepthPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline.scheduler, LCMScheduler)
    side = SIDE // predictor.estimator.backbone.stride
    noise = torch.randn(1, steps, 4, side, side, generator=torch.Generator().manual_seed(1))
    later = iter(noise[:, 1:].flatten(0, 1).unsqueeze(1))
    monkeypatch.setattr("diffusers.schedulers.scheduling_lcm.randn_tensor", lambda *_, **__: next(later))
    how = {"num_inference_steps": steps, "processing_resolution": SIDE, "latents": noise[:, 0]}
    theirs = pipeline(PIL.Image.fromarray(PHOTO), **how).prediction[0, ..., 0]
    ours = predictor.predict(PHOTO, noise=noise, steps=steps, resolution=SIDE, compat="diffusers").maps["depth"]
    assert np.ptp(theirs) > 0.01
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_low_rank_factors_learn_from_the_whole_teacher(teacher, tmp_path):
    pytest.importorskip("peft")
    folder = train(distilling(teacher, lora=Lora(rank=2, dropout=0.5), steps=3), tmp_path)
    state = weights(tmp_path)
    changed = [n for n in state if n.startswith("kept.target.") and not torch.equal(state[n], state[_taught(n)])]
    assert changed and all(".lora_" in name for name in changed)
    assert checkpoint.open(folder).backbone.schedule.consistency


def _taught(name: str) -> str:
    return name.replace("kept.target.", "kept.teacher.")


def test_a_run_without_the_scheduler_is_refused_before_it_begins(teacher, tmp_path):
    with pytest.raises(ConfigError, match=r"recipe\.schedule: .*add {_class_name: LCMScheduler"):
        train(distilling(teacher, schedule={}), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_rehearsal_counts_the_networks_that_are_kept(teacher, tmp_path):
    made = distilling(teacher)
    size = sum(p.nbytes for p in build(made).backbone.denoiser.parameters())
    words = rehearse(made, tmp_path / "run")
    assert f"networks that the objective keeps: {2 * size / 1e9:.3g} GB" in words


# ---- the recipes ----


@pytest.mark.parametrize("name", ["depth-lcm", "normals-lcm"])
def test_recipes_at_full_size_have_what_is_known_of_the_published_training(name):
    found = load_recipe(name)
    how = found.objective
    assert isinstance(how, ConsistencyDistillation)
    # Confirmed by LCM's own training and the published scheduler; then what a second-hand account alone says.
    assert (how.huber, found.schedule["timestep_scaling"], found.schedule["original_inference_steps"]) == (1e-3, 10, 50)
    assert (how.skip, how.average, found.optim.lr, found.steps) == (200, 0.95, 3e-6, 5000)
    assert found.batch * found.accumulate == 32 and found.defaults["steps"] == 1


@pytest.mark.parametrize("name", ["depth-lcm", "tiny-depth-lcm"])
def test_recipes_of_depth_train_on_a_toy(name, teacher, tmp_path):
    source = Source(Toy(), capacity=4, block=4)
    few = {"steps": 2, "batch": 2, "accumulate": 1, "validation_batches": 0, "every": Every(log=1, save=0, validate=0)}
    made = replace(load_recipe(name), start=str(teacher), data=(source,), validation=(), **few)
    folder = train(made, tmp_path / "run")
    assert checkpoint.open(folder).backbone.schedule.kind == "LCMScheduler"


def test_the_chain_of_the_small_family_runs(tmp_path):
    start = "generator"
    for name in ("tiny-depth-teacher", "tiny-depth-lcm"):
        made = load_recipe(name)
        dataset = replace(made.data[0].dataset, height=16, width=16)
        source = replace(made.data[0], dataset=dataset, capacity=2, block=2, renewal=0.0)
        few = {"steps": 1, "batch": 1, "validation_batches": 0, "every": Every(log=1, save=0, validate=0)}
        start = str(train(replace(made, start=start, data=(source,), **few), tmp_path / name))
    found = checkpoint.open(start)
    assert found.card.source.startswith("tiny-depth-teacher ") and found.backbone.schedule.kind == "LCMScheduler"
