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
from typing import TypeVar

from marigold.core.errors import UnknownNameError

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

    Raises `UnknownNameError` with the nearest names when there is none.
    """
    module_name = name
    try:
        module_name = _module(base, name)
        missing = importlib.util.find_spec(module_name) is None
    except (ImportError, ValueError):
        missing = True
    if missing and "." in name:
        raise UnknownNameError(
            f"no module `{name}`, which is to define a {base.__name__.lower()}; install it, or run "
            "`python -m marigold` in the folder that holds it"
        )
    if missing or name == "base":
        raise UnknownNameError(unknown(base.__name__.lower(), name, names(base)))
    module = importlib.import_module(module_name)
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


@cache
def plugins(family: str) -> dict[str, str]:
    """The short names that installed packages declare in a group such as `marigold.datasets`, with their modules."""
    return {point.name: point.module for point in entry_points(group=family)}


def _module(base: type, name: str) -> str:
    """The module that a name stands for; the package's own come before those of others."""
    if "." in name:
        return name
    own = f"{_family(base)}.{name}"
    return own if importlib.util.find_spec(own) else plugins(_family(base)).get(name, own)


def _family(base: type) -> str:
    return base.__module__.rpartition(".")[0]
