"""Runs that train a refiner: what they start from, that they resume to the bit, what they leave, what is refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from marigold import checkpoint
from marigold.checkpoints.card import Card
from marigold.core.config import decode, encode
from marigold.core.errors import ConfigError
from marigold.data.source import Source
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.objectives.denoise import Denoise
from marigold.objectives.end_to_end import EndToEnd
from marigold.objectives.refine import Refine
from marigold.train.build import build
from marigold.train.checks import unscored, validation_sources
from marigold.train.latents import encoder_of
from marigold.train.loop import Trainer, train
from marigold.train.lora import Lora
from marigold.train.phase import phases
from marigold.train.recipe import Every, Optim, PhaseSettings, Recipe, load
from marigold.train.rehearsal import rehearse
from marigold_scenes.procedural import Procedural
from toys.scenes import Toy
from train.test_loop import recipe, same, weights


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A checkpoint of depth with random weights, which works at 8 pixels."""
    folder = tmp_path_factory.mktemp("start") / "checkpoint"
    checkpoint.save(build(recipe(name="teacher", defaults={"steps": 1, "resolution": 8})), folder)
    return folder


def refining(teacher: Path, **changes) -> Recipe:
    objective = Refine(coarse=str(teacher), crop=(8, 8), eta=1.0)
    usual = dict(name="toy-refiner", start=str(teacher), network={}, objective=objective, accumulate=1, scored=0)
    return recipe(**{**usual, **changes})


