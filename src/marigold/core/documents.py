"""The border where JSON and YAML are decoded: nothing but plain values of a bounded size and depth comes out.

Objects are mappings with text as keys; numbers are those of Python, which may be NaN, infinite or huge: whoever uses
one checks it.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from marigold.core.errors import MarigoldError
from marigold.core.reading import read_bytes

DEPTH = 64
"""How deep lists and mappings may lie in each other."""
_YAML = 1 << 20
"""Bytes that a YAML document may have, which people write."""
_WRITTEN = 20_000
"""Values that stand in one: a parser in Python takes a second for so many."""
_NODES = 100_000
"""Values that one may have, once its aliases are written out."""


def read_json(path: Path, raises: type[MarigoldError], remedy: str) -> Any:
    """The value in a JSON file in UTF-8. Raises `raises`, naming the file, with `remedy` as what to do."""
    content = read_bytes(path, raises, remedy)
    try:
        return from_json(content)
    except ValueError as error:
        raise raises(f"{path}: not JSON ({error}); {remedy}") from error


def read_yaml(path: Path, raises: type[MarigoldError], remedy: str) -> Any:
    """The value in a YAML file in UTF-8. Raises `raises`, naming the file, with `remedy` as what to do."""
    content = read_bytes(path, raises, remedy, _YAML)
    try:
        return from_yaml(content)
    except ValueError as error:
        raise raises(f"{path}: not valid YAML ({' '.join(str(error).split())}); {remedy}") from error


def from_json(content: bytes | str) -> Any:
    """The value that JSON stands for; raises `ValueError` for what is none, or lies deeper than `DEPTH`."""
    try:
        value = json.loads(content)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    _check_plain(value)
    return value


def from_yaml(content: bytes | str) -> Any:
    """The value that YAML stands for; raises `ValueError`, also for keys that are no text and aliases that explode."""
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _size(node, {})
            value = loader.construct_document(node)
        finally:
            loader.dispose()
    except RecursionError:
        raise ValueError(_too_deep()) from None
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(str(error)) from error  # the library's own constructors raise more than it says
    _check_plain(value)
    return value


class _Loader(yaml.SafeLoader):
    """Stops at a value too many, or too deep, before it reads on."""

    _written = _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._written, self._depth = self._written + 1, self._depth + 1
        if self._written > _WRITTEN:
            raise ValueError(f"more than {_WRITTEN} values")
        if self._depth > DEPTH + 1:
            raise ValueError(_too_deep())
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """How many values a node stands for with its aliases written out."""
    if id(node) in known:
        if not known[id(node)]:
            raise ValueError("an alias that holds itself")
        return known[id(node)]
    known[id(node)] = 0
    count = 1
    if isinstance(node, yaml.MappingNode):
        count += sum(_size(key, known) + _size(value, known) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        count += sum(_size(item, known) for item in node.value)
    if count > _NODES:
        raise ValueError(f"aliases that stand for more than {_NODES} values")
    known[id(node)] = count
    return count


def _check_plain(value: Any) -> None:
    """Raises `ValueError` for what lies too deep, keys that are no text, and values such as dates."""
    level: list[Any] = [value]
    for _ in range(DEPTH):
        if not level:
            return
        level = [inner for item in level for inner in _inner(item)]
    if level:
        raise ValueError(_too_deep())


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        if wrong := [key for key in value if not isinstance(key, str)]:
            raise ValueError(f"the key {wrong[0]!r} is no text; put it in quotes")
        return value.values()
    if not isinstance(value, list | str | int | float | None):
        raise ValueError(f"a value of type {type(value).__name__}; put it in quotes")
    return value if isinstance(value, list) else ()


def _too_deep() -> str:
    return f"lists and mappings that lie more than {DEPTH} deep in each other"
