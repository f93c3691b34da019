"""What is installed is this program: `marigold` on the package index is somebody else's."""

import ast
import re
import tomllib
from pathlib import Path

import pytest
import yaml

from marigold.core.distribution import DISTRIBUTION, VERSION, how_to_install
from marigold.core.errors import MissingExtraError
from marigold.train.board import _EXTRAS

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WRITTEN = {".md", ".py", ".toml", ".txt", ".yaml", ".yml", ".cff", ".cfg", ".json", ""}
FOLDERS = ("src", "docs", "tests", "bench", ".ci")
# Installing from an index by the import's name, whatever the installer and its options; and that name with an extra.
INSTALLER = r"(?:pip3?|uv|pipx|conda|poetry)\s(?:[\w ]*\s)?(?:install|add)\b"
BY_COMMAND = re.compile(INSTALLER + r"[^\n`;)]*[\s'\"]marigold(?![\w/-]|\.\w)")
BY_EXTRA = re.compile(r"(?<![\w.-])marigold\[[a-z]")


def texts():
    files = [*ROOT.glob("*"), *ROOT.glob(".github/**/*")]
    files += [file for folder in FOLDERS for file in (ROOT / folder).rglob("*")]
    return [file for file in files if file.is_file() and file.suffix in WRITTEN and file != Path(__file__)]


def recommended(text: str) -> list[str]:
    return [*BY_COMMAND.findall(text), *BY_EXTRA.findall(text)]


@pytest.mark.parametrize(
    "text",
    [
        "pip install marigold.",
        "pip install 'marigold[eval]'",
        "python -m pip install --upgrade marigold==0.1",
        "uv add marigold",
        "uv pip install marigold",
        "needs marigold[text]",
    ],
)
def test_a_recommendation_of_the_strangers_package_is_seen(text):
    assert recommended(text)


@pytest.mark.parametrize(
    "text",
    [
        "pip install -e '.[text]'",
        "pip install 'marigold-dense[text]'",
        "pip install torch; marigold predict depth",
    ],
)
def test_other_commands_are_none(text):
    assert not recommended(text)


def test_nothing_recommends_the_strangers_package():
    found = [file for file in texts() if recommended(file.read_text(encoding="utf-8"))]
    assert len(texts()) > 100
    assert found == []


def test_the_name_and_the_version_are_those_of_the_distribution():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (PROJECT["name"], PROJECT["version"]) == (DISTRIBUTION, VERSION)
    assert (citation["title"], str(citation["version"])) == (DISTRIBUTION, VERSION)


def test_an_extra_is_installed_from_the_source_tree_first():
    source, published = (how_to_install("eval").index(name) for name in ("'.[eval]'", f"'{DISTRIBUTION}[eval]'"))
    assert source < published
    assert how_to_install("eval") in str(MissingExtraError("scipy", "eval", "merging"))


def test_every_extra_that_an_error_names_exists():
    calls = [
        node
        for file in (ROOT / "src").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "MissingExtraError"
    ]
    extras = {*_EXTRAS.values(), *(call.args[1].value for call in calls if isinstance(call.args[1], ast.Constant))}
    assert extras and extras <= PROJECT["optional-dependencies"].keys()
