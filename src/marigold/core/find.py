"""The file name is the name: finds modalities, backbones, objectives and data sets by their module.

`depth` is the class of `Modality` that `marigold/modalities/depth.py` defines. A dotted name (`my_package.my_modality`)
is a module of another package, so a plugin needs no registration. A package that wants a short name for one of its
modules declares an entry point in the group of the family, as `marigold_scenes` does:

    [project.entry-points."marigold.datasets"]
    procedural = "marigold_scenes.procedural"
"""

import difflib
import importlib
import importlib.util
import pkgutil
from collections.abc import Iterable
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from marigold.core.errors import ConfigError, MarigoldError, UnknownNameError

T = TypeVar("T")


def names(base: type) -> list[str]:
    """The names in the family of an abstract class, in alphabetical order.

    They are the modules beside its `base.py`, and the short names that other packages declare. A module whose name
    starts with an underscore serves its neighbours and is no member.
    """
    package = importlib.import_module(_family(base))
    found = {module.name for module in pkgutil.iter_modules(package.__path__)}
    own = {name for name in found if name != "base" and not name.startswith("_")}
    return sorted(own | plugins(_family(base)).keys())


def implementation(base: type[T], name: str) -> type[T]:
    """The class called `name` in the family of `base`.

    Raises `UnknownNameError` with the nearest names when there is none, and `ConfigError` for a module of another
    package that cannot be imported.
    """
    kind, declared = base.__name__.lower(), plugins(_family(base)).get(name)
    module_name = _module(base, name)
    missing = _is_missing(module_name)
    if missing and "." in name:
        raise UnknownNameError(
            f"no module `{name}`, which is to define a {kind}; install it, or run `python -m marigold` in the folder "
            "that holds it"
        )
    if missing and module_name == declared:
        raise UnknownNameError(
            f"no module `{declared}`, which an installed package declares as the {kind} `{name}`; install that package "
            "again, or remove it"
        )
    if missing or name == "base":
        raise UnknownNameError(unknown(kind, name, names(base)))
    module = imported(module_name)
    for value in vars(module).values():
        defined_here = isinstance(value, type) and value.__module__ == module.__name__
        if defined_here and issubclass(value, base) and not getattr(value, "__abstractmethods__", None):
            return value
    raise UnknownNameError(f"module `{module_name}` defines no {base.__name__}; give it one class derived from it")


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
    known = list(known)
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
    except Exception as error:
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
    except Exception:  # of the package around it; `imported` says what it is
        return None
    return Path(spec.origin) if spec and spec.origin else None


@cache
def plugins(family: str) -> dict[str, str]:
    """The short names that installed packages declare in a group such as `marigold.datasets`, with their modules."""
    return {point.name: point.module for point in entry_points(group=family)}


def _module(base: type, name: str) -> str:
    """The module that a name stands for; the package's own come before those of others."""
    if "." in name:
        return name
    own = f"{_family(base)}.{name}"
    return plugins(_family(base)).get(name, own) if _is_missing(own) else own


def _is_missing(module: str) -> bool:
    """Whether there is no such module; one whose package fails when it is imported is there."""
    try:
        return not module or module.startswith(".") or importlib.util.find_spec(module) is None
    except ModuleNotFoundError as error:
        return f"{module}.".startswith(f"{error.name}.")
    except Exception:  # of the package around it, which is imported to look inside; `imported` says what it is
        return False


def _family(base: type) -> str:
    return base.__module__.rpartition(".")[0]
