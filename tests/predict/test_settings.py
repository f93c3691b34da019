"""Requests: what they pass on, and what is left open."""

import inspect
from dataclasses import fields

import numpy as np
import pytest
import torch

from marigold import checkpoint
from marigold.core.errors import ConfigError
from marigold.predict.predictor import Predictor, load
from marigold.predict.settings import Request, Settings

OF_REFINING = {"hr", "upscale", "tile", "refiner_steps", "refiner_ensemble"}


def names_of_settings():
    return {field.name for field in fields(Settings)} - {"refinement"} | OF_REFINING


def test_every_setting_is_an_argument_of_predict_and_a_field_of_a_request():
    arguments = inspect.signature(Predictor.predict).parameters
    names = names_of_settings()
    assert names <= set(arguments) and names <= {field.name for field in fields(Request)}


def test_defaults_of_predict_are_those_of_a_request():
    arguments = inspect.signature(Predictor.predict).parameters
    names = names_of_settings()
    assert {name: arguments[name].default for name in names} == {name: getattr(Request(), name) for name in names}


def test_what_is_open_comes_from_the_card_and_then_from_the_usual():
    settings = Request(ensemble=3).settings({"steps": 2, "ensemble": 5})
    assert (settings.steps, settings.ensemble, settings.resolution) == (2, 3, 768)


@pytest.mark.parametrize(
    ("request_", "ensemble", "tta"),
    [
        (Request(), 4, "flip-scale"),
        (Request(ensemble=2), 2, "flip-scale"),
        (Request(tta="none"), 4, "none"),
        (Request(ensemble=1), 1, "none"),
        (Request(compat="diffusers"), 1, "none"),
        (Request(compat="published", ensemble=3), 3, "none"),
    ],
)
def test_augmentation_that_a_card_recommends_is_for_ensembles_of_our_own(request_, ensemble, tta):
    settings = request_.settings({"ensemble": 4, "tta": "flip-scale"})
    assert (settings.ensemble, settings.tta) == (ensemble, tta)


def test_there_is_no_augmentation_where_neither_request_nor_card_says():
    assert Request(ensemble=4).settings({}).tta == "none"
    assert Request(ensemble=4, tta="flip-scale").settings({}).tta == "flip-scale"


def test_augmentation_is_not_for_comparing_with_other_implementations():
    with pytest.raises(ConfigError, match="tta: flip-scale is not what compat: diffusers does; leave one of them out"):
        Request(tta="flip-scale", compat="diffusers")


@pytest.mark.parametrize(
    ("spacing", "compat", "found"),
    [
        ("auto", "none", "auto"),
        ("auto", "diffusers", "published"),
        ("auto", "published", "published"),
        ("trailing", "diffusers", "trailing"),
    ],
)
def test_other_implementations_keep_a_checkpoint_s_times_unless_told_otherwise(spacing, compat, found):
    assert Request(spacing=spacing, compat=compat).settings({}).spacing == found


def test_the_card_s_sizing_is_followed_but_not_where_others_are():
    defaults = {"resolution": 288, "sizing": "area"}
    assert Request().settings(defaults).sizing == "area"
    assert Request(sizing="longest").settings(defaults).sizing == "longest"
    assert Request(compat="diffusers").settings(defaults).sizing == "longest"
    assert Request().settings({}).sizing == "longest"
    with pytest.raises(ConfigError, match="sizing: area is not what compat: published does"):
        Request(sizing="area", compat="published")


@pytest.mark.parametrize(
    "name", ["sizing", "tta", "reduction", "resample_input", "resample_output", "spacing", "compat"]
)
def test_a_choice_that_there_is_not_is_named_with_the_choices(name):
    with pytest.raises(ConfigError, match=rf"{name}: no choice named `zzzz`; there are: "):
        Request(**{name: "zzzz"})


@pytest.mark.parametrize("name", ["sizing", "tta", "reduction", "spacing", "resample_input", "compat"])
@pytest.mark.parametrize("value", [np.array(["area", "none"]), [], {}, 3, b"none", "\x1b", "a" * 9999])
def test_a_choice_of_another_kind_is_told_on_a_short_line(name, value):
    with pytest.raises(ConfigError, match=rf"^{name}: no choice named") as caught:
        Request(**{name: value})
    assert len(str(caught.value)) < 300 and "\x1b" not in str(caught.value)


@pytest.mark.parametrize("value", [None, 3.5, [], {}, "", "\0", "xpu", "cpu:1:2", "a" * 9999])
def test_what_is_no_device_is_told_before_anything_is_read(value):
    with pytest.raises(ConfigError, match=r"^device: ") as caught:
        checkpoint.open("no-such-checkpoint", device=value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", ["float32", 0, None, [], torch.int8, torch.bool, torch.complex64, torch.float8_e5m2])
def test_what_is_no_number_type_of_weights_is_told_before_anything_is_read(value):
    with pytest.raises(ConfigError, match=r"^dtype: .* is no number type of weights; use torch.float32"):
        checkpoint.open("no-such-checkpoint", dtype=value)


@pytest.mark.parametrize("value", [None, [], {}, 0, torch.float32])
def test_what_is_no_precision_is_told(value):
    with pytest.raises(ConfigError, match=r"^precision: no precision is called"):
        load("depth", precision=value)
