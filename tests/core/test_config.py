"""Strict YAML: wrong keys and types are errors with a path."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from marigold.core.config import beside, decode, encode, load_yaml, merge, require_within
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


@dataclass(frozen=True)
class Room:
    dataset: Dataset = beside()
    height: int = 3


def test_a_setting_called_like_a_key_beside_it_is_an_error():
    with pytest.raises(ConfigError, match=r"part\.dataset: photos has a setting `height`, .* rename it") as failure:
        decode(Room, {"dataset": "photos", "height": 64}, "part")
    assert "every room" in str(failure.value)


@dataclass(frozen=True)
class Scalars:
    number: float = 0.0
    count: int = 0
    text: str = ""
    place: Path = Path()
    flag: bool = False
    kind: Literal["a", "b"] = "a"
    either: int | str = 0
    many: tuple[int, ...] = ()
    rest: dict[str, Any] = field(default_factory=dict)


DEEP: list = []
DEEP.append(DEEP)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"number": float("nan")}, r"scalars\.number: nan cannot be used; it must be a finite number"),
        ({"number": "-inf"}, r"scalars\.number: -inf cannot be used"),
        ({"number": "1e400"}, r"scalars\.number: inf cannot be used"),
        ({"number": 10**400}, r"scalars\.number: inf cannot be used"),
        ({"number": True}, r"scalars\.number: expected float, found True"),
        ({"number": b"1"}, r"scalars\.number: expected float, found b'1'"),
        ({"count": 2**63}, r"scalars\.count: 9223372036854775808 cannot be used"),
        ({"count": -(10**5000)}, r"scalars\.count: int cannot be used"),
        ({"count": 1.0}, r"scalars\.count: expected int, found 1\.0"),
        ({"flag": 1}, r"scalars\.flag: expected bool, found 1"),
        ({"text": "a\x1b[2J"}, r"scalars\.text: holds the character \\x1b"),
        ({"text": "\ud800"}, r"scalars\.text: holds the character \\ud800"),
        ({"text": "x" * 100_001}, r"scalars\.text: 100001 characters"),
        ({"text": ["\n" * 1000]}, r"scalars\.text: expected str, found \['"),
        ({"place": ""}, r"scalars\.place: expected Path, found ''"),
        ({"place": "a\0b"}, r"scalars\.place: holds the character \\x00"),
        ({"kind": ["a"]}, r"scalars\.kind: no choice named `\['a'\]`"),
        ({"kind": {}}, r"scalars\.kind: no choice named `{}`"),
        ({"either": None}, r"scalars\.either: expected int, found None"),
        ({"either": True}, r"scalars\.either: expected int, found True"),
        ({"many": [0] * 10_001}, r"scalars\.many: 10001 entries"),
        ({"many": {0: 1}}, r"scalars\.many: expected a list"),
        ({"rest": DEEP}, r"scalars\.rest: expected `key: value` lines, found \[\[\["),
        ({"rest": {"a": DEEP}}, r"scalars: lists and mappings lie more than 64 deep"),
        ({"rest": {"a": [1, {2}]}}, r"scalars\.rest\.a\.1: expected numbers, text, lists or mappings, found set"),
        ({"rest": {"a": {"b": float("inf")}}}, r"scalars\.rest\.a\.b: inf cannot be used"),
        ({"rest": {"a": {"\n": 1}}}, r"scalars\.rest\.a: '\\n' is no key"),
        ({"rest": {3: 1}}, r"scalars\.rest: 3 is no key"),
        ({"x" * 5000: 1}, r"scalars: 'xxx.*\.\.\..*xxx' is no key"),
        ({None: 1}, r"scalars: None is no key"),
        (DEEP, r"scalars: expected `key: value` lines"),
    ],
)
def test_what_no_setting_can_be_is_an_error_on_one_short_line(content, message):
    with pytest.raises(ConfigError, match=message) as caught:
        decode(Scalars, content)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


def test_values_at_the_ends_are_taken():
    found = decode(Scalars, {"number": 2**63, "count": -(2**63) + 1, "text": "a\n\tb \u00e9", "place": "\udce9"})
    assert found == Scalars(2.0**63, -(2**63) + 1, "a\n\tb \u00e9", Path("\udce9"))
    assert math.copysign(1, decode(Scalars, {"number": -0.0}).number) == 1


@dataclass(frozen=True)
class Careless:
    """A class whose own check trips over what it is given."""

    shares: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        assert 1 / len(self.shares) < 2 ** (self.shares[0] * 1e6)


@pytest.mark.parametrize("shares", [[], [1.0], [-1.0]])
def test_whatever_a_class_raises_names_the_key(shares):
    with pytest.raises(ConfigError, match=r"^recipe\.part: Careless cannot be made of it \("):
        decode(Careless, {"shares": shares}, "recipe.part")


@dataclass(frozen=True)
class Bounded:
    count: Any
    share: Any = 0.5

    def __post_init__(self) -> None:
        require_within("x.", self, count=(0, 10), share=(0.0, 1.0))


@pytest.mark.parametrize("count", [-1, 11, 1.0, True, "1", None, float("nan"), 10**400])
def test_a_number_out_of_its_ends_or_of_another_kind_is_refused(count):
    with pytest.raises(ConfigError, match=r"^x\.count: .* cannot be used; it must be from 0 to 10$"):
        Bounded(count)


@pytest.mark.parametrize("share", [-1e-300, 1.1, float("nan"), float("inf"), "a", False])
def test_a_share_is_any_number_between_its_ends(share):
    assert Bounded(10, 1).share == 1
    with pytest.raises(ConfigError, match=r"^x\.share: .* it must be from 0\.0 to 1\.0$"):
        Bounded(0, share)
