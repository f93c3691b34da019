"""Strict YAML <-> frozen dataclasses: an unknown key or a wrong type is an error that names the key's path.

Where an abstract class is asked for, `name` chooses a class (`core/find.py`) whose fields are the other keys; the name
alone stands for their defaults:

    objective: {name: end_to_end, decoded: 0.25}
    objective: denoise

The keys of a field made with `beside` lie beside its name, so that none of them may be called like one there:

    {dataset: procedural, height: 192, capacity: 4096}
"""

import dataclasses
import inspect
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from marigold.core.documents import read_yaml
from marigold.core.errors import ConfigError, MarigoldError, UnknownNameError
from marigold.core.find import implementation, name_of, names, unknown
from marigold.core.limits import ENTRIES
from marigold.core.plain import key_text, plain, scalar, shown, word

T = TypeVar("T")

NAME = "name"
"""The key that chooses a class."""
LONGEST = 200
"""Characters of such a name."""
BESIDE = "beside"


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; raises `ConfigError` naming the file when it cannot be read or is no mapping."""
    content = read_yaml(path, ConfigError, "give a file of `key: value` lines")
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected `key: value` lines at the top level")
    return content


def decode(kind: type[T], content: object, path: str = "") -> T:
    """`content` (mappings, lists, scalars) as an object of the dataclass `kind`.

    Raises `ConfigError` with the path of the first key that is unknown, missing, of a wrong type, or holds what no
    setting can be: numbers that are not finite or that tensors cannot hold, text that cannot be printed.
    """
    path = path or kind.__name__.lower()
    try:
        return _decode(kind, content, path)
    except RecursionError:
        raise ConfigError(f"{path}: lists and mappings that lie too deep in each other; write it flatter") from None


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


def require_within(path: str, settings: object, **ends: tuple[float, float]) -> None:
    """Raises `ConfigError` where one of these settings is not within its ends, which it may be; `path` as above.

    Between whole numbers it must be one itself.
    """
    for name, (least, most) in ends.items():
        value, kinds = getattr(settings, name), int if isinstance(most, int) else int | float
        holds = isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most
        require(holds, f"{path}{name}", shown(value), f"from {least:,} to {most:,}")


def _decode(kind: Any, content: object, path: str) -> Any:
    if kind is Any:
        return plain(content, path)
    if inspect.isabstract(kind):
        return _decode_member(kind, content, path)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, content, path)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(arguments, content, path)
    if origin is typing.Literal:
        if content not in arguments:
            raise ConfigError(f"{path}: {unknown('choice', word(content), map(str, arguments))}")
        return content
    if origin is tuple:
        return _decode_tuple(arguments, content, path)
    if origin is dict:
        return {key: _decode(arguments[1], item, f"{path}.{key}") for key, item in _mapping(content, path).items()}
    return scalar(kind, content, path)


def _decode_member(family: type, content: object, path: str) -> Any:
    """An object of the class that `name` chooses among those derived from `family`."""
    if isinstance(content, family):
        return content
    given = {NAME: content} if isinstance(content, str) else _mapping(content, path)
    if NAME not in given:
        raise ConfigError(f"{path}.{NAME}: missing; say which {family.__name__.lower()}")
    return _decode_dataclass(_member(family, given.pop(NAME), path), given, path)


def _member(family: type, name: object, path: str) -> type:
    try:
        if not (isinstance(name, str) and len(name) <= LONGEST and all(map(str.isidentifier, name.split(".")))):
            raise UnknownNameError(unknown(family.__name__.lower(), word(name), names(family)))
        return implementation(family, name)
    except UnknownNameError as error:
        raise UnknownNameError(f"{path}: {error}") from None


def _decode_dataclass(kind: Any, content: object, path: str) -> Any:
    if isinstance(content, kind):
        return content
    hints, fields = typing.get_type_hints(kind), {field.name: field for field in settings(kind)}
    given, known = _mapping(content, path), list(fields)
    for name in (name for name, field in fields.items() if is_beside(field) and isinstance(given.get(name), str)):
        member = _member(hints[name], given[name], f"{path}.{name}")
        own = [field.name for field in settings(member)]
        if taken := [key for key in own if key in fields]:
            where = f"{path}.{name}: {given[name]} has a setting `{taken[0]}`"
            raise ConfigError(f"{where}, which is a key of every {kind.__name__.lower()}; rename it in its class")
        given[name] = _decode_dataclass(member, {key: given.pop(key) for key in own if key in given}, path)
        known += own
    for key in given:
        if key not in fields:
            raise ConfigError(f"{path}.{key}: {unknown('key', key, known)}")
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
    except MarigoldError:
        raise
    except Exception as error:
        raise ConfigError(f"{path}: {kind.__name__} cannot be made of it ({shown(error)}); correct it") from error


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
        raise ConfigError(f"{path}: expected a list, found {shown(content)}")
    if len(content) > ENTRIES:
        raise ConfigError(f"{path}: {len(content)} entries; {ENTRIES} are the most")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(content)
    if len(arguments) != len(content):
        raise ConfigError(f"{path}: expected {len(arguments)} entries, found {len(content)}")
    pairs = zip(arguments, content, strict=True)
    return tuple(_decode(kind, item, f"{path}.{position}") for position, (kind, item) in enumerate(pairs))


def _chosen(kind: type) -> bool:
    """Whether `name` chooses a class: it derives from an abstract one."""
    return any(inspect.isabstract(base) for base in kind.__mro__)


def _mapping(content: object, path: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: expected `key: value` lines, found {shown(content)}")
    return {key_text(key, path): value for key, value in content.items()}
