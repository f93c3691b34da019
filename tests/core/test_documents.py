"""Plain values of a bounded size come out of documents, or a clear error."""

import json

import pytest
import yaml

from marigold.core.documents import from_json, from_yaml, read_json, read_yaml
from marigold.core.errors import ConfigError


def bomb(levels: int = 9) -> str:
    """Few bytes whose aliases stand for ten to the number of levels."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def merging(levels: int = 20) -> str:
    """Few bytes whose merges stand for two to the number of levels."""
    lines = ["m0: &m0 {k: 1}"]
    lines += [f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(lines)


def test_documents_are_what_the_libraries_read():
    value = {"a": [1, 2.5, None, True, "é"], "b": {"c": {}}}
    assert from_json(json.dumps(value)) == value and from_yaml(yaml.safe_dump(value)) == value
    assert from_yaml("base: &b {x: 1}\nuses: {<<: *b, y: 2}") == {"base": {"x": 1}, "uses": {"x": 1, "y": 2}}
    assert from_yaml("") is None and from_yaml("# nothing") is None


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 70 + "]" * 70, '{"a":' * 70 + "1" + "}" * 70, "9" * 5000, "{", ""]
)
def test_json_that_is_none_or_lies_too_deep_is_a_value_error(text):
    with pytest.raises(ValueError):
        from_json(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (bomb(), "aliases that stand for more than"),
        (merging(), "aliases that stand for more than"),
        ("a: &a [*a]", "alias that holds itself"),
        ("[" * 3000, "deep in each other"),
        ("[" * 70 + "]" * 70, "deep in each other"),
        ("1: 2", "the key 1 is no text"),
        ("a: {null: 2}", "the key None is no text"),
        ("a: 2020-01-01", "a value of type date"),
        ("a: 2020-99-01", "month"),
        ("a: !!binary aGk=", "a value of type bytes"),
        ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"),
        ("a: !!int x", "invalid literal"),
        ("a: " + "9" * 5000, "limit"),
        ("a: [", "expected"),
        ("\x00", "not allowed"),
        ("a: b\n---\nc: d", "but found another document"),
    ],
)
def test_yaml_that_is_none_or_no_plain_value_is_a_value_error(text, words):
    with pytest.raises(ValueError, match=words):
        from_yaml(text)


def test_bytes_that_are_no_text_are_a_value_error():
    for read in (from_json, from_yaml):
        with pytest.raises(ValueError):
            read(b"a: \xff\xfe\xe9")


def test_files_are_named(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xff")
    (tmp_path / "a.yaml").write_text("a: [")
    with pytest.raises(ConfigError, match=r"a\.json: not JSON \(.*\); fetch it"):
        read_json(tmp_path / "a.json", ConfigError, "fetch it")
    with pytest.raises(ConfigError, match=r"a\.yaml: not valid YAML \(.*\); correct it"):
        read_yaml(tmp_path / "a.yaml", ConfigError, "correct it")
