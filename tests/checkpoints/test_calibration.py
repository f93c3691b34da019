"""What a card says of intervals is checked when it is read, whoever wrote it."""

import copy
import json
from dataclasses import asdict

import pytest

from marigold.checkpoints.calibration import Calibration, Spread
from marigold.checkpoints.card import Card
from marigold.core.errors import CheckpointError
from toys.mutations import as_text, damaged_values, survives

CALIBRATION = Calibration(
    1,
    4,
    288,
    "area",
    "flip-scale",
    60,
    "procedural val",
    (0.5, 0.9),
    {"depth": Spread(3.0, 0.01, (0.7, 2.0))},
)
CARD = Card("toy", "depth", calibration=(CALIBRATION,))


def written(folder, change):
    content = copy.deepcopy(asdict(CARD))
    change(content["calibration"][0])
    (folder / "card.json").write_bytes(as_text(content))
    return folder


def test_a_calibration_survives_the_disk(tmp_path):
    CARD.write(tmp_path)
    assert Card.read(tmp_path) == CARD


def test_a_card_without_one_is_not_calibrated(tmp_path):
    (tmp_path / "card.json").write_text('{"name": "toy", "modality": "depth"}')
    assert Card.read(tmp_path).calibration == ()


HOSTILE = {
    "no list of levels": lambda one: one.update(levels="0.5"),
    "levels that fall": lambda one: one.update(levels=[0.9, 0.5]),
    "a level of 1": lambda one: one.update(levels=[0.5, 1.0]),
    "a level of 0": lambda one: one.update(levels=[0.0, 0.5]),
    "NaN as a level": lambda one: one.update(levels=[0.5, float("nan")]),
    "more levels than quantiles": lambda one: one.update(levels=[0.1, 0.5, 0.9]),
    "no level": lambda one: one.update(levels=[]),
    "thousands of levels": lambda one: one.update(levels=[number / 5000 for number in range(1, 5000)]),
    "quantiles that fall": lambda one: one["outputs"]["depth"].update(quantiles=[2.0, 0.7]),
    "a quantile below 0": lambda one: one["outputs"]["depth"].update(quantiles=[-1.0, 0.7]),
    "an infinite quantile": lambda one: one["outputs"]["depth"].update(quantiles=[0.7, float("inf")]),
    "a huge quantile": lambda one: one["outputs"]["depth"].update(quantiles=[0.7, 1e300]),
    "a scale below 0": lambda one: one["outputs"]["depth"].update(scale=-1.0),
    "NaN as a scale": lambda one: one["outputs"]["depth"].update(scale=float("nan")),
    "text as a floor": lambda one: one["outputs"]["depth"].update(floor="little"),
    "a floor without end": lambda one: one["outputs"]["depth"].update(floor=float("inf")),
    "true as a floor": lambda one: one["outputs"]["depth"].update(floor=True),
    "no outputs": lambda one: one.update(outputs={}),
    "hundreds of outputs": lambda one: one.update(outputs={str(n): one["outputs"]["depth"] for n in range(500)}),
    "an ensemble of two": lambda one: one.update(ensemble=2),
    "a huge ensemble": lambda one: one.update(ensemble=10**30),
    "half a step": lambda one: one.update(steps=0.5),
    "no images": lambda one: one.update(images=0),
    "an unknown augmentation": lambda one: one.update(tta="many"),
    "an unknown key": lambda one: one.update(colour="red"),
    "control characters": lambda one: one.update(data="\x1b[2J"),
    "a missing key": lambda one: one.pop("steps"),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_calibration_that_cannot_be_used_is_refused_with_the_card(tmp_path, change):
    with pytest.raises(CheckpointError, match=r"card\.json: calibration"):
        Card.read(written(tmp_path, change))


@pytest.mark.parametrize("value", [None, 3, "x", {}, {"levels": []}, [3], [[]]])
def test_what_is_no_list_of_calibrations_is_refused(tmp_path, value):
    (tmp_path / "card.json").write_text(json.dumps({"name": "toy", "modality": "depth", "calibration": value}))
    with pytest.raises(CheckpointError, match=r"card\.json: calibration"):
        Card.read(tmp_path)


def test_damaged_calibrations_are_read_or_refused(tmp_path):
    for number, value in enumerate(damaged_values(asdict(CARD)["calibration"], 300)):
        (tmp_path / "card.json").write_bytes(as_text({"name": "toy", "modality": "depth", "calibration": value}))
        survives(lambda: Card.read(tmp_path), (CheckpointError,), f"calibration {number}")
