"""A checkpoint's card survives the disk, and says what is wrong with itself."""

import json

import pytest

from marigold.checkpoints.card import Card, wrong_default
from marigold.checkpoints.convention import Convention
from marigold.core.errors import CheckpointError


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
