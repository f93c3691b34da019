"""The estimator that a recipe starts from."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from marigold.backbones.base import Backbone
from marigold.checkpoints import store
from marigold.checkpoints.card import Card
from marigold.core import seeds
from marigold.core.config import NAME
from marigold.core.errors import ConfigError, MarigoldError
from marigold.core.find import implementation, name_of, packages
from marigold.diffusion.schedule import Schedule
from marigold.estimator import Estimator
from marigold.train.recipe import Recipe


def build(recipe: Recipe, trust: str | Iterable[str] = ()) -> Estimator:
    """A small generator of its own, or the starting checkpoint widened to the modality (Ke et al. 2025, sec. III).

    That checkpoint may ask for code of the packages that `trust` names, and of the recipe's own modality.
    """
    with _seeded(seeds.number(recipe.seed, "weights")):
        named = [name_of(recipe.modality)] if "." in name_of(recipe.modality) else []
        started = store.open(recipe.start, trust=(*packages(trust), *named)) if recipe.start else None
        backbone = started.backbone if started else _from_scratch(recipe)
        if recipe.layers:
            backbone.deepen(recipe.layers)
        if recipe.fresh_denoiser:
            backbone.renew_denoiser()
    if recipe.schedule:
        backbone.schedule = Schedule.from_config({**backbone.schedule.config(), **recipe.schedule})
    _adapt(backbone, recipe)
    name, before = name_of(recipe.modality), started.card if started else None
    card = Card(
        name=recipe.name,
        modality=name,
        licence=recipe.licence,
        recipe=recipe.label(),
        data=recipe.about,
        seconds_of_training=before.seconds_of_training if before and before.modality == name else 0.0,
        defaults=dict(recipe.defaults),
        source=f"{before.name} {before.revision}".strip() if before else "",
    )
    return Estimator(backbone, recipe.modality, card)


def _from_scratch(recipe: Recipe) -> Backbone:
    settings = {NAME: "stable_diffusion", **recipe.network}
    kind = implementation(Backbone, str(settings.pop(NAME)))
    try:
        return kind.tiny(**settings)
    except MarigoldError:
        raise
    except Exception as error:  # of values of any kind that networks are made of
        reason = error if isinstance(error, TypeError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"recipe.network: {reason}; give `start`, or what {kind.__name__}.tiny asks for") from error


def _adapt(backbone: Backbone, recipe: Recipe) -> None:
    """Gives the network the modality's number of targets. Raises `ConfigError` for one that has another."""
    modality, name = recipe.modality, name_of(recipe.modality)
    if modality.needs:
        try:
            backbone.adapt(conditions=1, targets=len(modality.targets))
        except ConfigError as error:
            raise ConfigError(f"recipe.start: `{recipe.start}`, for {name}: {error}") from None
    elif backbone.conditions:
        raise ConfigError(f"recipe.start: `{recipe.start}` predicts from a photo, {name} does not; use a generator")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Weights drawn inside the block depend on the seed alone; the global stream is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
