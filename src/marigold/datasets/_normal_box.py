"""OASIS' files of normals: a pickle of a box of the photo and the vectors in it, read without running what it names.

    {"min_y": int, "max_y": int, "min_x": int, "max_x": int, "normal": array [H, W, 3]}

Both ends of the box are inside it. Unpickling is an order to call what the file names, so that nothing but the names
with which numpy writes arrays is known here, and they only note what an array was made of.
"""

import io
import pickle
import pickletools
import re
from typing import Any

import numpy as np

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.core.raster import MAX_PIXELS

_ENDS = ("min_y", "max_y", "min_x", "max_x")
_MOST_STEPS = 1000
"""Instructions of a file, and places in which it keeps values; a box needs less than a hundred."""
_NUMBERS = re.compile(r"[fiu][1248]")
_REMEDY = "download it again"


def opened_out(content: bytes, where: str, height: int, width: int) -> np.ndarray:
    """The vectors as stored in a map of the photo's size, [H, W, 3] float64, and 0 outside of their box.

    Raises `DataError`, also for a box that leaves the photo or is not of the array's size.
    """
    try:
        top, bottom, left, right, vectors = _box(_unpickled(content))
    except Exception as error:  # unpickling meets damaged bytes with errors of every type
        words = printable(" ".join(str(error).split())[:200]) or type(error).__name__
        raise DataError(f"{where}: damaged ({words}); {_REMEDY}") from error
    if not (0 <= top <= bottom < height and 0 <= left <= right < width):
        box = f"rows {top} to {bottom}, columns {left} to {right}"
        raise DataError(f"{where}: its box ({box}) leaves the photo of {width} x {height}; {_REMEDY}")
    if vectors.shape != (bottom - top + 1, right - left + 1, 3):
        wanted = f"[{bottom - top + 1}, {right - left + 1}, 3]"
        raise DataError(f"{where}: has vectors {list(vectors.shape)}, where its box asks for {wanted}; {_REMEDY}")
    whole = np.zeros((height, width, 3))
    whole[top : bottom + 1, left : right + 1] = vectors
    return whole


def _box(stored: Any) -> tuple[int, int, int, int, np.ndarray]:
    """The ends and the vectors. Raises `ValueError`."""
    if not isinstance(stored, dict) or not {*_ENDS, "normal"} <= stored.keys():
        raise ValueError("not the box that normals of OASIS come in")
    ends, vectors = [stored[name] for name in _ENDS], stored["normal"]
    if not all(type(end) is int for end in ends) or not isinstance(vectors, _Array):
        raise ValueError("its ends are no whole numbers, or its normals no array")
    return (*ends, vectors.numbers())


def _unpickled(content: bytes) -> Any:
    """What a pickle holds, of dicts, lists, tuples, numbers, text and `_Array`.

    Raises `ValueError` or `UnpicklingError` for a name that is not known, and for one that is longer than needed.
    """
    for step, (code, argument, _) in enumerate(pickletools.genops(content)):
        places = argument if "PUT" in code.name and isinstance(argument, int) else 0
        if step > _MOST_STEPS or places > _MOST_STEPS:
            raise ValueError(f"more than {_MOST_STEPS} instructions or places")
    return _Unpickler(io.BytesIO(content), encoding="latin1").load()


class _Kind:
    """The type of an array's numbers, such as `f4`, and the order of their bytes."""

    def __init__(self, code: object) -> None:
        if not isinstance(code, str) or not _NUMBERS.fullmatch(code):
            raise ValueError("an array of something else than numbers")
        self._code, self._order = code, "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._order = ">" if state[1] == ">" else "<"

    def numbers(self, stored: bytes | str) -> np.ndarray:
        """The numbers in these bytes, which old files keep as text."""
        raw = stored.encode("latin1") if isinstance(stored, str) else stored
        return np.frombuffer(raw, self._order + self._code)


class _Array:
    """What an array was made of."""

    def __init__(self, *state: object) -> None:
        self._state: tuple[Any, ...] = state

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._state = state

    def numbers(self) -> np.ndarray:
        """The array. Raises `ValueError`."""
        shape, kind, columns_first, stored = self._state[-4:]
        if not isinstance(kind, _Kind) or len(shape) != 3 or len(stored) > 24 * MAX_PIXELS:
            raise ValueError("its normals are no array [H, W, 3] of numbers")
        return kind.numbers(stored).reshape(shape, order="F" if columns_first else "C")


class _Unpickler(pickle.Unpickler):
    """Knows the names with which numpy writes an array or a number; each is a function of its own in every file."""

    def find_class(self, module: str, name: str, /) -> Any:
        """A function that notes what it is given. Raises `UnpicklingError` for other names."""
        place = module.replace("numpy._core", "numpy.core")
        known = {
            "numpy.core.multiarray._reconstruct": lambda *_: _Array(),
            "numpy.core.numeric._frombuffer": lambda stored, kind, shape, order: _Array(
                shape, kind, order == "F", stored
            ),
            "numpy.ndarray": None,
            "numpy.dtype": lambda code, *_: _Kind(code),
            "numpy.core.multiarray.scalar": lambda kind, stored: int(kind.numbers(stored)[0]),
            "_codecs.encode": lambda text, *_: text,
        }
        if f"{place}.{name}" not in known:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is not followed")
        return known[f"{place}.{name}"]
