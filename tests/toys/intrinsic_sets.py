"""Miniature trees of the evaluation data of intrinsic images, in the formats of their makers, with known content."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from toys.rasters import png
from toys.worlds import grey_photo

MIT_MASK = 65025
"""What the masks of MIT Intrinsic Images have on the object."""


def mit(root: Path) -> None:
    """Two objects of 5 x 4 pixels, of which the first column is none of the object and holds other light.

    Reflectance is 60000, 30000, 15000, shading 20000 and highlights 1000 of 65535. Diffuse light is s times their
    product, where s is 2 for `box` and 0.5 for `sun`.
    """
    reflectance = np.array((60000, 30000, 15000), np.float64)
    for name, scale in (("box", 2.0), ("sun", 0.5)):
        diffuse = np.round(scale * reflectance * 20000 / 65535)
        for kind, level in (
            ("reflectance", reflectance),
            ("diffuse", diffuse),
            ("specular", np.full(3, 1000)),
            ("original", diffuse + 1000),
            ("shading", 20000),
            ("mask", MIT_MASK),
        ):
            samples = np.full((4, 5, 3) if np.ndim(level) else (4, 5), level, np.uint16)
            samples[:, 0] = 0 if kind == "mask" else 65535
            png(root / f"MIT-intrinsic/data/{name}/{kind}.png", samples)


IIW_NUMBERS = (3, 7, 12, 20, 100, 1001)


def iiw(root: Path) -> None:
    """Six photos of 10 x 8 pixels, each with the judgements of `judged`."""
    for number in IIW_NUMBERS:
        grey_photo(root / f"iiw-dataset/data/{number}.png", number % 256, 10, 8)
        (root / f"iiw-dataset/data/{number}.json").write_text(json.dumps(judged()))


def judged() -> dict[str, Any]:
    """Three opaque points and one that is not, and seven judgements, of which the first three count."""
    points = [(0.1, 0.25), (0.5, 0.75), (0.875, 0.125), (0.25, 0.25)]
    named = [
        {"id": 11 + place, "x": x, "y": y, "opaque": place < 3, "min_separation": 0.05, "sRGB": "ff0000"}
        for place, (x, y) in enumerate(points)
    ]
    pairs = [
        (11, 12, "1", 1.5),
        (12, 13, "2", 0.25),
        (13, 11, "E", 2.0),
        (11, 12, "1", 0),
        (11, 12, "2", None),
        (11, 14, "1", 1.0),
        (11, 12, None, 1.0),
    ]
    compared = [
        {"id": place, "point1": one, "point2": two, "darker": darker, "darker_score": score, "min_separation": 0.1}
        for place, (one, two, darker, score) in enumerate(pairs)
    ]
    return {"intrinsic_points": named, "intrinsic_comparisons": compared, "flags": []}


def maw(root: Path) -> None:
    """Two photos of 6 x 4 pixels, with region 1 (level 7) in the third column and region 2 (level 200) in the last.

    Colours are (0.5, 0.25, 0.25) and (0.5, 0.5, 0.5) in linear Adobe RGB.
    """
    mask = np.zeros((4, 6), np.uint8)
    mask[:, 2], mask[:, 5] = 7, 200
    lines = []
    for place, folder in enumerate(("scene_10", "scene_2")):
        grey_photo(root / f"images_png/{folder}/DSC0{place}.png", 10 + place, 6, 4)
        png(root / f"labels/new_masks/{folder}/DSC0{place}_mask.png", mask)
        np.save(root / f"labels/new_masks/{folder}/DSC0{place}.npy", [[0.5, 0.25, 0.25], [0.5, 0.5, 0.5]])
        stem = f"new_masks/{folder}/DSC0{place}"
        lines.append(f"{stem}.npy\t{stem}_mask.png\t{folder}\tDSC0{place}\t{stem}_albedo.png\tNone\n")
    (root / "labels/meta.csv").write_text("".join(lines))
