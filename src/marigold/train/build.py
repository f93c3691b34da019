"""The estimator that a recipe starts from."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from marigold.backbones.base import Backbone
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints import store
from marigold.checkpoints.card import Card
from marigold.core import seeds
from marigold.core.errors import ConfigError
from marigold.diffusion.schedule import Schedule
from marigold.estimator import Estimator
from marigold.train.recipe import Recipe


def build(recipe: Recipe) -> Estimator:
    """A new small generator, or the starting checkpoint widened to the modality (Ke et al. 2025, sec. III)."""
    modality = recipe.make_modality()
    with _seeded(seeds.number(recipe.seed, "weights")):
        started = store.open(recipe.start) if recipe.start else None
        backbone = started.backbone if started else _new_backbone(recipe)
        if recipe.layers:
            backbone.deepen(recipe.layers)
        if recipe.fresh_denoiser:
            backbone.renew_denoiser()
    if recipe.schedule:
        backbone.schedule = Schedule.from_config({**backbone.schedule.config(), **recipe.schedule})
    if modality.needs:
        backbone.adapt(conditions=1, targets=len(modality.targets))
    return Estimator(backbone, modality, card(recipe, started.card if started else None))


def card(recipe: Recipe, start: Card | None) -> Card:
    """The label of what this recipe makes from a checkpoint with the card `start`."""
    return Card(
        name=recipe.name,
        modality=recipe.modality,
        licence=recipe.licence,
        recipe=f"{recipe.name}@{recipe.digest()}",
        data=recipe.about,
        seconds_of_training=start.seconds_of_training if start and start.modality == recipe.modality else 0.0,
        defaults=dict(recipe.defaults),
        source=f"{start.name} {start.revision}".strip() if start else "",
    )


def _new_backbone(recipe: Recipe) -> Backbone:
    try:
        return StableDiffusion.tiny(**recipe.network)
    except TypeError as error:
        raise ConfigError(f"recipe.network: {error}; give it unet, vae, schedule and prompt_dim") from None


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Weights drawn inside the block depend on the seed alone; the global stream is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
