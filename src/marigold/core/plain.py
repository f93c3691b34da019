"""Single values of a document as the kinds that are asked for: finite numbers, whole numbers that tensors hold, text
that can be printed, paths. Everything else is a `ConfigError` with the path of its key."""

import math
import re
import reprlib
from pathlib import Path
from typing import Any

from marigold.core.console import printable
from marigold.core.documents import DEPTH
from marigold.core.errors import ConfigError
from marigold.core.limits import CHARACTERS, WHOLE

SHOWN = 60
"""Characters of a value that a message repeats."""
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udc7f\udd00-\udfff]")
"""What text must not hold: control characters, changes of the writing direction, halves of characters. The bytes of a
file's name that are no UTF-8 come as the halves in between."""


def scalar(kind: Any, content: object, path: str) -> Any:
    """The content as a `kind` (int, float, str, bool or Path). Raises `ConfigError`.

    A whole number may stand for a float, and so may text: YAML reads 1e-5, without a dot, as that.
    """
    if kind is float and (isinstance(content, str) or _is_whole(content)):
        content = _as_float(content)
    if kind is Path and isinstance(content, str) and content:
        return Path(_text(content, path))
    if not isinstance(content, kind) or (isinstance(content, bool) and kind is not bool):
        raise ConfigError(f"{path}: expected {kind.__name__}, found {shown(content)}")
    if isinstance(content, str):
        return _text(content, path)
    if isinstance(content, int | float) and not isinstance(content, bool):
        return _number(content, path)
    return content


def plain(content: object, path: str, depth: int = 0) -> Any:
    """The content, of which only is known that a document can hold it. Raises `ConfigError` for what none can."""
    if depth > DEPTH:
        raise ConfigError(f"{path.partition('.')[0]}: lists and mappings lie more than {DEPTH} deep in each other")
    if isinstance(content, dict):
        items = ((key_text(key, path), item) for key, item in content.items())
        return {key: plain(item, f"{path}.{key}", depth + 1) for key, item in items}
    if isinstance(content, list | tuple):
        return [plain(item, f"{path}.{number}", depth + 1) for number, item in enumerate(content)]
    if content is None or isinstance(content, bool):
        return content
    kind = next((kind for kind in (str, int, float) if isinstance(content, kind)), None)
    if kind is None:
        raise ConfigError(f"{path}: expected numbers, text, lists or mappings, found {type(content).__name__}")
    return scalar(kind, content, path)


def key_text(key: object, path: str) -> str:
    """A key of a mapping. Raises `ConfigError` for one that is no text, or cannot be shown on a line."""
    if not isinstance(key, str) or len(key) > SHOWN or printable(key) != key:
        raise ConfigError(f"{path}: {shown(key)} is no key; keys are short words")
    return key


def shown(content: object) -> str:
    """A value as a message repeats it: on one line, not for long, whatever it is."""
    try:
        words = printable(_SHORT.repr(content))
    except Exception:  # such as a number of more digits than Python writes
        words = type(content).__name__
    return words if len(words) <= SHOWN else f"{words[:SHOWN]}..."


def word(name: object) -> str:
    """A name as it was given, where it is one, for the message that there is none such."""
    return shown(name).strip("'")


def _is_whole(content: object) -> bool:
    return isinstance(content, int) and not isinstance(content, bool)


def _as_float(content: Any) -> Any:
    try:
        return float(content)
    except OverflowError:
        return math.inf
    except ValueError:
        return content


def _number(content: int | float, path: str) -> int | float:
    if isinstance(content, float):
        if not math.isfinite(content):
            raise ConfigError(f"{path}: {content} cannot be used; it must be a finite number")
        return content + 0.0  # there is one zero
    if abs(content) > WHOLE:
        raise ConfigError(f"{path}: {shown(content)} cannot be used; it must be from -{WHOLE} to {WHOLE}")
    return content


def _text(content: str, path: str) -> str:
    if len(content) > CHARACTERS:
        raise ConfigError(f"{path}: {len(content)} characters; {CHARACTERS} are the most")
    if found := _UNFIT.search(content):
        raise ConfigError(f"{path}: holds the character {printable(found[0])}, which cannot be used; leave it out")
    return content


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = SHOWN
