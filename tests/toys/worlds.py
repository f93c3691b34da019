"""Miniature trees of rendered data sets in the formats of their makers, with content that is known in closed form."""

import io
import shutil
import struct
import tarfile
from itertools import product
from pathlib import Path

import numpy as np
import PIL.Image


def grey_photo(path: Path, level: int, width: int, height: int) -> None:
    """A photo of one grey, which JPEG keeps exactly."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.new("RGB", (width, height), (level,) * 3).save(path, quality=95)


def png16(path: Path, samples: np.ndarray) -> None:
    """A grey PNG of 16 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(samples.astype(np.uint16)).save(path)


def exr(path: Path, samples: np.ndarray, names: str = "RGB") -> None:
    """An OpenEXR file of 32-bit floats [H, W, len(names)]."""
    import OpenEXR

    path.parent.mkdir(parents=True, exist_ok=True)
    channels = {name: np.ascontiguousarray(samples[..., place], np.float32) for place, name in enumerate(names)}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


def packed(folder: Path, path: Path, prefix: str = "./", under: str = "") -> Path:
    """A tar of what lies in `folder / under`, with names relative to `folder`; `tar -cf x .` begins them with `./`."""
    with tarfile.open(path, "w") as tar:
        for file in sorted((folder / under).rglob("*")):
            content = file.read_bytes() if file.is_file() else b""
            member = tarfile.TarInfo(prefix + str(file.relative_to(folder)))
            member.size, member.type = len(content), tarfile.REGTYPE if file.is_file() else tarfile.DIRTYPE
            tar.addfile(member, io.BytesIO(content))
    return path


VKITTI_SIZE = (360, 1220)
"""Height and width of `vkitti`, of which the benchmark crop leaves 8 rows and 2 columns on the left."""


def vkitti(root: Path, frames: int = 1) -> None:
    """Every scene, published variation and camera; depth is 100 cm + 1 cm for each row, and the first row is sky.

    Each photo is of one grey, which is ten times its number, plus its camera.
    """
    height, width = VKITTI_SIZE
    depth = np.broadcast_to(100 + np.arange(height)[:, None], (height, width)).copy()
    depth[0] = 65535
    png16(root / "depth.png", depth)
    for scene in ("Scene01", "Scene02", "Scene06", "Scene18", "Scene20"):
        for variation in ("clone", "15-deg-left", "15-deg-right", "morning", "overcast", "sunset", "fog"):
            for camera, number in product((0, 1), range(frames)):
                folder, level = root / scene / variation / "frames", 10 * number + camera
                grey_photo(folder / f"rgb/Camera_{camera}/rgb_{number:05d}.jpg", level, width, height)
                (folder / f"depth/Camera_{camera}").mkdir(parents=True, exist_ok=True)
                shutil.copy(root / "depth.png", folder / f"depth/Camera_{camera}/depth_{number:05d}.png")
    (root / "depth.png").unlink()


def pairs(root: Path) -> None:
    """Ten photos, each of one grey."""
    for number in range(10):
        grey_photo(root / f"rgb/{number}.jpg", 20 * number, 12, 9)


def interiorverse(root: Path, top: str = "dataset_85", times: int = 1) -> None:
    """A scene of two frames of 6 x 4 pixels for each split, and a scene in the list of `train` that is not there.

    Light is 0.25 but 4 in the first row and 0 in the second. Depth is 1 m + 1 m for each column, and infinite in the
    last. Normals are (0, 0.6, 0.8), of twice that length, and of length 0.05 in the first column. Albedo is 0.5, 0.25
    and 0; roughness 0.25, metallicity 1, the unused channel 0.75. The mask leaves out the last row. Each pixel stands
    `times` times in each direction.
    """
    light = np.full((4, 6, 3), 0.25)
    light[:2] = np.array([4, 0])[:, None, None]
    depth = np.broadcast_to(1000.0 * (1 + np.arange(6))[None, :, None], (4, 6, 1)).copy()
    depth[:, -1] = np.inf
    normals = np.full((4, 6, 3), (0, 1.2, 1.6))
    normals[:, 0] = 0, 0.03, 0.04
    mask = np.ones((4, 6, 3))
    mask[3, :, 1] = 0
    constant = np.ones((4, 6, 3))
    root.mkdir(parents=True, exist_ok=True)
    for split, lines in (("train", "rooma\nelsewhere\n"), ("val", "roomb"), ("test", "\nroomc\n")):
        (root / f"{split}.txt").write_text(lines)
    for scene, frame in product(("rooma", "roomb", "roomc"), ("000", "001")):
        stem = root / top / scene / frame
        for word, samples, names in (
            ("im", light, "RGB"),
            ("depth", depth, "Y"),
            ("normal", normals, "RGB"),
            ("albedo", constant * (0.5, 0.25, 0), "RGB"),
            ("material", constant * (0.25, 1, 0.75), "RGB"),
            ("mask", mask, "RGB"),
        ):
            exr(stem.with_name(f"{frame}_{word}.exr"), samples.repeat(times, 0).repeat(times, 1), names)


def sintel(root: Path) -> None:
    """Two sequences of two frames of 8 x 4 pixels in both passes, each of one grey, and the cameras of the first.

    Depth is 1 m + 1 m for each row, with NaN, infinity and 0 at the start of the last. The focal length is 1120 pixels
    and the middle of the picture (3.5, 1.5) from the centre of the first pixel.
    """
    depth = np.broadcast_to(1 + np.arange(4.0)[:, None], (4, 8)).astype("<f4")
    depth[3, :3] = np.nan, np.inf, 0
    matrix = np.array([[1120, 0, 3.5], [0, 1120, 1.5], [0, 0, 1]], "<f8")
    for scene, frame in product(("alley_1", "cave_2"), (1, 2)):
        for place, name in enumerate(("clean", "final")):
            grey_photo(root / f"training/{name}/{scene}/frame_{frame:04d}.png", 51 * place + frame, 8, 4)
        (root / f"training/depth/{scene}").mkdir(parents=True, exist_ok=True)
        content = struct.pack("<fii", 202021.25, 8, 4) + depth.tobytes()
        (root / f"training/depth/{scene}/frame_{frame:04d}.dpt").write_bytes(content)
    for frame in (1, 2):
        file = root / f"training/camdata_left/alley_1/frame_{frame:04d}.cam"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(struct.pack("<f", 202021.25) + matrix.tobytes() + np.zeros((3, 4), "<f8").tobytes())
