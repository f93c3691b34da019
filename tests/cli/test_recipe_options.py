"""The options of `marigold train` that a recipe has: each is checked as the key of the recipe that it is."""

import re

import pytest
import yaml

from marigold import cli
from marigold.train.recipe import load

LEAST = {"name": "mine", "modality": "depth", "start": "generator", "data": [{"dataset": "photos"}]}


@pytest.fixture
def mine(tmp_path):
    """The path of a recipe with these keys too."""

    def write(**more) -> str:
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({**LEAST, **more}))
        return str(path)

    return write


@pytest.mark.parametrize(
    ("option", "value", "key"),
    [
        ("--steps", "0", "recipe.steps: "),
        ("--steps", "9" * 30, "recipe.steps: "),
        ("--batch", "1000000000", "recipe.batch"),
        ("--optim.lr", "nan", "recipe.optim.lr: "),
        ("--optim.lr", "1e400", "recipe.optim.lr: "),
        ("--data.0.weight", "-1", "recipe.data.0"),
        ("--data.0.root", "a\0b", "recipe.data.0.root"),
        ("--name", "../x", "recipe.name"),
        ("--start", "a\0b", "recipe.start"),
        ("--about", "\x1b[2J", "recipe.about"),
        ("--phases.1.steps", "0", "recipe.phases.1"),
        ("--phases.1.objective.latent", "-1", "recipe.phases.1.objective"),
        ("--objective.lowest", "2", "recipe.objective"),
        ("--layers", "1000000", "recipe.layers.0"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line_with_its_key(option, value, key, capsys):
    assert cli.main(["train", "tiny-depth", option, value]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"marigold: error: {key}") and line.isprintable()


@pytest.mark.parametrize(("option", "value"), [("--steps", "1e3"), ("--optim.lr", "fast")])
def test_what_is_no_number_names_the_option(option, value, capsys):
    assert cli.main(["train", "tiny-depth", option, value]) == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize(
    "network",
    [
        {"a_b": 1, "a-b": 2},
        {"unet": {"a.b": 1, "a": {"b": 2}}},
        {"--help": 1, "-x": None, "": [1, "x", None]},
        {"unet": {"blocks": [8, 16], "names": [["x"], [1]], "none": None, "empty": {}, "text": "--x"}},
    ],
)
def test_a_mapping_with_any_keys_comes_through_as_it_is(network, mine):
    path = mine(network=network)
    assert cli.verb("train").parse([path, "--steps", "1000"]).recipe == load(path)


@pytest.mark.parametrize("about", ["[/red] [bold]x", "100% %(prog)s %d", "{x} {0}", "a\n\tb", "--help", "caf\u00e9"])
def test_help_shows_any_text_of_a_recipe(about, mine, capsys):
    path = mine(about=about, name="[red]x")
    assert cli.main(["train", path, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "--optim.lr" in shown and not re.search(r"[\x00-\x08\x0b-\x1f]", shown)
