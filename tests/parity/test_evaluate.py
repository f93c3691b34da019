"""What is scored is what a user gets, to the bit; what training logs is what `marigold evaluate` prints."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints import catalogue, store
from marigold.checkpoints.card import Card
from marigold.cli import main
from marigold.core.sample import unstack
from marigold.data.source import Source
from marigold.estimator import Estimator
from marigold.evaluate.runner import evaluate, function
from marigold.modalities.depth import Depth
from marigold.predict.predictor import Predictor, load
from marigold.predict.settings import Request
from marigold.train.loop import train
from marigold.train.recipe import Every, Optim, Recipe
from toys.scenes import NETWORK, Toy

BUNDLED = [name for name in catalogue.bundled() if store.describe(name).modality.needs]


def stacked(prediction):
    """The maps of a prediction as the values [C, H, W] that are scored."""
    maps = [np.atleast_3d(map_).transpose(2, 0, 1) for map_ in prediction.maps.values()]
    return torch.from_numpy(np.concatenate(maps))


def assert_evaluation_sees_what_prediction_gives(predictor, size=(40, 56)):
    photos = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    evaluated = function(predictor, Request().settings(predictor.estimator.card.defaults))(photos)
    for photo, values in zip(photos, evaluated, strict=True):
        assert torch.equal(stacked(predictor.predict(photo)), values)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_checkpoint_without_options(name):
    assert_evaluation_sees_what_prediction_gives(load(name, device="cpu"))


def test_a_checkpoint_with_an_empty_card():
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(conditions=1, targets=1)
    estimator = Estimator(backbone, Depth(), Card(name="tiny", modality="depth")).eval()
    predictor = Predictor(estimator)
    settings = predictor.predict(torch.zeros(3, 8, 256)).report["settings"]
    assert (settings["steps"], settings["resolution"]) == (4, 768)
    assert_evaluation_sees_what_prediction_gives(predictor, (8, 256))


def test_scores_are_those_of_the_predicted_maps():
    dataset, predictor = Toy(), load("depth", device="cpu")
    keys = list(dataset.scan(Path(), "test"))[:2]
    samples = unstack(dataset.read_many(Path(), keys, "cpu"), keys)
    settings = Request().settings(predictor.estimator.card.defaults)
    scores = evaluate(function(predictor, settings), Depth(), dataset, Path(), keys, progress=False)
    for row, sample in zip(scores.rows, samples, strict=True):
        values = stacked(predictor.predict(sample.image))
        assert row["abs_rel"] == Depth().score(values, sample)["abs_rel"].mean


def test_the_score_that_training_logs_is_the_score_that_evaluate_prints(tmp_path):
    recipe = Recipe(
        name="toy",
        modality=Depth(),
        network=NETWORK,
        data=(Source(Toy(), capacity=8, renewal=0.5, block=4),),
        optim=Optim(lr=1e-3, warmup=1, decay=10),
        every=Every(log=1, save=2, validate=0),
        defaults={"steps": 2, "resolution": 24, "ensemble": 3, "sizing": "area", "tta": "flip-scale"},
        steps=2,
        batch=2,
        scored=3,
        validation_batches=1,
    )
    finished = train(recipe, tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    logged = [line for line in lines if line["kind"] == "validate"][-1]
    words = ["evaluate", finished, "toys.scenes", "--count", 3, "--device", "cpu", "--output", tmp_path / "scores.json"]
    assert main([str(word) for word in words]) == 0
    printed = json.loads((tmp_path / "scores.json").read_text())["scores"]["toy"]
    assert len(printed) == 10
    (source,) = [name.removeprefix("loss_") for name in logged if name.startswith("loss_")]
    assert {metric: logged[f"{metric}_{source}"] for metric in printed} == printed
