"""The estimator that a recipe starts from."""

from dataclasses import replace

from marigold import checkpoint
from marigold.checkpoint import Card
from marigold.core import find
from marigold.estimator import Estimator
from marigold.modalities.base import Modality
from marigold.train.recipe import Recipe


def build(recipe: Recipe) -> Estimator:
    """A new small generator, or the starting checkpoint widened to the recipe's modality (Ke et al. 2025, sec. III-A)."""
    modality = find.implementation(Modality, recipe.modality)()
    backbone = checkpoint.open(recipe.start).backbone if recipe.start else _network(recipe)
    if recipe.autoencoder:
        backbone.autoencoder = checkpoint.open(recipe.autoencoder).backbone.autoencoder
    if recipe.schedule:
        backbone.schedule = type(backbone.schedule).from_config({**backbone.schedule.config(), **recipe.schedule})
    if recipe.fresh_denoiser:
        backbone.renew(recipe.seed)
    if modality.needs:
        backbone.adapt(conditions=1, targets=len(modality.targets))
    return Estimator(backbone, modality, card(recipe))


def card(recipe: Recipe) -> Card:
    """The label of what this recipe makes."""
    return replace(
        Card(name=recipe.name, modality=recipe.modality),
        licence=recipe.licence,
        recipe=f"{recipe.name} {recipe.digest()}",
        data=recipe.about,
        defaults=dict(recipe.defaults),
    )


def _network(recipe: Recipe):  # noqa: ANN202
    from marigold.backbones.stable_diffusion import StableDiffusion

    return StableDiffusion.tiny(**recipe.network, seed=recipe.seed)
