import struct

import numpy as np
import PIL.Image
import pytest
import torch

from marigold.core.config import decode
from marigold.core.errors import ConfigError, DataError
from marigold.data.source import Source
from marigold.datasets.sintel import Sintel
from toys.worlds import packed, sintel

KEY = "training/final/alley_1/frame_0002.png"
DEPTH = "training/depth/alley_1/frame_0002.dpt"


@pytest.fixture
def root(tmp_path):
    sintel(tmp_path)
    return tmp_path


def test_all_frames_are_to_train_on(root):
    names = [f"{scene}/frame_{frame:04d}.png" for scene in ("alley_1", "cave_2") for frame in (1, 2)]
    assert Sintel().scan(root, "train") == [f"training/final/{name}" for name in names]
    both = Sintel(passes=("clean", "final")).scan(root, "train")
    assert both == [f"training/{folder}/{name}" for folder in ("clean", "final") for name in names]
    with pytest.raises(DataError, match="no split named `test`"):
        Sintel().scan(root, "test")


def test_depth_is_in_metres_and_what_is_no_number_is_invalid(root):
    sample = Sintel().read(root, KEY)
    assert torch.equal(sample.image, torch.full((3, 4, 8), 53 / 255))
    assert sample.maps["depth"][0, :, 4].tolist() == [1, 2, 3, 4]
    assert sample.maps["depth"][0, 3].tolist() == [0, 0, 0, 4, 4, 4, 4, 4]
    assert sample.valid["depth"][0].sum(dim=1).tolist() == [8, 8, 8, 5]


def test_the_camera_counts_from_the_corner_of_the_first_pixel(root):
    camera = Sintel().read(root, KEY).camera
    assert camera is not None
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (1120, 1120, 4, 2)
    assert Sintel().read(root, KEY.replace("alley_1", "cave_2")).camera is None


def test_columns_are_cut_from_both_sides(root):
    depth = np.broadcast_to(np.arange(1.0, 9), (4, 8)).astype("<f4")
    (root / DEPTH).write_bytes(struct.pack("<fii", 202021.25, 8, 4) + depth.tobytes())
    sample = Sintel(cut=3).read(root, KEY)
    assert sample.image.shape == (3, 4, 2)
    assert sample.maps["depth"][0, 0].tolist() == [4, 5]
    assert sample.camera is not None
    assert sample.camera.cx == 1
    with pytest.raises(DataError, match="8 columns, of which `cut` leaves none; set a smaller"):
        Sintel(cut=4).read(root, KEY)


@pytest.mark.parametrize("layout", ["parts", "tar", "tar with ./"])
def test_frames_and_depth_may_lie_apart_or_in_a_tar(root, tmp_path, layout):
    expected = Sintel().read(root, KEY)
    if layout == "parts":
        for name in ("final", "depth"):
            target = tmp_path / f"apart/MPI-Sintel-{name}/training"
            target.mkdir(parents=True)
            (root / "training" / name).rename(target / name)
        root = tmp_path / "apart"
    else:
        root = packed(root, tmp_path.parent / "sintel.tar", "./" if layout.endswith("./") else "", "training")
    assert KEY in Sintel().scan(root, "train")
    found = Sintel().read(root, KEY)
    assert torch.equal(found.image, expected.image)
    assert torch.equal(found.maps["depth"], expected.maps["depth"])
    assert Sintel().identity(root, KEY)


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_published_normals_are_read_by_their_list(tmp_path, prefix):
    folder = tmp_path / "made/alley_1"
    folder.mkdir(parents=True)
    PIL.Image.new("RGB", (6, 4), (255, 0, 0)).save(folder / "frame_0001.png")
    normals = np.full((4, 6, 3), (0.9, 0, 1.2))
    normals[:, 2] = 0, 0, 0.1
    normals[:, 3, 0] = np.nan
    np.save(folder / "frame_0001.npy", normals)
    tar = packed(tmp_path / "made", tmp_path / "sintel.tar", prefix)
    (tmp_path / "list.txt").write_text("alley_1/frame_0001.png alley_1/frame_0001.npy\n")
    dataset = Sintel(cut=1, lists={"train": tmp_path / "list.txt"})
    assert dataset.card_of(tar).fields == ("normals",)
    (key,) = dataset.scan(tar, "train")
    sample = dataset.read(tar, key)
    assert sample.image.shape == (3, 4, 4)
    # The sky, and what is no number, is invalid.
    assert sample.valid["normals"][0, 0].tolist() == [True, False, False, True]
    assert sample.maps["normals"][:, 0, 0].tolist() == pytest.approx([0.6, 0, 0.8])
    assert dataset.identity(tar, key)


def test_settings_are_those_of_a_recipe():
    content = {"dataset": "sintel", "cut": 221, "passes": ["clean"]}
    assert decode(Source, content).dataset == Sintel(cut=221, passes=("clean",))
    for wrong in ({"cut": -1}, {"passes": ()}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            Sintel(**wrong)


def test_what_is_missing_or_damaged_is_named(root, tmp_path):
    with pytest.raises(DataError, match="no frame in training/final; give the folder that holds `training`"):
        Sintel().scan(root / "training", "train")
    (root / DEPTH).write_bytes((root / DEPTH).read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{DEPTH}: damaged"):
        Sintel().read(root, KEY)
    (root / DEPTH).write_bytes(struct.pack("<fii", 202021.25, 4, 8) + bytes(128))
    with pytest.raises(DataError, match="depth is 4 x 8, the photo 8 x 4"):
        Sintel().read(root, KEY)
    (root / DEPTH).unlink()
    with pytest.raises(DataError, match=rf"{KEY} has no {DEPTH}; unpack the depth"):
        Sintel().scan(root, "train")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<f", 202021.25) + bytes(168),
        struct.pack("<f", 1.0) + np.ones(21).tobytes(),
        struct.pack("<f", 202021.25) + np.ones(20).tobytes(),
        struct.pack("<f", 202021.25) + np.full(21, np.nan).tobytes(),
    ],
)
def test_a_camera_that_is_none_is_refused(root, content):
    (root / "training/camdata_left/alley_1/frame_0002.cam").write_bytes(content)
    with pytest.raises(DataError, match=r"frame_0002\.cam: damaged"):
        Sintel().read(root, KEY)
