"""The file name is the name: finds modalities, backbones, objectives and data sets by their module.

`depth` is the class of `Modality` that `marigold/modalities/depth.py` defines. A dotted name (`my_package.my_modality`)
is a module of another package, so a plugin needs no registration. A package that wants a short name for one of its
modules declares an entry point in the group of the family, as `marigold_scenes` does:

    [project.entry-points."marigold.datasets"]
    procedural = "marigold_scenes.procedural"

A dotted name is an order to run code. It is followed when the user gives it; data, such as a checkpoint's card, may
name members of the family alone, unless the user trusts the package (`may_name`).
"""

import difflib
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Collection, Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from marigold.core.console import printable
from marigold.core.errors import ConfigError, MarigoldError, UnknownNameError
from marigold.core.plain import shown

T = TypeVar("T")

_SHOWN = 80
"""Characters of a name that a message repeats."""
_MODULE = re.compile(r"[\w-]+(\.[\w-]+)*")
_FAILURES = (Exception, SystemExit, GeneratorExit)
"""What a module may raise while it is imported; Ctrl-C is the user's."""


def names(base: type) -> list[str]:
    """The names in the family of an abstract class, in alphabetical order.

    They are the modules beside its `base.py`, and the short names that other packages declare. A folder of modules,
    or one whose name starts with an underscore, serves its neighbours and is no member.
    """
    return sorted(_members(_family(base)) | plugins(_family(base)).keys())


def implementation(base: type[T], name: str) -> type[T]:
    """The class called `name` in the family of `base`.

    Raises `UnknownNameError` with the nearest names when there is none, and `ConfigError` for a module of another
    package that cannot be imported.
    """
    kind, module_name = base.__name__.lower(), _module(base, name)
    if not module_name:
        raise UnknownNameError(unknown(kind, name, names(base)))
    if _is_missing(module_name) and module_name == name:
        raise UnknownNameError(
            f"no module `{name}`, which is to define a {kind}; install it, or run `python -m marigold` in the folder "
            "that holds it"
        )
    if _is_missing(module_name):
        raise UnknownNameError(
            f"no module `{module_name}`, which an installed package declares as the {kind} `{name}`; install that "
            "package again, or remove it"
        )
    if module_name.rpartition(".")[2] == "__main__":
        raise UnknownNameError(f"module `{module_name}` is a program; name the module that defines the {kind}")
    module = imported(module_name)
    for value in vars(module).values():
        defined_here = isinstance(value, type) and value.__module__ == module.__name__
        if defined_here and issubclass(value, base) and not getattr(value, "__abstractmethods__", None):
            return value
    raise UnknownNameError(f"module `{module_name}` defines no {base.__name__}; give it one class derived from it")


def may_name(base: type, name: str, trusted: Collection[str] = ()) -> bool:
    """Whether data may choose a class of the family by this name; nothing is imported or looked for to tell.

    It may name members: those of this package, and those that installed packages declare. Another module it may name
    where that module, or a package around it, is among `trusted`. Short names that stand for nothing do no harm.
    """
    module, family = _module(base, name), _family(base)
    known = {f"{family}.{member}" for member in _members(family)} | {*plugins(family).values()}
    if not module or module in known:
        return True
    return bool(_MODULE.fullmatch(module)) and any(f"{module}.".startswith(f"{package}.") for package in trusted)


def not_trusted(base: type, name: str) -> str:
    """The message for a name that data may not choose: what it asks for, and what to do by whoever trusts its author.

    What can be no module of another package is a name that stands for nothing.
    """
    kind, package = base.__name__.lower(), name.partition(".")[0]
    if not _MODULE.fullmatch(name) or package == "marigold" or len(name) > _SHOWN:
        return unknown(kind, name, names(base))
    return (
        f"asks for code of another package, `{name}`, as its {kind}; leave it or, only if you trust the author of that "
        f"code, allow it with --trust {package} (in Python trust='{package}')"
    )


def packages(trust: str | Iterable[str]) -> tuple[str, ...]:
    """The packages or modules in `my_package,other`, or in a collection of such; raises `ConfigError` for no name."""
    if not isinstance(trust, Iterable):
        raise ConfigError(f"trust: {shown(trust)} names no package; give its name as text")
    listed = [trust] if isinstance(trust, str) else list(trust)
    if wrong := [one for one in listed if not isinstance(one, str)]:
        raise ConfigError(f"trust: an object of type {type(wrong[0]).__name__} names no package; give its name as text")
    every = [name.strip() for one in listed for name in one.split(",")]
    if wrong := [name for name in every if not _MODULE.fullmatch(name)]:
        raise ConfigError(f"trust: `{printable(wrong[0][:_SHOWN])}` names no package; give one such as my_package")
    return tuple(dict.fromkeys(every))


def name_of(value: object) -> str:
    """The name that `implementation` finds this object's class by."""
    module = type(value).__module__
    if module.startswith("marigold."):
        return module.rpartition(".")[2]
    families = [_family(base) for base in type(value).__mro__ if base.__module__.startswith("marigold.")]
    short = (name for family in families for name, target in plugins(family).items() if target == module)
    return next(short, module)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that does not exist: what was asked, what comes nearest, what there is."""
    known, name = [printable(one) for one in known], printable(name[:_SHOWN])
    same_word = [other for other in known if other.partition("_")[0] == name.partition("_")[0]]
    near = difflib.get_close_matches(name, known, n=1) or same_word
    hint = f"did you mean `{near[0]}`?" if near else f"there are: {', '.join(known) or 'none'}"
    return f"no {kind} named `{name}`; {hint}"


def imported(module: str) -> ModuleType:
    """The module; raises `ConfigError` naming it for what another package does wrong when it is imported."""
    try:
        return importlib.import_module(module)
    except MarigoldError:
        raise
    except _FAILURES as error:
        if module.startswith("marigold."):
            raise
        raise ConfigError(
            f"module `{module}` cannot be imported ({type(error).__name__}: {error}); install what it needs, or "
            "correct or remove it"
        ) from error


def source(module: str) -> Path | None:
    """The file of a module, which is not imported; None where there is none, or its package cannot be imported."""
    try:
        spec = importlib.util.find_spec(module)
    except _FAILURES:  # of the package around it; `imported` says what it is
        return None
    return Path(spec.origin) if spec and spec.origin else None


@cache
def plugins(family: str) -> dict[str, str]:
    """The short names that installed packages declare in a group such as `marigold.datasets`, with their modules."""
    return {point.name: point.module for point in entry_points(group=family)}


def _module(base: type, name: str) -> str:
    """The module that a name stands for, empty for none; the package's own come before those of others."""
    family = _family(base)
    if name in _members(family):
        return f"{family}.{name}"
    return plugins(family).get(name, name if "." in name else "")


@cache
def _members(family: str) -> frozenset[str]:
    """The modules of a family in this package, but for its `base` and what serves its neighbours."""
    beside = pkgutil.iter_modules(importlib.import_module(family).__path__)
    found = {module.name for module in beside if not module.ispkg}
    return frozenset(name for name in found if name != "base" and not name.startswith("_"))


def _is_missing(module: str) -> bool:
    """Whether there is no such module; one whose package fails when it is imported is there."""
    try:
        return not _MODULE.fullmatch(module) or importlib.util.find_spec(module) is None
    except ModuleNotFoundError as error:
        return f"{module}.".startswith(f"{error.name}.")
    except _FAILURES:  # of the package around it, which is imported to look inside; `imported` says what it is
        return False


def _family(base: type) -> str:
    return base.__module__.rpartition(".")[0]
