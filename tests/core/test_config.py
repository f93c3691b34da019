"""Strict YAML: wrong keys and types are errors with a path."""

from dataclasses import dataclass

import pytest

from marigold.core.config import beside, decode, encode, load_yaml, merge
from marigold.core.errors import ConfigError, UnknownNameError
from marigold.datasets.base import Dataset
from marigold.datasets.folder import Folder
from marigold.datasets.photos import Photos
from marigold.objectives.base import Objective
from marigold.objectives.denoise import Denoise
from marigold.objectives.end_to_end import EndToEnd


@dataclass(frozen=True)
class Inner:
    rate: float = 1.0
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outer:
    inner: Inner
    count: int = 1
    label: str | None = None


def test_nested_mappings_become_nested_dataclasses():
    value = decode(Outer, {"inner": {"rate": 2, "names": ["a", "b"]}, "label": None})
    assert value == Outer(Inner(2.0, ("a", "b")))


def test_encode_is_the_inverse_of_decode():
    value = Outer(Inner(0.5, ("x",)), 3, "y")
    assert decode(Outer, encode(value)) == value


def test_numbers_without_a_dot_in_exponent_form_are_floats():
    assert decode(Inner, {"rate": "1e-5"}).rate == 1e-5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"inner": {"rat": 1}}, r"outer\.inner\.rat: no key named `rat`; did you mean `rate`"),
        ({"inner": {"rate": "fast"}}, r"outer\.inner\.rate: expected float, found 'fast'"),
        ({"inner": {}, "count": True}, r"outer\.count: expected int, found True"),
        ({"inner": {"names": ["a", 2]}}, r"outer\.inner\.names\.1: expected str, found 2"),
        ({}, r"outer\.inner: missing"),
        ({"inner": 3}, r"outer\.inner: expected"),
    ],
)
def test_what_does_not_fit_is_an_error_with_its_path(content, message):
    with pytest.raises(ConfigError, match=message):
        decode(Outer, content)


def test_merge_replaces_lists_and_descends_into_mappings():
    assert merge({"a": {"x": 1, "y": 2}, "b": [1, 2]}, {"a": {"y": 3}, "b": [4]}) == {"a": {"x": 1, "y": 3}, "b": [4]}


def test_a_file_that_is_no_mapping_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "list.yaml"
    path.write_text("- 1\n- 2\n")
    with pytest.raises(ConfigError, match=r"list\.yaml"):
        load_yaml(path)


@dataclass(frozen=True)
class Part:
    dataset: Dataset = beside()
    weight: float = 1.0
    objective: Objective | None = None


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("denoise", Denoise()),
        ({"name": "denoise", "pure": 0.5}, Denoise(pure=0.5)),
        ({"name": "end_to_end", "decoded": 0.25, "start": "zeros"}, EndToEnd("zeros", 0.25)),
    ],
)
def test_a_name_chooses_the_class_that_has_the_other_keys(content, found):
    assert decode(Objective, content) == found
    assert decode(Objective, encode(found)) == found


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"dataset": "folder", "fields": ["depth"], "weight": 2}, Part(Folder(("depth",)), 2.0)),
        ({"dataset": "photos", "height": 64, "objective": "denoise"}, Part(Photos(height=64), 1.0, Denoise())),
    ],
)
def test_the_keys_of_a_data_set_lie_beside_its_name(content, found):
    assert decode(Part, content) == found
    assert decode(Part, encode(found)) == found


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (Objective, {"name": "denoise", "pur": 1}, r"objective\.pur: no key named `pur`; did you mean `pure`"),
        (Objective, {"name": "denoise", "noise": "pink"}, r"objective\.noise: no choice named `pink`"),
        (Objective, {"name": "denois"}, r"objective: no objective named `denois`; did you mean `denoise`"),
        (Objective, {"pure": 1}, r"objective\.name: missing"),
        (Objective, 3, r"objective: expected"),
        (Part, {"dataset": "photos", "heigt": 64}, r"part\.heigt: no key named `heigt`; did you mean `height`"),
        (Part, {"dataset": "folder", "height": 64}, r"part\.height: no key named `height`"),
        (Part, {"dataset": "photos", "height": "tall"}, r"part\.height: expected int"),
        (Part, {"dataset": "foto"}, r"part\.dataset: no dataset named `foto`"),
        (Part, {"weight": 1}, r"part\.dataset: missing"),
        (
            Part,
            {"dataset": "photos", "objective": {"name": "denoise", "x": 1}},
            r"part\.objective\.x: no key named `x`",
        ),
    ],
)
def test_what_a_chosen_class_does_not_have_is_an_error_with_its_path(kind, content, message):
    with pytest.raises((ConfigError, UnknownNameError), match=message):
        decode(kind, content)
