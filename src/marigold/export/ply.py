"""A coloured point cloud from depth, as MeshLab, CloudCompare, Blender and Open3D read it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from marigold.core.files import whole_file
from marigold.export._relief import Relief
from marigold.export._surface import AXES, GREY, Surface

_ROW = np.dtype([("point", "<f4", 3), ("colour", "u1", 3)])


@dataclass(frozen=True)
class Ply(Relief):
    """NAME_MAP.ply, binary: x, y, z in metres; red, green, blue of the photo. Points at depth edges are left out."""

    ending = "ply"

    def write_surface(
        self, file: Path, surface: Surface, size: tuple[int, ...], photo: np.ndarray | None, facts: dict[str, str]
    ) -> None:
        """Points and colours; what is assumed stands in the comments."""
        grey = np.full((len(surface.points), 3), GREY, np.uint8)
        colours = grey if photo is None else photo[surface.rows, surface.columns]
        write_points(file, surface.points, colours, {"axes": AXES, **facts})


def write_points(file: Path, points: np.ndarray, colours: np.ndarray, facts: dict[str, str]) -> None:
    """Points [N, 3] and colours [N, 3] uint8 as binary PLY, with the facts as comments. Raises `OutputError`."""
    rows = np.empty(len(points), _ROW)
    rows["point"], rows["colour"] = points, colours
    with whole_file(file) as opened:
        opened.write(_header(len(rows), facts))
        opened.write(rows.tobytes())


def _header(count: int, facts: dict[str, str]) -> bytes:
    lines = ["ply", "format binary_little_endian 1.0"]
    lines += [" ".join(f"comment {name}: {words}".split()) for name, words in facts.items()]
    lines += [f"element vertex {count}", *(f"property float {axis}" for axis in "xyz")]
    lines += [*(f"property uchar {colour}" for colour in ("red", "green", "blue")), "end_header"]
    return "".join(f"{line}\n" for line in lines).encode("ascii", "replace")