@pytest.fixture(scope="module")
def finished(start, tmp_path_factory) -> Path:
    """The folder of a finished run with one validation on the way."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(refining(start, every=Every(log=1, save=2, validate=2, keep=2), steps=4, validation_batches=1), folder)
    return folder


def test_a_refiner_begins_as_the_checkpoint_that_it_starts_from(start):
    plain, made = checkpoint.open(start).backbone, build(refining(start)).backbone.eval()
    photo, coarse, x = torch.randn(3, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0)).unbind()
    t = torch.tensor([700])
    with torch.no_grad():
        found = made.network(x, t, torch.cat([photo, coarse], dim=1))
        torch.testing.assert_close(found, plain.network(x, t, photo))


def test_a_refiner_starts_from_a_generator_or_a_refiner_too(start, tmp_path):
    generator = build(recipe(name="generator", modality=Image()))
    checkpoint.save(generator, tmp_path / "generator")
    made = build(refining(start, start=str(tmp_path / "generator")))
    assert (made.backbone.conditions, made.backbone.targets) == (2, 1)
    torch.testing.assert_close(
        made.backbone.unet.conv_in.weight, generator.backbone.unet.conv_in.weight.repeat(1, 3, 1, 1) / 3
    )
    checkpoint.save(made, tmp_path / "refiner")
    again = build(refining(start, start=str(tmp_path / "refiner")))
    torch.testing.assert_close(again.backbone.unet.conv_in.weight, made.backbone.unet.conv_in.weight)


def test_the_result_is_a_checkpoint_with_a_second_condition(finished, start):
    made = checkpoint.open(finished / "checkpoint")
    assert (made.backbone.conditions, made.backbone.targets) == (2, 1)
    card = checkpoint.describe(start).card
    assert made.card.note == f"4 of 4 steps, behind the maps of teacher {card.revision}"
    assert made.card.source == f"teacher {card.revision}"
    # Pipelines that show a network the photo alone cannot run it.
    index = json.loads((finished / "checkpoint" / "model_index.json").read_text())
    assert index["_class_name"] == "DiffusionPipeline"
    assert checkpoint.open(finished / "steps" / "000002").backbone.conditions == 2


def test_the_weights_for_the_coarse_map_have_moved(finished):
    unet = load_file(finished / "checkpoint" / "unet" / "diffusion_pytorch_model.safetensors")
    assert unet["conv_in.weight"][:, 4:8].any()


def test_the_state_holds_nothing_of_the_coarse_model(finished):
    groups = {name.partition(".")[0] for name in weights(finished)}
    assert groups == {"module", "average", "optimizer"}
    refiner = load_file(finished / "checkpoint" / "unet" / "diffusion_pytorch_model.safetensors")
    assert {name.removeprefix("module.") for name in weights(finished) if name.startswith("module.")} == set(refiner)


def test_it_is_validated_by_its_loss_and_a_preview(finished):
    lines = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    validated = [line for line in lines if line["kind"] == "validate"]
    assert [line["step"] for line in validated] == [2, 4]
    assert all(any(name.startswith("loss_") for name in line) for line in validated)
    assert len(list((finished / "previews").iterdir())) == 2
    assert not (finished / "best").exists()


def test_a_refiner_is_not_scored_as_if_it_answered_alone(start, tmp_path):
    asked = refining(start, scored=2, validation_batches=1, steps=2, every=Every(log=1, save=2, validate=1))
    assert "since it refines what another checkpoint predicts" in unscored(asked, validation_sources(asked, 2)[0])
    train(asked, tmp_path / "run")
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert "validate" in log and "abs_rel" not in log


def test_a_run_stopped_and_resumed_gives_the_same_refiner(start, tmp_path, monkeypatch):
    train(refining(start), tmp_path / "whole")
    update = Trainer.update

    def killed(self):
        if self.step == 3:
            raise KeyboardInterrupt
        return update(self)

    monkeypatch.setattr(Trainer, "update", killed)
    with pytest.raises(KeyboardInterrupt):
        train(refining(start), tmp_path / "parts")
    monkeypatch.setattr(Trainer, "update", update)
    train(refining(start), tmp_path / "parts")
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))


def test_encoded_samples_are_cut_anew_each_time_that_they_are_used(start, tmp_path):
    again = refining(start, reuse=2, cache=4, steps=4)
    assert checkpoint.open(train(again, tmp_path / "run")).backbone.conditions == 2


def test_encoded_samples_that_are_kept_are_those_of_one_coarse_model(start, tmp_path):
    asked = refining(start)
    made = build(asked)
    named = encoder_of(asked, phases(asked)[0], made)
    assert encoder_of(asked, phases(asked)[0], made) == named
    shutil.copytree(start, tmp_path / "other")
    replace(Card.read(start), revision="another").write(tmp_path / "other")
    elsewhere = replace(asked, objective=replace(asked.objective, coarse=str(tmp_path / "other")))
    found = encoder_of(elsewhere, phases(elsewhere)[0], made)
    assert json.loads(found)["model"] == "another" != json.loads(named)["model"]


def test_a_rehearsal_makes_a_few_steps(start, tmp_path):
    assert "toy-refiner" in rehearse(refining(start), tmp_path / "run")


# ---- what is refused ----


def test_a_coarse_model_that_is_not_there_ends_the_run_before_it_begins(start, tmp_path):
    missing = refining(start, objective=Refine(coarse=str(tmp_path / "nowhere")))
    with pytest.raises(Exception, match="nowhere: no such folder"):
        train(missing, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_adapter_holds_no_second_condition(start):
    with pytest.raises(ConfigError, match=r"recipe\.lora\.saved: an adapter adds .* have 2; use `merged`"):
        build(refining(start, lora=Lora(rank=1, saved="adapter")))


def test_factors_merged_into_a_refiner_train_the_second_condition(start, tmp_path):
    folder = train(refining(start, lora=Lora(rank=1), steps=3), tmp_path / "run")
    assert checkpoint.open(folder).backbone.unet.conv_in.weight[:, 4:8].any()


@pytest.mark.parametrize("other", [Denoise(), EndToEnd()])
def test_a_network_has_one_number_of_conditions_in_all_phases(other, start):
    with pytest.raises(ConfigError, match=r"recipe\.phases: .* `refine` shows 2"):
        build(refining(start, phases=(PhaseSettings(2, objective=other),)))


# ---- the recipes that ship ----


def test_the_full_recipe_has_the_published_values():
    found = load("depth-hr")
    assert found.start == "prs-eth/marigold-depth-v1-1" and found.objective.coarse == found.start
    assert (found.steps, found.batch * found.accumulate, found.optim.lr) == (12_000, 32, 3e-5)
    objective = found.objective
    assert (objective.crop, objective.eta, objective.patch, objective.steps) == ((384, 512), 0.1, 8, 1)
    assert found.modality == Depth() and found.objective.conditions(found.modality) == 2
    assert [(one.resize, one.augment.size) for one in found.data] == [((), 0), ((), 0)]


def test_the_full_recipe_runs_in_miniature(start, tmp_path):
    found = load("depth-hr")
    source = Source(Toy(), capacity=8, renewal=0.5, block=4)
    small = replace(
        found,
        start=str(start),
        objective=replace(found.objective, coarse=str(start), crop=(8, 12)),
        data=(source,),
        validation=(),
        accumulate=1,
        steps=2,
        every=Every(log=1, save=2, validate=0),
        validation_batches=0,
    )
    made = checkpoint.open(train(small, tmp_path / "run"))
    assert made.card.defaults == {"steps": 10, "resolution": 768}


@pytest.mark.parametrize("name", ["depth-hr", "tiny-depth-hr"])
def test_a_run_s_recipe_is_read_again(name):
    found = load(name)
    assert decode(Recipe, encode(found), "recipe") == found


def test_the_recipe_of_the_small_family_runs_in_miniature(tmp_path):
    found = load("tiny-depth-hr")
    scenes = found.data[0].dataset
    assert isinstance(scenes, Procedural) and (scenes.height, scenes.width) == (576, 576)
    small = replace(
        found,
        objective=replace(found.objective, crop=(32, 32)),
        data=(replace(found.data[0], dataset=replace(scenes, height=64, width=48), capacity=1, renewal=0, block=1),),
        optim=Optim(name="muon", lr=1e-3, warmup=1, decay=2),
        steps=2,
        batch=1,
        reuse=1,
        plan=replace(found.plan, precision="fp32"),
        every=Every(log=1, save=2, validate=0),
        validation_batches=0,
    )
    made = checkpoint.open(train(small, tmp_path / "run"))
    bundled = checkpoint.open("depth")
    assert (made.backbone.conditions, made.modality) == (2, bundled.modality)
    assert made.backbone.unet.conv_in.in_channels == 3 * bundled.backbone.latent_channels
