"""What every bundled checkpoint promises."""

import hashlib

import pytest
import torch
from safetensors import safe_open

from marigold import checkpoint
from marigold.checkpoints import catalogue
from marigold.checkpoints.card import Card
from marigold.core.config import encode, load_yaml
from marigold.train.build import build
from marigold.train.recipe import load

NAMES = checkpoint.bundled()
MOST_BYTES = 90_000_000
MODALITIES = ("depth", "normals", "appearance", "lighting")


def folder_of(name):
    return catalogue.BUNDLED / name


def size(*names):
    return sum(file.stat().st_size for name in names for file in folder_of(name).rglob("*") if file.is_file())


@pytest.mark.parametrize("name", MODALITIES)
def test_every_modality_is_bundled(name):
    assert name in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_opens_and_its_weights_are_finite(name):
    estimator = checkpoint.open(name)
    assert estimator.card.name == name
    assert sum(weights.numel() for weights in estimator.parameters()) > 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_its_card_says_how_it_came_to_be(name):
    card = Card.read(folder_of(name))
    assert card.licence and card.recipe and card.data
    assert card.seconds_of_training > 0


@pytest.mark.parametrize("name", NAMES)
def test_its_card_holds_no_path_of_the_machine_that_trained_it(name):
    card = Card.read(folder_of(name))
    assert not any("/" in text for text in (card.source, card.recipe, card.name))


@pytest.mark.parametrize("name", NAMES)
def test_its_revision_is_the_hash_of_its_weights(name):
    digest = hashlib.sha256()
    for file in sorted(folder_of(name).rglob("*.safetensors")):
        digest.update(file.relative_to(folder_of(name)).as_posix().encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    assert Card.read(folder_of(name)).revision == digest.hexdigest()[:12]


@pytest.mark.parametrize("name", NAMES)
def test_its_card_names_the_recipe_that_lies_beside_it(name):
    assert Card.read(folder_of(name)).recipe == load(str(folder_of(name) / "recipe.yaml")).label()


@pytest.mark.parametrize("file", sorted(catalogue.BUNDLED.glob("*/recipe*.yaml")), ids=lambda file: file.parent.name)
def test_every_recipe_beside_weights_is_resolved(file):
    assert encode(load(str(file))) == load_yaml(file)


@pytest.mark.parametrize("name", NAMES)
def test_its_networks_are_stored_in_half_precision(name):
    files = list(folder_of(name).rglob("diffusion_pytorch_model.safetensors"))
    assert files
    for file in files:
        with safe_open(file, framework="pt") as tensors:
            kinds = {tensors.get_tensor(key).dtype for key in tensors.keys()}  # noqa: SIM118
        assert {kind for kind in kinds if kind.is_floating_point} <= {torch.float16}, file


@pytest.mark.parametrize("name", MODALITIES)
def test_its_recipe_makes_a_network_with_the_layers_that_are_bundled(name):
    made = build(load(f"tiny-{name}")).backbone.unet.config
    bundled = checkpoint.open(name).backbone.unet.config
    assert made.layers_per_block == bundled.layers_per_block
    assert made.block_out_channels == bundled.block_out_channels


def test_all_of_them_fit_into_ninety_megabytes():
    assert size(*NAMES) <= MOST_BYTES


def test_depth_and_its_generator_fit_into_forty_megabytes():
    assert size("depth", "generator") <= 40_000_000
