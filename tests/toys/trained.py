"""A small estimator as a recipe builds it, and a batch of closed-form scenes, for tests of objectives."""

from dataclasses import replace

import torch

from marigold.core.sample import Batch
from marigold.data.source import Source
from marigold.estimator import Estimator
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth
from marigold.objectives.base import Objective
from marigold.train.build import build
from marigold.train.recipe import Every, Optim, Recipe
from toys.scenes import NETWORK, Toy

SAMPLE = {"prediction_type": "sample"}


def recipe(objective: Objective, output: str = "v_prediction", **changes) -> Recipe:
    """Two steps on two closed-form scenes, from a network of random weights."""
    network = {**NETWORK, "schedule": {**NETWORK["schedule"], "prediction_type": output}}
    made = Recipe(
        "toy",
        Depth(),
        (Source(Toy()),),
        network=network,
        objective=objective,
        optim=Optim(lr=1e-3, warmup=1, decay=10),
        every=Every(log=1, save=0, validate=0),
        steps=2,
        batch=2,
        average=0.0,
        scored=0,
        validation_batches=0,
    )
    return replace(made, **changes)


def estimator(objective: Objective, output: str = "v_prediction", **changes) -> Estimator:
    """What the recipe starts from, frozen."""
    return build(recipe(objective, output, **changes)).requires_grad_(False)


def batch(modality: Modality = Depth(), count: int = 2) -> Batch:  # noqa: B008 frozen
    """Scenes of 16 x 16 pixels."""
    sample = Toy().read_many(None, [f"train/{number}" for number in range(count)], "cpu")
    pixels, valid = modality.encode(sample)
    return Batch(sample.image * 2 - 1, pixels, valid, sample)


def loss(objective: Objective, model: Estimator, shown: Batch, seed: int = 5) -> torch.Tensor:
    """One value of the objective, with all that comes before it."""
    prepared, kept = objective.prepare(model, shown), objective.setup(model)
    return objective.loss(model, prepared, kept, torch.Generator().manual_seed(seed))
