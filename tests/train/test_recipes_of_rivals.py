"""The recipes of those who came after: what they say, that they run in miniature, and how their results are called."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from marigold import checkpoint, cli
from marigold.checkpoints.convention import Convention
from marigold.core.find import name_of
from marigold.core.sample import Sample
from marigold.data.augment import Augment
from marigold.data.source import Source
from marigold.datasets.base import Dataset, DatasetCard
from marigold.modalities.depth import Depth
from marigold.objectives.losses.affine import Affine
from marigold.objectives.losses.angle import Angle
from marigold.objectives.lotus import Lotus
from marigold.objectives.one_step import OneStep, Term
from marigold.predict.predictor import load as load_predictor
from marigold.train.loop import train
from marigold.train.recipe import Every, load
from toys.scenes import NETWORK, Toy

TUNED = Convention("zeros", 999)
#                  objective,                        samples, steps, rate's end, convention
RUNS = {
    "depth-e2e": (OneStep((Term(Affine()),)), 32, 20_000, 0.01, TUNED),
    "normals-e2e": (OneStep((Term(Angle()),)), 32, 20_000, 0.01, TUNED),
    "depth-lotus-d": (Lotus("nothing"), 128, 4000, 1.0, Convention("nothing", 999, (1.0, 0.0), "sample")),
    "depth-lotus-g": (Lotus("noise"), 128, 10_000, 1.0, Convention("noise", 999, (1.0, 0.0), "sample")),
}


@dataclass(frozen=True)
class Facing(Dataset):
    """Photos of surfaces that all face the viewer."""

    card: DatasetCard = field(default=DatasetCard(("normals",), ("train",), "Apache-2.0", "closed form"), init=False)

    def scan(self, root: Path, split: str) -> list[str]:
        return [f"{split}/{number}" for number in range(8)]

    def read(self, root: Path, key: str) -> Sample:
        normals = torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1).expand(3, 16, 16)
        return Sample(key, torch.full((3, 16, 16), 0.5), {"normals": normals}, {"normals": normals[2:] > 0})


DATA = {"normals": Facing(), "depth": Toy()}


@pytest.mark.parametrize("name", RUNS)
def test_they_say_what_was_published(name):
    recipe, (objective, samples, steps, final, _) = load(name), RUNS[name]
    assert recipe.objective == objective
    assert (recipe.batch * recipe.accumulate, recipe.steps) == (samples, steps)
    assert (recipe.optim.name, recipe.optim.lr, recipe.optim.final, recipe.optim.clip) == ("adamw", 3e-5, final, 1.0)
    assert recipe.schedule["rescale_betas_zero_snr"] is False
    assert recipe.defaults == {"steps": 1, "resolution": 768} and recipe.licence == "RAIL++-M"
    assert all(source.augment == Augment(mirror=0.5) for source in recipe.data)


def test_lotus_predicts_disparity_between_each_scene_s_own_ends():
    for name in ("depth-lotus-d", "depth-lotus-g"):
        assert load(name).modality == Depth(target_space="disparity", fixed_ratio=False)
        assert load(name).data[0].resize == (576, 768)


@pytest.mark.parametrize("name", RUNS)
def test_they_run_in_miniature_and_state_how_their_networks_are_called(name, tmp_path):
    recipe = load(name)
    source = Source(DATA[name_of(recipe.modality)])
    few = {"steps": 2, "batch": 2, "accumulate": 1, "scored": 0, "validation_batches": 0}
    small = replace(recipe, start="", network=NETWORK, data=(source,), validation=(), every=Every(save=0), **few)
    folder = train(small, tmp_path / "run")
    assert checkpoint.open(folder).card.convention == RUNS[name][-1]
    photo = np.full((16, 16, 3), 99, dtype=np.uint8)
    found = load_predictor(folder).predict(photo, resolution=16)
    assert np.isfinite(found.maps[name_of(recipe.modality)]).all()


def test_weights_of_losses_are_options_of_the_command_line():
    words = ["depth-e2e", "--objective.losses.0.weight", "0.5", "--objective.losses.0.low", "0.1"]
    recipe = cli.verb("train").parse(words).recipe
    assert recipe.objective == OneStep((Term(Affine(low=0.1), 0.5),))
