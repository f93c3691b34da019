"""Strict YAML: wrong keys and types are errors with a path."""

from dataclasses import dataclass

import pytest

from marigold.core.config import decode, encode, load_yaml, merge
from marigold.core.errors import ConfigError


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
