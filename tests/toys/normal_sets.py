"""Miniature trees of the evaluation data of normals, of 6 x 4 pixels, with vectors that are known by hand."""

import pickle
from pathlib import Path

import numpy as np

from toys.rasters import png
from toys.worlds import exr, grey_photo

SHAPE = (4, 6, 3)


def published(root: Path) -> None:
    """Two photos of NYUv2 with (0.6, 0, 0.8) at twice that length, and 0 in the first column."""
    normals = np.full(SHAPE, (1.2, 0, 1.6))
    normals[:, 0] = 0
    for number in (1, 8):
        grey_photo(root / f"{number:06d}_img.png", number, 6, 4)
        np.save(root / f"{number:06d}_normal.npy", normals)


def levels(samples: tuple[int, int, int], kind: type) -> np.ndarray:
    """A map of one stored vector, and black, which is none, in the first column."""
    stored = np.full(SHAPE, samples, kind)
    stored[:, 0] = 0
    return stored


def dsine(root: Path) -> None:
    """Two photos of each set in its format.

    8 bits hold (51, 204, 255), which is (-0.6, 0.6, 1); 16 bits (33000, 32000, 65535); OpenEXR (-0.6, 0, 0.8), a length
    of 0.5 in the first column and NaN in the second; OASIS' file what `box` has.
    """
    vectors = np.full(SHAPE, (-0.6, 0, 0.8))
    vectors[:, 0], vectors[:, 1] = (0, 0, 0.5), np.nan
    for number in (0, 1):
        for stem in (f"nyuv2/test/{number:06d}", f"nyuv2/train/{number + 2:06d}", f"scannet/scene0002_00/{number:06d}"):
            grey_photo(root / f"dsine_eval/{stem}_img.png", number, 6, 4)
            png(root / f"dsine_eval/{stem}_normal.png", levels((51, 204, 255), np.uint8))
        grey_photo(root / f"dsine_eval/vkitti/Scene01/{number:06d}_img.jpg", number, 6, 4)
        png(root / f"dsine_eval/vkitti/Scene01/{number:06d}_normal.png", levels((33000, 32000, 65535), np.uint16))
        for stem in (f"ibims/ibims/corridor_0{number}", f"sintel/alley_1/frame_000{number}"):
            grey_photo(root / f"dsine_eval/{stem}_img.png", number, 6, 4)
            exr(root / f"dsine_eval/{stem}_normal.exr", vectors)
        grey_photo(root / f"dsine_eval/oasis/val/{number}_DT_img.png", number, 6, 4)
        (root / f"dsine_eval/oasis/val/{number}_DT_normal.pkl").write_bytes(box())


def box(protocol: int = 2) -> bytes:
    """OASIS' file: rows 1 to 2 and columns 2 to 4 are (0.6, 0.48, 0.64), but 0 in the first of them."""
    normals = np.full((2, 3, 3), (0.6, 0.48, 0.64))
    normals[0, 0] = 0
    return pickle.dumps({"min_y": 1, "max_y": 2, "min_x": 2, "max_x": 4, "normal": normals}, protocol)


HEADER = "Image,Mask,Depth,Normal,Fold,Occlusion,A,B,C,D,E,F,G,H\n"


def oasis(root: Path) -> None:
    """Two photos for each split, with absolute names in the table, and one without normals."""
    top = root / "OASIS_trainval"
    for split, names in (("train", ("a_DT", "b_DT")), ("val", ("d_DT", "c_ALI"))):
        lines = [HEADER, "/somewhere/OASIS_trainval/image/none.png,,,,,,,,,,,,,\n"]
        for name in names:
            grey_photo(top / f"image/{name}.png", 7, 6, 4)
            (top / "normal").mkdir(exist_ok=True)
            (top / f"normal/{name}.pkl").write_bytes(box())
            lines.append(f"/somewhere/image/{name}.png,,,/somewhere/normal/{name}.pkl,,,,,,,,,,\n")
        (top / f"OASIS_{split}.csv").write_text("".join(lines))
