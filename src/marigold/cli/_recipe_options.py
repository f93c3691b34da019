"""A recipe as the option parser sees it: fields have the types of what it chose, whose settings are options."""

import dataclasses
import typing
from pathlib import Path
from typing import Annotated, Any, ClassVar

from marigold.core.config import is_beside


def typed(value: Any) -> Any:
    """The same value in a class derived from its own, whose fields have the types of what is in them."""
    import tyro

    hints, fields, given = typing.get_type_hints(type(value)), [], {}
    for field in dataclasses.fields(value):
        kind, inner = _field(getattr(value, field.name), hints[field.name])
        if not field.init:
            fields.append((field.name, ClassVar[Any], inner))
            continue
        kind = Annotated[kind, tyro.conf.arg(name="")] if is_beside(field) else kind
        fields.append((field.name, kind, dataclasses.field(default=dataclasses.MISSING, metadata=field.metadata)))
        given[field.name] = inner
    # The recipe that is made of the options checks them, and names the key of one that cannot be used.
    words = {"__doc__": type(value).__doc__, "__post_init__": lambda self: None}
    kind = dataclasses.make_dataclass(type(value).__name__, fields, bases=(type(value),), namespace=words, frozen=True)
    # A class is named by its module; from Python 3.12 on `make_dataclass` would name this one.
    kind.__module__ = type(value).__module__
    return kind(**given)


def _field(value: Any, hint: Any) -> tuple[Any, Any]:
    """The type that a field's value shows to the parser, and the value of that type."""
    import tyro

    if dataclasses.is_dataclass(value):
        inner = typed(value)
        return type(inner), inner
    if isinstance(value, tuple) and any(map(dataclasses.is_dataclass, value)):
        inner = tuple(map(typed, value))
        return tuple[tuple(map(type, inner))], inner
    if not _words(value):
        return Annotated[_Whole, tyro.conf.Fixed, tyro.conf.Suppress], _Whole(value)
    # An object that is not there, or has no fields, has no settings.
    fixed = value is None or not isinstance(value, str | int | float | bool | tuple | dict | Path)
    return (Annotated[hint, tyro.conf.Fixed, tyro.conf.Suppress] if fixed else hint), value


class _Whole(dict[str, Any]):
    """A mapping whose keys are no options."""


def _words(value: Any) -> bool:
    """Whether all keys in a mapping, and in those in it, are words, so that no two of them make the same option."""
    if not isinstance(value, dict):
        return True
    return all(str(key).isidentifier() and _words(item) for key, item in value.items())
