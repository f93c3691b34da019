"""Which frames of Hypersim are found, in which forms of its files, and what is said of damaged ones."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError, DataError, MissingExtraError
from marigold.core.sample import Camera
from marigold.datasets.hypersim import Hypersim
from toys import hypersim as toy
from toys.hypersim import KEY, PLACE, WIDE, one

LIGHTING = ("albedo", "shading", "residual")


@pytest.fixture
def root(tmp_path):
    return toy.raw(tmp_path / "raw")


# Which frames there are


def test_the_splits_are_those_of_the_table_without_what_was_not_released(root):
    keys = [[KEY, KEY.replace("0000", "0001")], ["val/ai_001_002/cam_01/0007"], ["test/ai_003_001/cam_00/0012"]]
    assert [Hypersim().scan(root, split) for split in ("train", "val", "test")] == keys
    assert Hypersim().scan(root, "train+val") == keys[0] + keys[1]


def test_an_unknown_split_is_refused(root):
    with pytest.raises(DataError, match=r"`tests`; did you mean `test`"):
        Hypersim().scan(root, "tests")


def test_the_table_of_splits_is_found_at_the_root_beside_it_and_where_it_is_given(root, tmp_path):
    expected = Hypersim().scan(root, "train")
    (root / toy.SPLITS).rename(root.parent / toy.SPLITS)
    assert Hypersim().scan(root, "train") == expected
    elsewhere = tmp_path / "elsewhere.csv"
    (root.parent / toy.SPLITS).rename(elsewhere)
    assert Hypersim(splits_file=elsewhere).scan(root, "train") == expected
    with pytest.raises(DataError, match=r"metadata_images_split_scene_v1\.csv.*splits_file"):
        Hypersim().scan(root, "train")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("scene_name,camera_name,frame_id\nai_001_001,cam_00,0\n", "no column included_in_public_release, split"),
        ("", "no column scene_name"),
        (
            "scene_name,camera_name,frame_id,included_in_public_release,exclude_reason,split_partition_name\na,b,3\n",
            "line 2 has 3 of 6",
        ),
        (
            "scene_name,camera_name,frame_id,included_in_public_release,split_partition_name\n../a,b,3,True,train\n",
            r"`train/\.\./a/b/0003` is no frame",
        ),
        ("scene_name\0", "no column|no table"),
    ],
)
def test_a_table_of_splits_that_is_none_is_told(root, text, reason):
    (root / toy.SPLITS).write_text(text)
    with pytest.raises(DataError, match=f"{toy.SPLITS}: .*({reason})"):
        Hypersim().scan(root, "train")


def test_missing_files_are_counted(root):
    (root / toy.raw_name("ai_001_001", "cam_00", 1, "normal_cam")).unlink()
    with pytest.raises(DataError, match=r"1 of the 2 frames of `train` lack files, .*0001\.normal_cam.*partial"):
        Hypersim(fields=("depth", "normals")).scan(root, "train")
    assert Hypersim(fields=("depth", "normals"), partial=True).scan(root, "train") == [KEY]
    assert len(Hypersim(fields=("depth",)).scan(root, "train")) == 2


def test_a_split_without_a_whole_frame_is_an_error_in_a_partial_download_too(root):
    (root / toy.raw_name("ai_003_001", "cam_00", 12, "color")).unlink()
    with pytest.raises(DataError, match="1 of the 1 frames of `test`"):
        Hypersim(partial=True).scan(root, "test")


def test_the_card_tells_the_fields_that_are_there(root):
    assert Hypersim().card_of(root).fields == ("depth", "normals", "albedo", "shading", "residual")
    for kind in ("normal_cam", "residual"):
        (root / toy.raw_name("ai_001_001", "cam_00", 0, kind)).unlink()
    assert Hypersim().card_of(root).fields == ("depth", "albedo", "shading")
    assert set(Hypersim().read(root, KEY).maps) == {"depth", "albedo", "shading"}
    assert Hypersim(fields=("depth",)).card_of(root).fields == ("depth",)


def test_a_scan_reads_no_array(root):
    for path in root.rglob("*.hdf5"):
        path.write_bytes(b"")
    assert len(Hypersim(fields=("depth", "normals", *LIGHTING)).scan(root, "train")) == 2


def test_what_is_not_asked_for_is_not_decoded(root):
    for kind in ("normal_cam", "diffuse_reflectance", "diffuse_illumination", "residual"):
        (root / toy.raw_name(*PLACE, kind)).write_bytes(b"")
    assert set(Hypersim(fields=("depth",)).read(root, KEY).maps) == {"depth"}


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_tar_reads_like_the_folder(root, tmp_path, prefix):
    tar = toy.tar(root, tmp_path / "hypersim.tar", prefix)
    assert Hypersim().scan(tar, "train") == Hypersim().scan(root, "train")
    ours, theirs = Hypersim().read(tar, KEY), Hypersim().read(root, KEY)
    assert torch.equal(ours.image, theirs.image)
    assert all(torch.equal(ours.maps[name], theirs.maps[name]) for name in theirs.maps)
    assert ours.camera == theirs.camera


# Lists


def test_a_list_of_the_published_training_chooses_frames_of_a_raw_tree(root, tmp_path):
    (tmp_path / "train.txt").write_text(
        "ai_001_001/rgb_cam_00_fr0001.png ai_001_001/depth_plane_cam_00_fr0001.png\n\nNone nan\n"
        "val/ai_001_002/rgb_cam_01_fr0007.png val/ai_001_002/x.png val/ai_001_002/normal_cam_cam_01_fr0007.npy\n"
    )
    dataset = Hypersim(lists={"filtered": tmp_path / "train.txt"})
    assert dataset.card_of(root).splits == ("filtered",)
    keys = dataset.scan(root, "filtered")
    # A folder in front of the scene says the split; without one, the frame is of the split that the list is for.
    assert keys == ["filtered/ai_001_001/cam_00/0001", "val/ai_001_002/cam_01/0007"]
    assert [dataset.read(root, key).key for key in keys] == keys


def test_the_published_counts_are_those_of_the_fields_that_are_evaluated(root):
    counts = {
        fields: Hypersim(fields=fields).card_of(root).counts
        for fields in (("depth",), ("residual", "shading", "albedo"), ("depth", "normals"), ())
    }
    assert list(counts.values()) == [{"test": 7682}, {"test": 5238}, {}, {}]


def test_lists_can_be_joined_as_splits_can(root, tmp_path):
    (tmp_path / "a.txt").write_text("ai_001_001/rgb_cam_00_fr0001.png\n")
    (tmp_path / "b.txt").write_text("ai_001_002/rgb_cam_01_fr0007.png\n")
    dataset = Hypersim(lists={"train": tmp_path / "a.txt", "val": tmp_path / "b.txt"})
    assert dataset.scan(root, "train+val") == ["train/ai_001_001/cam_00/0001", "val/ai_001_002/cam_01/0007"]


def test_a_split_without_a_list_is_told(root, tmp_path):
    (tmp_path / "all.txt").write_text("ai_001_001/rgb_cam_00_fr0001.png\n")
    with pytest.raises(DataError, match=r"lists: no split named `test`; there are: all; give its list too"):
        Hypersim(lists={"all": tmp_path / "all.txt"}).scan(root, "test")


def test_the_split_of_a_list_can_stand_in_a_key():
    with pytest.raises(ConfigError, match=r"lists: a/b cannot be used; it must be a word"):
        Hypersim(lists={"a/b": Path("all.txt")})


def test_a_list_of_something_else_is_told(root, tmp_path):
    (tmp_path / "all.txt").write_text("Scene01/clone/frames/rgb/Camera_0/rgb_00001.jpg x.png\n")
    with pytest.raises(DataError, match=r"all\.txt: `Scene01.*` is no photo of Hypersim"):
        Hypersim(lists={"train": tmp_path / "all.txt"}).scan(root, "train")


# As the published preprocessing writes it


def published(folder, number=0):
    """A frame with every field in whole numbers."""
    depth = np.array([[1500, 0, 65500], [65000, 64999, 1]])
    normals = np.zeros((2, 3, 3))
    normals[..., 2] = 2
    normals[0, 0] = 0
    light = np.full((2, 3, 3), 4.0)
    light[0, 0] = np.nan
    rgb = np.full((2, 3, 3), 51)
    albedo = np.full((2, 3, 3), 0.25)
    toy.processed(folder, "ai_001_001", "cam_00", number, rgb=rgb, depth_plane=depth, normal_cam=normals)
    toy.processed(folder, "ai_001_001", "cam_00", number, albedo=albedo, shading=light, residual=light * 2)
    return folder


@pytest.fixture(params=["folders", "folder of a split", "tar", "tar with ./", "tar of a split with ./"])
def processed(request, tmp_path):
    """The same frame in each of the forms in which the published preprocessing leaves it."""
    split = "of a split" in request.param
    folder = tmp_path / "processed"
    published(folder if split else folder / "train")
    (folder / "filename_list_train.txt").write_text("ai_001_001/rgb_cam_00_fr0000.png x\n")
    if "tar" not in request.param:
        return folder
    return toy.tar(folder, tmp_path / "hypersim.tar", "./" if "./" in request.param else "")


def test_a_processed_frame_is_read_in_the_units_of_its_fields(processed):
    assert Hypersim().scan(processed, "train") == [KEY]
    assert Hypersim().card_of(processed).splits == ("train",)
    sample = Hypersim().read(processed, KEY)
    assert torch.allclose(sample.image, torch.full((3, 2, 3), 0.2))
    depth, valid = sample.maps["depth"][0], sample.valid["depth"][0]
    assert depth.flatten().tolist() == pytest.approx([1.5, 0, 0, 0, 64.999, 0.001])
    assert valid.tolist() == [[True, False, False], [False, True, True]]
    assert sample.maps["normals"][:, 1, 1].tolist() == [0, 0, 1]
    assert sample.valid["normals"][0].tolist() == [[False, True, True], [True] * 3]
    assert (sample.maps["albedo"] == 0.25).all()
    assert sample.maps["shading"][0].tolist() == [[0, 4, 4], [4, 4, 4]]
    assert (sample.maps["residual"][:, 1] == 8).all()
    assert (
        sample.valid["residual"][0].tolist() == sample.valid["shading"][0].tolist() == [[False, True, True], [True] * 3]
    )
    # 60 degrees across: f = 3 / (2 * 0.57735)
    assert sample.camera == Camera(*(pytest.approx(x, abs=1e-4) for x in (2.59808, 2.59808, 1.5, 1.0)))


@pytest.mark.parametrize("above", ["", "train/", "./train/"])
def test_a_list_chooses_frames_of_a_processed_tree(tmp_path, above):
    for number in range(3):
        published(tmp_path / "train", number)
    (tmp_path / "list_train.txt").write_text(f"{above}ai_001_001/rgb_cam_00_fr0001.png x x x x")
    dataset = Hypersim(lists={"train": tmp_path / "list_train.txt"}, fields=("depth",))
    assert dataset.scan(tmp_path, "train") == [KEY.replace("0000", "0001")]


def test_a_processed_tree_may_hold_some_fields_alone(tmp_path):
    published(tmp_path / "train")
    (tmp_path / "train/ai_001_001/depth_plane_cam_00_fr0000.png").unlink()
    assert "depth" not in Hypersim().read(tmp_path, KEY).maps
    with pytest.raises(DataError, match=r"depth_plane_cam_00_fr0000\.png"):
        Hypersim(fields=("depth",)).scan(tmp_path, "train")


def test_a_folder_without_hypersim_says_what_is_looked_for(tmp_path):
    with pytest.raises(DataError, match="SCENE/images"):
        Hypersim().scan(tmp_path, "train")
    with pytest.raises(DataError, match="no frame"):
        Hypersim().card_of(tmp_path)


# Damage


def test_a_truncated_file_is_told_by_its_name(root):
    path = root / toy.raw_name(*PLACE, "depth_meters")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"0000\.depth_meters\.hdf5: damaged.*download it again"):
        Hypersim().read(root, KEY)


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        ("color", np.zeros((12, 16), np.float16)),
        ("color", np.zeros((0, 16, 3), np.float16)),
        ("depth_meters", np.zeros((16, 12), np.float16)),
        ("normal_cam", np.zeros((3, 12, 16), np.float16)),
        ("render_entity_id", np.zeros((12, 8), np.int16)),
        ("residual", np.zeros((12, 16, 4), np.float16)),
        ("residual", np.zeros((12, 16, 3), bool)),
    ],
)
def test_an_array_of_a_wrong_shape_or_type_is_told_by_its_file(root, kind, array):
    toy.write_hdf5(root / toy.raw_name(*PLACE, kind), array)
    with pytest.raises(DataError, match=rf"0000\.{kind}\.hdf5: .*\[.*; download it again"):
        Hypersim().read(root, KEY)


def test_bytes_that_changed_are_read_or_told(tmp_path):
    root = one(tmp_path)
    path, random, told = root / toy.raw_name(*PLACE, "depth_meters"), np.random.default_rng(0), 0
    whole = path.read_bytes()
    for _ in range(60):
        content = bytearray(whole)
        for place in random.integers(len(content), size=8):
            content[place] = random.integers(256)
        path.write_bytes(content)
        try:
            Hypersim(fields=("depth",)).read(root, KEY)
        except DataError as error:
            assert path.name in str(error)
            told += 1
    assert told > 20


def test_without_the_library_of_hdf5_the_extra_is_named(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"0000\.color\.hdf5 needs h5py.*data"):
        Hypersim().read(root, KEY)


def test_a_file_without_its_array_is_told(root):
    path = root / toy.raw_name(*PLACE, "color")
    toy.write_hdf5(path, np.zeros((2, 2)), "other")
    with pytest.raises(DataError, match=r"color\.hdf5: damaged \(has no array `dataset`, only other"):
        Hypersim().read(root, KEY)


def test_a_frame_of_nothing_but_nan_is_valid_nowhere(tmp_path):
    kinds = ("color", "depth_meters", "normal_cam", "diffuse_reflectance", "diffuse_illumination", "residual")
    arrays = {kind: np.full(array.shape, np.nan) for kind, array in toy.arrays(0, (3, 4)).items() if kind in kinds}
    sample = Hypersim().read(one(tmp_path, **arrays), KEY)
    assert (sample.image == 0).all()
    assert not any(mask.any() for mask in sample.valid.values())
    assert all((values == 0).all() for values in sample.maps.values())


def test_a_scene_without_a_camera_says_how_to_go_on(root):
    toy.write_cameras(root, {"ai_003_001": toy.PINHOLE})
    with pytest.raises(DataError, match=r"no scene ai_001_001.*camera: published"):
        Hypersim().read(root, KEY)
    (root / toy.CAMERAS).unlink()
    with pytest.raises(DataError, match=r"metadata_camera_parameters\.csv.*cameras_file.*camera: published"):
        Hypersim().read(root, KEY)
    assert Hypersim(camera="published").read(root, KEY).camera is not None


@pytest.mark.parametrize("number", ["", "nan", "inf", "two"])
def test_a_camera_that_is_no_matrix_is_told(root, number):
    toy.write_cameras(root, {"ai_001_001": (number, *toy.PINHOLE[1:])})
    with pytest.raises(DataError, match=r"the camera of ai_001_001 is no matrix"):
        Hypersim().read(root, KEY)


def test_a_table_of_cameras_that_changes_is_read_again(root):
    before = Hypersim(fields=("depth",)).read(root, KEY).camera
    toy.write_cameras(root, {"ai_001_001": WIDE})
    after = Hypersim(fields=("depth",)).read(root, KEY).camera
    assert (before.fx, after.fx) == (pytest.approx(8 / 0.57735), 4.0)


@pytest.mark.parametrize("key", ["", "train/../../etc/0000", "train/ai_001_001/cam_00", "train/ai_001_001/cam_00/x\n"])
def test_what_is_no_key_is_refused(root, key):
    with pytest.raises(DataError, match="no key of Hypersim"):
        Hypersim().read(root, key)


def test_a_frame_that_is_not_there_names_its_file(root):
    with pytest.raises(DataError, match=r"frame\.0099\.color\.hdf5: no such file"):
        Hypersim().read(root, "train/ai_001_001/cam_00/0099")


def test_a_processed_array_of_a_wrong_shape_is_told_by_its_file(tmp_path):
    published(tmp_path / "train")
    np.save(tmp_path / "train/ai_001_001/normal_cam_cam_00_fr0000.npy", np.zeros((3, 2, 3)))
    with pytest.raises(DataError, match=r"normal_cam_cam_00_fr0000\.npy: \[3, 2\] pixels, the photo has \[2, 3\]"):
        Hypersim().read(tmp_path, KEY)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"fields": ("normal",)}, "normals"),
        ({"fields": ("roughness",)}, "roughness"),
        ({"layout": "rw"}, "raw"),
        ({"camera": "publishd"}, "published"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, reason):
    with pytest.raises(ConfigError, match=reason):
        Hypersim(**settings)


# Identity


def test_the_identity_follows_the_files_that_are_read_and_the_camera(root):
    depth = Hypersim(fields=("depth",))
    before = depth.identity(root, KEY)
    assert before == depth.identity(root, KEY)
    assert before != depth.identity(root, KEY.replace("0000", "0001"))
    assert before != Hypersim(fields=("depth",), camera="published").identity(root, KEY)
    (root / toy.raw_name(*PLACE, "normal_cam")).write_bytes(b"changed")
    assert depth.identity(root, KEY) == before
    toy.write_cameras(root, {"ai_001_001": WIDE})
    changed = depth.identity(root, KEY)
    assert changed != before
    with h5py.File(root / toy.raw_name(*PLACE, "depth_meters"), "a") as file:
        file["more"] = np.zeros(1000)
    assert depth.identity(root, KEY) != changed


def test_the_identity_of_a_frame_in_a_tar_follows_the_tar(tmp_path):
    published(tmp_path / "a/train")
    tar = toy.tar(tmp_path / "a", tmp_path / "x.tar")
    before = Hypersim().identity(tar, KEY)
    published(tmp_path / "a/train", 1)
    toy.tar(tmp_path / "a", tar)
    assert Hypersim().identity(tar, KEY) != before


@pytest.mark.parametrize("form", ["folder", "tar"])
def test_the_folder_above_the_data_set_may_be_given_and_a_tar_with_a_folder_around_it(tmp_path, form):
    expected = Hypersim().read(toy.raw(tmp_path / "above/hypersim"), KEY)
    root = tmp_path / "above" if form == "folder" else toy.tar(tmp_path / "above", tmp_path / "x.tar")
    assert Hypersim().scan(root, "val") == ["val/ai_001_002/cam_01/0007"]
    sample = Hypersim().read(root, KEY)
    assert torch.equal(sample.maps["depth"], expected.maps["depth"])
    assert torch.equal(sample.maps["normals"], expected.maps["normals"])
