"""What would end a run after hours is found before its first step: data sets, splits and fields."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from marigold.core.config import require
from marigold.core.errors import DataError, MarigoldError
from marigold.core.find import implementation, name_of
from marigold.data import border
from marigold.data.source import Source, present
from marigold.modalities.base import Modality
from marigold.train.phase import phases
from marigold.train.recipe import Recipe

MOST_WORKERS = 256
MOST_MINUTES = 1_000_000
"""A time budget of about two years."""


def training_sources(recipe: Recipe) -> tuple[Source, ...]:
    """The sources that are there. Raises `DataError` where one cannot be what the recipe reads of it."""
    sources = present(recipe.data)
    for number, source in enumerate(recipe.data):
        if source in sources:
            _check(source, f"recipe.data.{number}", recipe.modality)
    return sources


def validation_sources(recipe: Recipe, batch: int) -> tuple[tuple[Source, ...], list[str]]:
    """The held-out sources, `batch` samples of each where the recipe names none, and notes on what goes without.

    A training source without a `test` split is not validated; one that the recipe names must be there.
    """
    if not recipe.validation_batches:
        return (), []
    for number, source in enumerate(recipe.validation):
        _check(source, f"recipe.validation.{number}", recipe.modality)
    if recipe.validation:
        return tuple(replace(source, renewal=0.0) for source in recipe.validation), []
    sources, notes = [], []
    for number, source in enumerate(present(recipe.data)):
        try:
            _keys(source.held_out(batch))
            sources.append(source.held_out(batch))
        except DataError as error:
            notes.append(f"recipe.data.{number}: trained without validation: {error}")
    return tuple(sources), notes


def unscored(recipe: Recipe, sources: Sequence[Source]) -> str:
    """Why no best checkpoint is kept of a run that is validated on these sources; empty if one is."""
    why = ""
    if recipe.modality.main is None or not recipe.modality.needs:
        why = f"{name_of(recipe.modality)} has no metric"
    elif not recipe.every.validate:
        why = "every.validate is 0"
    elif phases(recipe)[0].objective.conditions(recipe.modality) > 1:
        why = "it refines what another checkpoint predicts"
    elif not recipe.scored:
        why = "scored is 0"
    elif not [source for source in sources if not source.modality]:
        why = "no source is held out"
    return f"recipe: without a best checkpoint, since {why}; the last one is kept" if why else ""


def samples(recipe: Recipe) -> str:
    """A hash of the keys of all sources that lie in a folder, by which a folder that was moved is known again.

    Of keys that are made when they are asked for only the number counts. Raises `DataError`.
    """
    found = hashlib.sha256()
    for source in (*recipe.data, *recipe.validation):
        if source.root == Path() or (source.optional and not source.root.is_dir()):
            continue
        keys = _keys(source)
        found.update(json.dumps(keys if isinstance(keys, list | tuple) else len(keys)).encode())
    return found.hexdigest()


def _check(source: Source, where: str, modality: Modality) -> None:
    modality = implementation(Modality, source.modality)() if source.modality else modality
    try:
        _keys(source)
    except MarigoldError as error:
        raise type(error)(f"{where}: {error}") from None
    fields = border.card(source.dataset, source.root).fields
    if missing := [name for name in modality.needs if name not in fields]:
        raise DataError(
            f"{where}: {name_of(source.dataset)} has no {', '.join(missing)}, which {name_of(modality)} needs; it has: "
            f"{', '.join(fields) or 'photos alone'}; choose another data set or modality"
        )


def _keys(source: Source) -> Sequence[str]:
    """The keys of a source's split. Raises `DataError` when there are none."""
    return border.keys(source.dataset, source.root, source.split)


def check_numbers(workers: int, minutes: float) -> None:
    """Raises `ConfigError` for numbers that no run can have."""
    require(0 <= workers <= MOST_WORKERS, "workers", workers, f"0 to {MOST_WORKERS}")
    require(0 <= minutes <= MOST_MINUTES, "minutes", minutes, f"0 to {MOST_MINUTES}")
