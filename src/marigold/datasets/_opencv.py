"""Matrices of OpenCV's own files, in XML or YAML, read without OpenCV."""

import re
from xml.etree import ElementTree

import numpy as np

from marigold.core.console import printable
from marigold.core.errors import DataError

_MOST = 1 << 20
"""Bytes that a file of calibration may have."""
_COUNT = 64
"""Numbers that a matrix may have."""
_YAML = r"^{}:[ \t]*!!opencv-matrix\s+rows:[ \t]*(\d+)\s+cols:[ \t]*(\d+)\s+dt:[ \t]*\S+\s+data:[ \t]*\[([^\]]*)\]"


def matrix(content: bytes, where: str, name: str) -> np.ndarray:
    """A matrix by its name, float64. Raises `DataError` naming `where` the file is from.

    XML that defines entities or types of its own is refused: nothing that OpenCV writes does.
    """
    try:
        if len(content) > _MOST:
            raise ValueError(f"more than {_MOST >> 20} MB")
        text = content.decode("utf-8-sig")
        rows, columns, numbers = (_of_xml if text.lstrip().startswith("<") else _of_yaml)(text, name)
        values = np.array([float(number) for number in numbers])
        if (
            min(rows, columns) < 1
            or values.size > _COUNT
            or values.size != rows * columns
            or not np.isfinite(values).all()
        ):
            raise ValueError(f"`{name}` has not {rows} x {columns} numbers")
        return values.reshape(rows, columns)
    except (ValueError, ElementTree.ParseError) as error:
        words = printable(" ".join(str(error).split())[:200])
        raise DataError(f"{where}: not OpenCV's calibration ({words}); download it again") from error


Found = tuple[int, int, list[str]]
"""Rows, columns and the numbers in the order of rows."""


def _of_xml(text: str, name: str) -> Found:
    if "<!" in text:
        raise ValueError("defines entities or types of its own")
    node = ElementTree.fromstring(text).find(name)
    if node is None:
        raise ValueError(f"no matrix `{name}`")
    rows, columns, numbers = (node.findtext(part, "") for part in ("rows", "cols", "data"))
    return int(rows), int(columns), numbers.split()


def _of_yaml(text: str, name: str) -> Found:
    if (found := re.search(_YAML.format(re.escape(name)), text, re.MULTILINE)) is None:
        raise ValueError(f"no matrix `{name}`")
    return int(found[1]), int(found[2]), found[3].replace(",", " ").split()
