"""The estimator that a recipe starts from."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from typing import Any

import torch

from marigold.backbones.base import Backbone
from marigold.checkpoints import bases, store
from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import Convention
from marigold.core import seeds
from marigold.core.config import NAME
from marigold.core.console import printable
from marigold.core.errors import ConfigError, MarigoldError
from marigold.core.find import implementation, name_of, packages
from marigold.estimator import Estimator
from marigold.modalities.base import Modality
from marigold.train.changes import differing, in_words
from marigold.train.lora import attach
from marigold.train.phase import phases
from marigold.train.recipe import Recipe


def build(
    recipe: Recipe, trust: str | Iterable[str] = (), note: Callable[[str], object] = lambda text: None
) -> Estimator:
    """A small generator of its own, or the starting checkpoint widened to the modality (Ke et al. 2025, sec. III).

    That checkpoint may ask for code of the packages that `trust` names, and of the recipe's own modality. With `lora`
    the denoiser holds adapters, and of its parameters those require a gradient that are to be trained. `note` is called
    where the starting checkpoint has learned other target images than the recipe's.
    """
    with _seeded(seeds.number(recipe.seed, "weights")):
        named = [name_of(recipe.modality)] if "." in name_of(recipe.modality) else []
        started = store.open(recipe.start, trust=(*packages(trust), *named)) if recipe.start else None
        if started and (text := relearned(recipe, started.modality)):
            note(text)
        backbone = started.backbone if started else _from_scratch(recipe)
        base = _base(recipe, started)
        if recipe.layers:
            backbone.deepen(recipe.layers)
        if recipe.fresh_denoiser:
            backbone.renew_denoiser()
        phases(recipe)[0].objective.extend(backbone)
    if recipe.schedule:
        backbone.schedule = backbone.schedule.changed(recipe.schedule)
    widened = _adapt(backbone, recipe)
    if recipe.lora:
        with _seeded(seeds.number(recipe.seed, "adapters")):
            attach(backbone.denoiser, recipe.lora, widened)
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
        base=base,
        convention=_convention(recipe, backbone, before),
    )
    return Estimator(backbone, recipe.modality, card)


def _convention(recipe: Recipe, backbone: Backbone, before: Card | None) -> Convention:
    """How the network is called once all phases have taught it."""
    found = before.convention if before else Convention()
    for phase in phases(recipe):
        found = phase.objective.convention(backbone, found)
    return found


def relearned(recipe: Recipe, before: Modality) -> str:
    """What of its target images a starting checkpoint of this modality has to learn anew; empty if nothing."""
    now = recipe.modality
    if not before.needs or before == now:
        return ""
    start = f"`{printable(recipe.start)}`"
    if type(before) is not type(now):
        what = f"is {name_of(now)}, and {start} predicts {name_of(before)}"
    else:
        found = differing(_settings(before), _settings(now))
        what = f"differs from that of {start} in {printable(', '.join(map(in_words, found)))}"
    return f"recipe.modality: {what}; the network has to learn other target images, unless you state its own settings"


def _settings(modality: Modality) -> dict[str, Any]:
    return asdict(modality) if is_dataclass(modality) else {}


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


def _base(recipe: Recipe, started: Estimator | None) -> dict[str, str]:
    """What the card says of the checkpoint that an adapter is added to; empty where none is saved."""
    if started is None or recipe.lora is None or recipe.lora.saved != "adapter":
        return {}
    if (count := _conditions(recipe)) > 1:
        raise ConfigError(
            f"recipe.lora.saved: an adapter adds no conditions, and the network is to have {count}; use `merged`"
        )
    try:
        return asdict(bases.stated(recipe.start, started.card, started.backbone))
    except ConfigError as error:
        raise ConfigError(f"recipe.start: {error}") from None


def _adapt(backbone: Backbone, recipe: Recipe) -> set[str]:
    """Gives the network the modality's number of targets; returns the names of the layers that it widened for that.

    Raises `ConfigError` for a network that has another number.
    """
    before = {name: p.shape for name, p in backbone.denoiser.named_parameters()}
    modality, name = recipe.modality, name_of(recipe.modality)
    if modality.needs:
        try:
            backbone.adapt(_conditions(recipe), targets=len(modality.targets))
        except ConfigError as error:
            raise ConfigError(f"recipe.start: `{recipe.start}`, for {name}: {error}") from None
    elif backbone.conditions:
        raise ConfigError(f"recipe.start: `{recipe.start}` predicts from a photo, {name} does not; use a generator")
    after = backbone.denoiser.named_parameters()
    return {name.rpartition(".")[0] for name, p in after if p.shape != before[name]}


def _conditions(recipe: Recipe) -> int:
    """How many latents the network is shown beside its own noisy ones. Raises `ConfigError` where phases differ."""
    counts = {name_of(phase.objective): phase.objective.conditions(recipe.modality) for phase in phases(recipe)}
    if len({*counts.values()}) > 1:
        shown = " and ".join(f"`{name}` shows {count}" for name, count in counts.items())
        raise ConfigError(
            f"recipe.phases: the network has one number of conditions, and {shown}; make them runs of their own"
        )
    return next(iter(counts.values()))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Weights drawn inside the block depend on the seed alone; the global stream is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
