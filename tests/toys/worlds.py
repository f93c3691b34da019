"""Miniature trees of rendered data sets in the formats of their makers, with content that is known in closed form."""

import io
import shutil
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
