"""Strict YAML <-> frozen dataclasses: an unknown key or a wrong type is an error that names the key's path."""

import dataclasses
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from marigold.core.errors import ConfigError
from marigold.core.find import unknown

T = TypeVar("T")


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; raises `ConfigError` naming the file when it is missing or is no mapping."""
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; check the path") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected `key: value` lines at the top level")
    return content


def decode(kind: type[T], content: object, path: str = "") -> T:
    """`content` (mappings, lists, scalars) as an object of the dataclass `kind`.

    Raises `ConfigError` with the path of the first key that is unknown, missing or of a wrong type.
    """
    return _decode(kind, content, path or kind.__name__.lower())


def encode(value: object) -> Any:
    """A dataclass as mappings, lists and scalars; the inverse of `decode`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over` on top, mapping by mapping; lists and scalars are replaced whole."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def require(holds: bool, path: str, value: object, wanted: str) -> None:
    """Raises `ConfigError` with the key's path when a value cannot be used; a comparison with NaN never holds."""
    if not holds:
        raise ConfigError(f"{path}: {value} cannot be used; it must be {wanted}")


def _decode(kind: Any, content: object, path: str) -> Any:
    if kind is Any:
        return content
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, content, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(arguments, content, path)
    if origin is typing.Literal:
        if content not in arguments:
            raise ConfigError(f"{path}: {unknown('choice', str(content), map(str, arguments))}")
        return content
    if origin is tuple:
        return _decode_tuple(arguments, content, path)
    if origin is dict:
        return {key: _decode(arguments[1], item, f"{path}.{key}") for key, item in _mapping(content, path).items()}
    return _decode_scalar(kind, content, path)


def _decode_dataclass(kind: Any, content: object, path: str) -> Any:
    if isinstance(content, kind):
        return content
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    given = _mapping(content, path)
    for key in given:
        if key not in fields:
            raise ConfigError(f"{path}.{key}: {unknown('key', str(key), fields)}")
    for name, field in fields.items():
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if needed and name not in given:
            raise ConfigError(f"{path}.{name}: missing; give it a value")
    return kind(**{key: _decode(hints[key], item, f"{path}.{key}") for key, item in given.items()})


def _decode_union(choices: tuple[Any, ...], content: object, path: str) -> Any:
    if content is None and type(None) in choices:
        return None
    errors = []
    for choice in choices:
        if choice is type(None):
            continue
        try:
            return _decode(choice, content, path)
        except ConfigError as error:
            errors.append(error)
    raise errors[0]


def _decode_tuple(arguments: tuple[Any, ...], content: object, path: str) -> tuple[Any, ...]:
    if not isinstance(content, list | tuple):
        raise ConfigError(f"{path}: expected a list, found {content!r}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(content)
    if len(arguments) != len(content):
        raise ConfigError(f"{path}: expected {len(arguments)} entries, found {len(content)}")
    pairs = zip(arguments, content, strict=True)
    return tuple(_decode(kind, item, f"{path}.{position}") for position, (kind, item) in enumerate(pairs))


def _decode_scalar(kind: Any, content: object, path: str) -> Any:
    if kind is float and isinstance(content, int) and not isinstance(content, bool):
        return float(content)
    if kind is float and isinstance(content, str):
        # YAML reads 1e-5 (no dot) as text.
        try:
            return float(content)
        except ValueError:
            pass
    if kind is Path and isinstance(content, str):
        return Path(content)
    right = isinstance(content, kind) and not (kind is int and isinstance(content, bool))
    if not right:
        raise ConfigError(f"{path}: expected {kind.__name__}, found {content!r}")
    return content


def _mapping(content: object, path: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, found {content!r}")
    return content
