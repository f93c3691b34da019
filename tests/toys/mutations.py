"""Damaged inputs for fuzzing tests: drawn from a seed, so that a failure names what made it."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from marigold.core.console import printable
from marigold.core.errors import MarigoldError

STRANGE: list[Any] = [
    *(None, True, "", "x", "\ud800", "\x1b[2J\n", "../../x", "/etc/passwd", "x" * 5000, "evil.payload"),
    *(0, -1, 1, 2, 7, 13, 65537, 3_000_000_000, 10**30, -(10**30), 0.5, 1e300, -1e300, float("nan"), float("inf")),
    *([], {}, [[]], [None] * 3, {"name": {}}, {"": 0}, list(range(1000))),
]
"""Values that stand where others are expected."""


def damaged_bytes(valid: bytes, count: int, seed: int = 0) -> Iterator[bytes]:
    """`count` variants: bits flipped, bytes replaced, parts cut, doubled, moved or filled, the end missing."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        content = bytearray(valid)
        for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
            if content:
                _damage(content, rng)
        yield bytes(content)


def damaged_values(valid: Any, count: int, seed: int = 0) -> Iterator[Any]:
    """`count` variants of mappings, lists and scalars: values replaced by strange ones, removed, wrapped or doubled."""
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        value = copy.deepcopy(valid)
        for _ in range(rng.choice((1, 1, 2, 3))):
            value = _replaced(value, rng)
        yield value


def as_text(value: Any) -> bytes:
    """JSON, with the parts of characters that UTF-8 cannot hold as escapes."""
    return json.dumps(value).encode()


def survives(use: Callable[[], object], allowed: tuple[type[MarigoldError], ...], what: str) -> bool:
    """Whether `use` ends well; fails the test unless it does that or raises one of `allowed`, on one printable line."""
    try:
        use()
    except allowed as error:
        assert str(error).strip(), f"{what}: an error without a message"
        assert printable(str(error)) == str(error), f"{what}: not printable: {error!r}"
        return False
    except Exception as error:
        pytest.fail(f"{what}: {type(error).__name__}: {error}")
    return True


def _damage(content: bytearray, rng: random.Random) -> None:
    place, length = rng.randrange(len(content)), rng.choice((1, 1, 2, 4, 8, 64))
    part = slice(place, place + length)
    kind = rng.randrange(7)
    if kind == 0:
        content[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        content[part] = rng.randbytes(length)
    elif kind == 2:
        del content[part]
    elif kind == 3:
        content[place:place] = content[part]
    elif kind == 4:
        content[part] = bytes([rng.choice((0, 255, 127, 128))]) * length
    elif kind == 5:
        other = rng.randrange(len(content))
        content[other:other] = content[part]
    else:
        del content[place:]


def _replaced(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict | list) and value and rng.random() < 0.85:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        kind = rng.random()
        if kind < 0.1:
            del value[key]
        elif kind < 0.15 and isinstance(value, dict):
            value[rng.choice(("unknown", "name", "", "\ud800"))] = value.pop(key)
        elif kind < 0.2 and isinstance(value, list):
            value.insert(key, value[key])
        else:
            value[key] = _replaced(value[key], rng)
        return value
    if rng.random() < 0.1:
        return _nested(value, rng.choice((1, 100, 5000)))
    if isinstance(value, int | float) and rng.random() < 0.5:
        return rng.choice((-value, value + 1, value * 10, value * 10**9, value / 3))
    return copy.deepcopy(rng.choice(STRANGE))


def _nested(value: Any, depth: int) -> Any:
    for _ in range(min(depth, 250)):  # `json.dumps` itself goes not much deeper
        value = [value]
    return value
