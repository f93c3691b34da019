"""A run says where its start has learned other target images than it is to learn."""

from pathlib import Path

import pytest

from marigold import checkpoint
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.normals import Normals
from marigold.train.build import build, relearned
from train.test_loop import recipe


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A checkpoint of depth in logarithms."""
    folder = tmp_path_factory.mktemp("start") / "checkpoint"
    checkpoint.save(build(recipe(modality=Depth(target_space="log", high=1.0))), folder)
    return folder


def notes(start: Path, modality: Depth) -> list[str]:
    told: list[str] = []
    build(recipe(start=str(start), network={}, modality=modality), note=told.append)
    return told


def test_other_settings_than_the_starts_are_named_with_both_values(start):
    assert notes(start, Depth(high=1.0)) == [
        f"recipe.modality: differs from that of `{start}` in target_space ('log' there, 'depth' now); "
        "the network has to learn other target images, unless you state its own settings"
    ]


def test_the_same_settings_are_not_remarked_on(start):
    assert notes(start, Depth(target_space="log", high=1.0)) == []


def test_another_modality_is_named_and_a_generator_has_none():
    onward = recipe(start="somewhere", network={})
    assert relearned(onward, Normals()).startswith("recipe.modality: is depth, and `somewhere` predicts normals; ")
    assert relearned(onward, Image()) == ""
