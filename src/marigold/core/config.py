"""Strict YAML <-> frozen dataclasses: an unknown key or a wrong type is an error that names the key's path.

Where an abstract class is asked for, `name` chooses a class (`core/find.py`) whose fields are the other keys; the name
alone stands for their defaults:

    objective: {name: end_to_end, decoded: 0.25}
    objective: denoise

The keys of a field made with `beside` lie beside its name, but for those that mean something else there:

    {dataset: procedural, height: 192, capacity: 4096}
"""

import dataclasses
import inspect
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from marigold.core.errors import ConfigError, UnknownNameError
from marigold.core.find import implementation, name_of, unknown

T = TypeVar("T")

NAME = "name"
"""The key that chooses a class."""
BESIDE = "beside"


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
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    content = {NAME: name_of(value)} if _chosen(type(value)) else {}
    if not dataclasses.is_dataclass(value):
        return content or value
    for field in settings(type(value)):
        inner = encode(getattr(value, field.name))
        content |= {field.name: inner.pop(NAME), **inner} if is_beside(field) else {field.name: inner}
    return content


def beside() -> Any:
    """A field whose own keys lie beside it."""
    return dataclasses.field(metadata={BESIDE: True})


def is_beside(field: dataclasses.Field) -> bool:
    """Whether a field's own keys lie beside it."""
    return bool(field.metadata.get(BESIDE))


def settings(kind: Any) -> list[dataclasses.Field]:
    """The fields of a class that can be given; none for a class without fields."""
    return [field for field in dataclasses.fields(kind) if field.init] if dataclasses.is_dataclass(kind) else []


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


def require_least(path: str, settings: object, **least: int) -> None:
    """Raises `ConfigError` where one of these settings is below its least value; `path` stands before their names."""
    for name, value in ((name, getattr(settings, name)) for name in least):
        require(value >= least[name], f"{path}{name}", value, f"at least {least[name]}")


def _decode(kind: Any, content: object, path: str) -> Any:
    if kind is Any:
        return content
    if inspect.isabstract(kind):
        return _decode_member(kind, content, path)
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


def _decode_member(family: type, content: object, path: str) -> Any:
    """An object of the class that `name` chooses among those derived from `family`."""
    if isinstance(content, family):
        return content
    given = {NAME: content} if isinstance(content, str) else dict(_mapping(content, path))
    if NAME not in given:
        raise ConfigError(f"{path}.{NAME}: missing; say which {family.__name__.lower()}")
    return _decode_dataclass(_member(family, given.pop(NAME), path), given, path)


def _member(family: type, name: object, path: str) -> type:
    try:
        return implementation(family, str(name))
    except UnknownNameError as error:
        raise UnknownNameError(f"{path}: {error}") from None


def _decode_dataclass(kind: Any, content: object, path: str) -> Any:
    if isinstance(content, kind):
        return content
    hints, fields = typing.get_type_hints(kind), {field.name: field for field in settings(kind)}
    given, known = dict(_mapping(content, path)), list(fields)
    for name in (name for name, field in fields.items() if is_beside(field) and isinstance(given.get(name), str)):
        member = _member(hints[name], given[name], f"{path}.{name}")
        own = [field.name for field in settings(member) if field.name not in fields]
        given[name] = _decode_dataclass(member, {key: given.pop(key) for key in own if key in given}, path)
        known += own
    for key in given:
        if key not in fields:
            raise ConfigError(f"{path}.{key}: {unknown('key', str(key), known)}")
    for name, field in fields.items():
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if needed and name not in given:
            raise ConfigError(f"{path}.{name}: missing; give it a value")
    values = {key: _decode(hints[key], item, f"{path}.{key}") for key, item in given.items()}
    try:
        return kind(**values)
    except ConfigError as error:  # of the class itself, which does not know where it stands
        if str(error).startswith(path.split(".")[0]):
            raise
        raise ConfigError(f"{path}: {error}") from error


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
        try:
            return float(content)
        except OverflowError:
            raise ConfigError(f"{path}: a number of too many digits; correct it") from None
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


def _chosen(kind: type) -> bool:
    """Whether `name` chooses a class: it derives from an abstract one."""
    return any(inspect.isabstract(base) for base in kind.__mro__)


def _mapping(content: object, path: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, found {content!r}")
    return content
