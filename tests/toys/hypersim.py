"""A miniature of Hypersim in its own formats: gzipped HDF5 files, tables, and what the published code writes."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import PIL.Image

SIZE = (12, 16)
SPLITS = "metadata_images_split_scene_v1.csv"
CAMERAS = "metadata_camera_parameters.csv"
PINHOLE = (0.57735, 0.0, 0.0, 0.0, 0.4330125, 0.0, 0.0, 0.0, -1.0)
"""60 degrees across, as most scenes have it."""
PLACE = ("ai_001_001", "cam_00", 0)
KEY = "train/ai_001_001/cam_00/0000"
WIDE = (2.0, 0.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, -1.0)
"""127 degrees across: u = 1 is at X / Z = 2."""
FRAMES = (
    ("ai_001_001", "cam_00", 0, "train"),
    ("ai_001_001", "cam_00", 1, "train"),
    ("ai_001_002", "cam_01", 7, "val"),
    ("ai_003_001", "cam_00", 12, "test"),
)
_GEOMETRY = ("depth_meters", "normal_cam", "render_entity_id")


def raw(root: Path) -> Path:
    """Four frames with every field, the two tables, and a frame that was not released."""
    for scene, camera, number, _ in FRAMES:
        write_frame(root, scene, camera, number, **arrays(number))
    write_splits(root, FRAMES)
    write_cameras(root, {scene: PINHOLE for scene, *_ in FRAMES})
    return root


def one(root: Path, size: tuple[int, int] = (3, 4), camera: Sequence[float] = PINHOLE, **changed: np.ndarray) -> Path:
    """A tree of one frame, of random content but for what is given."""
    root.mkdir(exist_ok=True)
    write_frame(root, *PLACE, **{**arrays(0, size), **changed})
    write_splits(root, ((*PLACE, "train"),))
    write_cameras(root, {PLACE[0]: camera})
    return root


def arrays(seed: int, size: tuple[int, int] = SIZE) -> dict[str, np.ndarray]:
    """Random arrays of a frame by the names of their files, of which the light adds up."""
    random = np.random.default_rng(seed)
    reflectance, light, rest = (random.uniform(0.1, high, (*size, 3)) for high in (0.9, 6, 2))
    normals = random.normal(size=(*size, 3)) + np.array([0, 0, 3])
    return {
        "color": reflectance * light + rest,
        "diffuse_reflectance": reflectance,
        "diffuse_illumination": light,
        "residual": rest,
        "depth_meters": random.uniform(1, 9, size),
        "normal_cam": normals / np.linalg.norm(normals, axis=-1, keepdims=True),
        "render_entity_id": random.integers(1, 40, size),
    }


def raw_name(scene: str, camera: str, number: int, kind: str) -> str:
    part = "geometry" if kind in _GEOMETRY else "final"
    return f"{scene}/images/scene_{camera}_{part}_hdf5/frame.{number:04d}.{kind}.hdf5"


def write_frame(root: Path, scene: str, camera: str, number: int, **kinds: np.ndarray) -> None:
    """One file for each array: int16 for render entities, float16 for the others."""
    for kind, array in kinds.items():
        path = root / raw_name(scene, camera, number, kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_hdf5(path, np.asarray(array).astype(np.int16 if kind == "render_entity_id" else np.float16))


def write_hdf5(path: Path, array: np.ndarray, name: str = "dataset") -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset(name, data=array, compression="gzip")


def write_splits(root: Path, frames: tuple[tuple[str, str, int, str], ...]) -> Path:
    """The table of frames, with one more that was flagged for removal."""
    lines = ["scene_name,camera_name,frame_id,included_in_public_release,exclude_reason,split_partition_name"]
    lines += [f"{scene},{camera},{number},True,,{split}" for scene, camera, number, split in frames]
    lines += ["ai_001_001,cam_00,36,False,CONTENT FLAGGED FOR REMOVAL,"]
    (root / SPLITS).write_text("\n".join(lines) + "\n")
    return root / SPLITS


def write_cameras(root: Path, cameras: dict[str, Sequence[object]]) -> Path:
    """The table of cameras, with some of its other columns."""
    names = [f"M_cam_from_uv_{row}{column}" for row in range(3) for column in range(3)]
    lines = [",".join(("scene_name", "settings_output_img_height", "use_camera_physical", *names, "M_proj_00"))]
    lines += [",".join((scene, "768.0", "False", *map(str, numbers), "1.7")) for scene, numbers in cameras.items()]
    (root / CAMERAS).write_text("\n".join(lines) + "\n")
    return root / CAMERAS


def processed(folder: Path, scene: str, camera: str, number: int, **parts: np.ndarray) -> None:
    """Files of the published preprocessing by their stems: PNG for `rgb` and `depth_plane`, float64 NPY for others."""
    (folder / scene).mkdir(parents=True, exist_ok=True)
    for stem, array in parts.items():
        path = folder / scene / f"{stem}_{camera}_fr{number:04d}"
        if stem in ("rgb", "depth_plane"):
            kind = np.uint8 if stem == "rgb" else np.uint16
            PIL.Image.fromarray(array.astype(kind)).save(path.with_suffix(".png"))
        else:
            np.save(path.with_suffix(".npy"), array.astype(np.float64))


def tar(folder: Path, path: Path, prefix: str = "") -> Path:
    """A tar of a folder, whose members' names begin with the prefix."""
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                content = file.read_bytes()
                member = tarfile.TarInfo(prefix + str(file.relative_to(folder)))
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path
