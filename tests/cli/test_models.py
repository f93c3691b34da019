"""`marigold models` lists what is bundled, what opens from the cache and what is known, with licence and size."""

import json
import shutil

import pytest

from marigold import checkpoint, cli
from marigold.checkpoints import catalogue
from marigold.checkpoints.catalogue import models
from marigold.checkpoints.published import published
from toys.published import marigold


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The hub's local cache, empty, and no network."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def hold(cache, hub_id, name):
    """Puts a published checkpoint into the cache as a download leaves it."""
    folder = cache / f"models--{hub_id.replace('/', '--')}"
    marigold(folder / "snapshots" / "abc", name)
    shutil.rmtree(folder / "snapshots" / "text")
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    return folder


def listed(capsys, *arguments):
    """The table as rows of words."""
    assert cli.main(["models", *arguments]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


def test_bundled_checkpoints_come_first_with_licence_and_size(cache, capsys):
    names = [row[0] for row in listed(capsys)]
    assert names[1 : 1 + len(checkpoint.bundled())] == checkpoint.bundled()
    depth = next(row for row in listed(capsys) if row[0] == "depth")
    size = sum(file.stat().st_size for file in (catalogue.BUNDLED / "depth").rglob("*") if file.is_file())
    assert depth == ["depth", "depth", "Apache-2.0", f"{size / 1e6:.1f}", "MB", "bundled"]


def test_every_published_checkpoint_is_known_without_a_size(cache, capsys):
    rows = {row[0]: row for row in listed(capsys)}
    for name, one in published().items():
        assert rows[name][1:] == [one.modality, *one.licence.split(), "-", "hub"]


def test_a_licence_that_the_authors_do_not_state_is_no_dash(cache, capsys):
    rows = {row[0]: row for row in listed(capsys)}
    assert rows["GonzaloMG/marigold-e2e-ft-depth"][2:] == ["none", "stated", "-", "hub"]
    hold(cache, "somebody/iid", "marigold-iid-lighting-v1-1")
    rows = {row[0]: row for row in listed(capsys)}
    assert rows["somebody/iid"][2] == "-"


def test_the_ids_of_the_papers_checkpoints_are_all_there():
    names = {name.removeprefix("prs-eth/marigold-"): one.modality for name, one in published().items()}
    assert {
        "depth-v1-0": "depth",
        "depth-v1-1": "depth",
        "depth-lcm-v1-0": "depth",
        "normals-v0-1": "normals",
        "normals-v1-1": "normals",
        "normals-lcm-v0-1": "normals",
        "iid-appearance-v1-1": "appearance",
        "iid-lighting-v1-1": "lighting",
    }.items() <= names.items()


def test_cached_checkpoints_are_listed_with_the_place_that_they_take(cache, capsys):
    folder = hold(cache, "prs-eth/marigold-normals-v1-1", "marigold-normals-v1-1")
    hold(cache, "somebody/iid", "marigold-iid-lighting-v1-1")
    size = sum(file.stat().st_size for file in (folder / "snapshots").rglob("*") if file.is_file())
    found = {model.name: model for model in models()}
    known = found["prs-eth/marigold-normals-v1-1"]
    assert (known.place, known.bytes, known.licence) == ("cached", size, "RAIL++-M")
    assert (found["somebody/iid"].modality, found["somebody/iid"].licence) == ("lighting", "")
    assert [row[0] for row in listed(capsys)].count("prs-eth/marigold-normals-v1-1") == 1


def test_other_repositories_in_the_cache_are_left_out(cache):
    folder = cache / "models--somebody--words" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert "somebody/words" not in {model.name for model in models()}


def test_a_modality_is_picked_out(cache, capsys):
    assert {row[1] for row in listed(capsys, "normals")[1:]} == {"normals"}


def test_an_unknown_modality_is_answered_with_the_nearest(cache, capsys):
    assert cli.main(["models", "normal"]) == 1
    assert "did you mean `normals`" in capsys.readouterr().err


def test_json_holds_the_same(cache, capsys):
    assert cli.main(["models", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in found] == [model.name for model in models()]
    assert found[0]["bytes"] > 0
    assert found[-1]["bytes"] is None


HOSTILE = "MIT\nevil/fake  depth\x1b]0;x\x07\u202e\ud800" + "x" * 5000


def test_text_of_a_card_is_one_printable_cell(cache, capsys):
    folder = hold(cache, "somebody/depth", "marigold-depth-v1-1")
    card = {"name": "toy", "modality": "depth", "licence": HOSTILE, "note": HOSTILE, "source": HOSTILE}
    (folder / "snapshots" / "abc" / "card.json").write_text(json.dumps(card))
    assert cli.main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() and len(line) < 300 for line in lines)
    (line,) = [line for line in lines if line.startswith("somebody/depth")]
    assert "MIT\\nevil/fake  depth\\x1b]0;x\\x07\\u202e\\ud800xxx" in line
    assert cli.main(["models", "--json"]) == 0
    (found,) = [entry for entry in json.loads(capsys.readouterr().out) if entry["name"] == "somebody/depth"]
    assert found["licence"] == HOSTILE


@pytest.mark.parametrize(
    "card",
    [
        {"name": "../x", "modality": "depth"},
        {"name": "toy", "modality": "\x1b[2J"},
        {"name": "toy", "modality": "depth", "convention": {"timestep": "\ud800"}},
        {"name": "toy", "modality": "depth", "options": {"scale_invariant": "\n"}},
        {"name": "toy", "modality": "depth", "seconds_of_training": 10**400},
        ["\ud800"],
    ],
)
def test_a_card_that_cannot_be_used_costs_its_own_line_alone(cache, card):
    hold(cache, "somebody/good", "marigold-depth-v1-1")
    folder = hold(cache, "somebody/bad", "marigold-depth-v1-1")
    (folder / "snapshots" / "abc" / "card.json").write_text(json.dumps(card))
    names = {model.name for model in models()}
    assert "somebody/good" in names and "somebody/bad" not in names
