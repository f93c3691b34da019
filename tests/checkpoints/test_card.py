"""A checkpoint's card survives the disk, and says what is wrong with itself."""

import json
import shutil
from dataclasses import asdict

import pytest

from marigold.checkpoints import catalogue, store
from marigold.checkpoints.card import Card, wrong_default
from marigold.checkpoints.convention import Convention
from marigold.core.errors import CheckpointError, OutputError, UnknownNameError
from toys.mutations import as_text, damaged_bytes, damaged_values, survives


def test_a_card_survives_the_disk(tmp_path):
    card = Card("toy", "depth", scores={"synthetic": {"abs_rel": 0.07}}, defaults={"steps": 4}, shares={"vae": "other"})
    card.write(tmp_path)
    assert Card.read(tmp_path) == card


def test_unknown_keys_are_ignored_and_missing_ones_have_defaults(tmp_path):
    (tmp_path / "card.json").write_text(
        '{"name": "toy", "modality": "depth", "colour": "red", "seconds_of_training": 5}'
    )
    assert Card.read(tmp_path) == Card("toy", "depth", seconds_of_training=5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"name": "toy"}', "at least `name` and `modality`"),
        (json.dumps({"name": "toy", "modality": "depth", "defaults": None}), "`defaults` is not a dict"),
        (json.dumps({"name": "toy", "modality": 5}), "`modality` is not a str"),
        (
            json.dumps({"name": "toy", "modality": "depth", "defaults": {"steps": "4"}}),
            "default steps '4' is not a whole",
        ),
        (
            json.dumps({"name": "toy", "modality": "depth", "defaults": {"steps": 0}}),
            "default steps 0 .* from 1 to 10000",
        ),
        (
            json.dumps({"name": "toy", "modality": "depth", "defaults": {"tta": "many"}}),
            "default tta 'many' is not none or flip-scale",
        ),
        (
            json.dumps({"name": "toy", "modality": "depth", "defaults": {"sizing": "shortest"}}),
            "default sizing 'shortest' is not longest or area",
        ),
        (
            json.dumps({"name": "toy", "modality": "depth", "defaults": {"ensemble": True}}),
            "default ensemble True is not a whole",
        ),
        (
            json.dumps({"name": "toy", "modality": "depth", "defaults": {"reduction": 3}}),
            "default reduction 3 is not the name of a reduction",
        ),
    ],
)
def test_a_card_that_cannot_be_used_is_named(tmp_path, text, words):
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(CheckpointError, match=rf"card\.json: .*{words}"):
        Card.read(tmp_path)


def test_a_card_may_recommend_every_setting_and_those_of_later_versions(tmp_path):
    usual = {"steps": 4, "resolution": 0, "ensemble": 2, "tta": "flip-scale", "sizing": "area", "reduction": "mean"}
    Card("toy", "depth", defaults={**usual, "tiles": "many"}).write(tmp_path)
    assert usual.items() <= Card.read(tmp_path).defaults.items()
    assert wrong_default(usual) == ""


def test_a_recipe_that_recommends_an_unknown_setting_is_answered_with_the_nearest():
    assert wrong_default({"step": 4}) == "no default named `step`; did you mean `steps`?"


def test_a_missing_card_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"card\.json: no such file"):
        Card.read(tmp_path)


def test_a_convention_is_written_and_read(tmp_path):
    convention = Convention(start="zeros", timestep=999, switch=(1.0, 0.0), output="sample")
    Card("toy", "depth", convention=convention).write(tmp_path)
    assert Card.read(tmp_path).convention == convention


def test_a_card_without_a_convention_denoises_step_by_step(tmp_path):
    (tmp_path / "card.json").write_text('{"name": "toy", "modality": "depth"}')
    found = Card.read(tmp_path).convention
    assert (found.start, found.timestep, found.single_step, found.deterministic) == ("noise", None, False, False)


