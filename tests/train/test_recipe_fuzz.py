"""Damaged recipes: each ends in a recipe that can be used, or in one line that names the file."""

import itertools
from pathlib import Path

import pytest
import yaml

from marigold.core.config import decode, encode
from marigold.core.errors import ConfigError, DataError, UnknownNameError
from marigold.train import recipe as recipes
from marigold.train.checks import training_sources
from marigold.train.phase import phases, unreached
from marigold.train.recipe import Recipe
from toys.mutations import as_text, damaged_bytes, damaged_values, survives

EACH = 20
"""Damaged values, and as many damaged texts, of every recipe."""
TOY = {
    "name": "toy",
    "modality": {"name": "depth", "high": 1.0},
    "start": "generator",
    "layers": [1, 2],
    "data": [{"dataset": "toys.scenes", "capacity": 4, "block": 2, "augment": {"zoom": 1.5}}],
    "validation": [{"dataset": "toys.scenes", "split": "test"}],
    "optim": {"name": "muon", "lr": "1e-3", "warmup": 1, "decay": 9},
    "phases": [{"steps": 2, "size": 8}, {"steps": 3, "batch": 1, "objective": {"name": "end_to_end", "latent": 0.5}}],
    "steps": 6,
    "batch": 2,
    "defaults": {"steps": 1, "sizing": "area"},
    "every": {"log": 1},
}


def used(recipe: Recipe) -> None:
    """What is made of every recipe before and after training."""
    assert recipe.label().startswith(recipe.name)
    again = yaml.safe_load(yaml.safe_dump(encode(recipe), sort_keys=False))
    assert decode(Recipe, again, "recipe") == recipe


@pytest.mark.parametrize("name", recipes.names())
def test_a_damaged_recipe_is_used_or_refused_on_a_line_that_names_it(name, tmp_path):
    text = (Path(recipes.__file__).parents[1] / "recipes" / f"{name}.yaml").read_bytes()
    path, good = tmp_path / "damaged.yaml", 0
    values = map(as_text, damaged_values(yaml.safe_load(text), EACH, seed=len(name)))
    for number, content in enumerate(itertools.chain(values, damaged_bytes(text, EACH, seed=len(name)))):
        path.write_bytes(content)
        good += survives(lambda: used(opened(path)), (ConfigError, UnknownNameError), f"{name}, {number}")
    assert 0 < good < 2 * EACH


def opened(path: Path) -> Recipe:
    """The recipe in a file; an error names the file."""
    try:
        return recipes.load(str(path))
    except (ConfigError, UnknownNameError) as error:
        assert str(path) in str(error)
        raise


def test_what_is_looked_at_before_the_first_step_bears_every_recipe_that_is_one(tmp_path):
    path, good = tmp_path / "toy.yaml", 0

    def prepared() -> None:
        recipe = opened(path)
        parts = phases(recipe)
        assert [part.first for part in parts[1:]] == [part.end for part in parts[:-1]]
        assert parts[-1].end == recipe.steps
        unreached(recipe)
        training_sources(recipe)

    for number, value in enumerate(damaged_values(TOY, 60)):
        path.write_bytes(as_text(value))
        good += survives(prepared, (ConfigError, DataError, UnknownNameError), f"toy, {number}")
    assert good > 5