@pytest.mark.parametrize("content", ['{"start": "ones"}', '{"timestep": "last"}', "[]"])
def test_a_convention_that_cannot_be_used_is_named(tmp_path, content):
    (tmp_path / "card.json").write_text('{"name": "toy", "modality": "depth", "convention": ' + content + "}")
    with pytest.raises(CheckpointError, match=r"card\.json: convention"):
        Card.read(tmp_path)


PATHS = ["../x", "/tmp/x", "a/b", "a\\b", ".", "..", "", " ", ".hidden", "x\0", "a\nb", "\x1b[2J", "\ud800", "x" * 201]
"""Names that no file can have, or that lead elsewhere."""


@pytest.mark.parametrize("name", PATHS)
def test_a_name_that_cannot_name_a_file_is_refused_with_the_card(tmp_path, name):
    (tmp_path / "card.json").write_text(json.dumps({"name": name, "modality": "depth"}))
    with pytest.raises(CheckpointError, match=r"card\.json: the name `.*` cannot name a file; use letters"):
        Card.read(tmp_path)


@pytest.mark.parametrize("name", PATHS)
def test_a_card_that_could_not_be_read_is_not_written(tmp_path, name):
    with pytest.raises(OutputError, match=r"the checkpoint's name `.*` cannot name a file"):
        Card(name, "depth").write(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["marigold-depth-v1-1", "my depth", "tiefe_2", "über", "深度", "caf\udce9", "x" * 200])
def test_other_names_survive_the_disk(tmp_path, name):
    Card(name, "depth").write(tmp_path)
    assert Card.read(tmp_path).name == name


def test_any_text_survives_the_disk(tmp_path):
    words = "MIT\n\x1b]0;x\x07\u2028\u202e\ud800 \udce9 " * 100
    texts = dict.fromkeys(("licence", "note", "source", "data", "revision", "recipe"), words)
    card = Card("toy", "depth", **texts, options={words: words})
    card.write(tmp_path)
    assert Card.read(tmp_path) == card


@pytest.mark.parametrize("seconds", ["-1", "NaN", "Infinity", "1e13", "true", "1" + "0" * 400, "[1]", '"1"'])
def test_a_time_of_training_that_cannot_be_added_to_is_refused(tmp_path, seconds):
    (tmp_path / "card.json").write_text('{"name": "toy", "modality": "depth", "seconds_of_training": ' + seconds + "}")
    with pytest.raises(CheckpointError, match=r"card\.json: `seconds_of_training` is n"):
        Card.read(tmp_path)


@pytest.mark.parametrize("switch", ["[NaN]", "[1, Infinity]", "[1, -Infinity]"])
def test_a_switch_of_no_numbers_is_refused(tmp_path, switch):
    (tmp_path / "card.json").write_text('{"name": "t", "modality": "depth", "convention": {"switch": ' + switch + "}}")
    with pytest.raises(CheckpointError, match=r"card\.json: convention"):
        Card.read(tmp_path)


@pytest.mark.parametrize("file", ["card.json", "model_index.json", "model_index.json without a card"])
def test_damaged_labels_are_read_or_refused_by_file(tmp_path, file):
    folder = tmp_path / "toy"
    for source in (catalogue.BUNDLED / "lighting").rglob("*.json"):
        target = folder / source.relative_to(catalogue.BUNDLED / "lighting")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    Card.read(folder).write(folder)  # with every key
    label = folder / file.partition(" ")[0]
    valid = asdict(Card.read(folder)) if file == "card.json" else json.loads(label.read_bytes())
    if file.endswith("without a card"):
        (folder / "card.json").unlink()
    refused = 0
    damaged = [*damaged_bytes(json.dumps(valid).encode(), 40), *map(as_text, damaged_values(valid, 80))]
    for number, content in enumerate(damaged):
        label.write_bytes(content)
        what = f"{file}, seed 0, number {number}"
        refused += not survives(lambda: store.describe(folder), (CheckpointError, UnknownNameError), what)
    assert 20 < refused < len(damaged)
