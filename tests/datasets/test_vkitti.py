from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from marigold.core.config import decode
from marigold.core.errors import ConfigError, DataError
from marigold.data.source import Source
from marigold.datasets.vkitti import VirtualKitti
from toys.worlds import packed, png16, vkitti

PHOTO = "Scene01/clone/frames/rgb/Camera_0/rgb_00000.jpg"
DEPTH = "Scene01/clone/frames/depth/Camera_0/depth_00000.png"


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    root = tmp_path_factory.mktemp("unpacked")
    vkitti(root)
    return root


@pytest.fixture
def small(tmp_path):
    """One sample of 4 x 3 pixels."""
    (tmp_path / PHOTO).parent.mkdir(parents=True)
    PIL.Image.new("RGB", (4, 3), (51, 51, 51)).save(tmp_path / PHOTO)
    png16(tmp_path / DEPTH, np.array([[0, 1, 2, 3], [799, 7999, 8000, 8001], [65534, 65535, 100, 250]]))
    return tmp_path


ONE = VirtualKitti(variations=("clone",), cameras=(0,))


def parts(unpacked, root):
    """The three ways in which the two tars may lie in a folder."""
    for name in ("rgb", "depth"):
        folder = root / "two folders" / f"vkitti_2.0.3_{name}"
        for file in unpacked.rglob(f"{name}/Camera_0/*"):
            target = folder / file.relative_to(unpacked)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.hardlink_to(file)
    (root / "tars").mkdir()
    (root / "tars with tops").mkdir()
    for name in ("rgb", "depth"):
        folder = root / "two folders" / f"vkitti_2.0.3_{name}"
        packed(folder, root / "tars" / f"vkitti_2.0.3_{name}.tar")
        packed(root / "two folders", root / "tars with tops" / f"vkitti_2.0.3_{name}.tar", "", f"vkitti_2.0.3_{name}")
    return [root / "two folders", root / "tars", root / "tars with tops"]


def test_the_published_split_has_four_scenes_to_train_and_one_to_validate(unpacked):
    train, val = (VirtualKitti().scan(unpacked, split) for split in ("train", "val"))
    assert {key[:7] for key in train} == {"Scene02", "Scene06", "Scene18", "Scene20"}
    assert {key[:7] for key in val} == {"Scene01"}
    assert (len(train), len(val)) == (4 * 6 * 2, 6 * 2)
    assert not any("fog" in key for key in train)


def test_scenes_variations_and_cameras_can_be_chosen(unpacked):
    dataset = VirtualKitti(variations=("fog",), cameras=(1,), scenes=("Scene18",))
    assert dataset.scan(unpacked, "train") == ["Scene18/fog/frames/rgb/Camera_1/rgb_00000.jpg"]


def test_depth_is_metres_of_centimetres_and_the_sky_is_invalid(small):
    sample = ONE.read(small, PHOTO)
    assert torch.equal(sample.image, torch.full((3, 3, 4), 51 / 255))
    expected = [[False, True, True, True], [True, True, False, False], [False, False, True, True]]
    assert sample.valid["depth"].tolist() == [expected]
    depth = sample.maps["depth"][0]
    assert depth[0, 1:].tolist() == pytest.approx([0.01, 0.02, 0.03])
    assert depth[1, :2].tolist() == pytest.approx([7.99, 79.99])
    assert depth[2, 2:].tolist() == [1, 2.5]


def test_the_crop_keeps_the_lowest_rows_and_the_middle_columns(unpacked):
    sample = VirtualKitti(crop=True).read(unpacked, PHOTO)
    assert sample.image.shape == (3, 352, 1216)
    # Of 360 rows the first 8 go; row r is (100 + r) cm deep.
    assert sample.maps["depth"][0, 0].unique().tolist() == pytest.approx([1.08])
    assert sample.maps["depth"][0, -1].unique().tolist() == pytest.approx([4.59])


def test_the_crop_of_the_full_size_begins_at_row_23_and_column_13(tmp_path):
    """375 - 352 = 23 and (1242 - 1216) / 2 = 13."""
    (tmp_path / PHOTO).parent.mkdir(parents=True)
    PIL.Image.new("RGB", (1242, 375)).save(tmp_path / PHOTO)
    rows, columns = np.mgrid[:375, :1242]
    png16(tmp_path / DEPTH, 1 + rows * 4 + columns)
    depth = VirtualKitti(crop=True).read(tmp_path, PHOTO).maps["depth"]
    assert float(depth[0, 0, 0]) == pytest.approx((1 + 23 * 4 + 13) / 100)
    assert float(depth[0, -1, -1]) == pytest.approx((1 + 374 * 4 + 13 + 1215) / 100)


def test_a_photo_smaller_than_the_crop_says_so(small):
    with pytest.raises(DataError, match=r"4 x 3, the crop 1216 x 352; set `crop: false`"):
        VirtualKitti(crop=True).read(small, PHOTO)


@pytest.mark.parametrize("layout", [0, 1, 2])
def test_photos_and_depth_may_lie_apart_and_stay_packed(unpacked, tmp_path, layout):
    root = parts(unpacked, tmp_path)[layout]
    dataset = VirtualKitti(cameras=(0,))
    assert dataset.scan(root, "val") == dataset.scan(unpacked, "val")
    found, expected = dataset.read(root, PHOTO), dataset.read(unpacked, PHOTO)
    assert torch.equal(found.image, expected.image)
    assert torch.equal(found.maps["depth"], expected.maps["depth"])
    assert dataset.identity(root, PHOTO)


@pytest.mark.parametrize("prefix", ["", "./"])
def test_a_published_tar_is_read_by_its_lists(small, tmp_path, prefix):
    tar = packed(small, tmp_path / "vkitti.tar", prefix, "Scene01")
    listed = tmp_path / "val.txt"
    listed.write_text(f"{PHOTO} {DEPTH}\n\n")
    dataset = VirtualKitti(lists={"val": listed})
    assert dataset.card_of(tar).splits == ("val",)
    assert dataset.scan(tar, "val") == [PHOTO]
    assert float(dataset.read(tar, PHOTO).maps["depth"][0, 2, 3]) == 2.5
    with pytest.raises(DataError, match="no split named `train`"):
        dataset.scan(tar, "train")
    with pytest.raises(DataError, match="in none of the lists"):
        dataset.read(tar, "another.jpg")


@pytest.mark.parametrize("layout", ["two folders", "one"])
def test_the_folder_above_the_data_set_may_be_given(unpacked, tmp_path, layout):
    outer = tmp_path / "outer"
    outer.mkdir()
    parts(unpacked, tmp_path)
    (outer / "vkitti").symlink_to(unpacked if layout == "one" else tmp_path / layout)
    assert ONE.scan(outer, "val") == ONE.scan(unpacked, "val")
    assert torch.equal(ONE.read(outer, PHOTO).image, ONE.read(unpacked, PHOTO).image)


def test_a_folder_may_hold_the_published_tar(small):
    expected = ONE.read(small, PHOTO).maps["depth"]
    (small / "tars").mkdir()
    packed(small, small / "tars/vkitti.tar", "./", "Scene01")
    assert ONE.scan(small / "tars", "val") == [PHOTO]
    assert torch.equal(ONE.read(small / "tars", PHOTO).maps["depth"], expected)


def test_lists_and_choices_are_settings_of_a_recipe(tmp_path):
    content = {"dataset": "vkitti", "crop": True, "lists": {"train": str(tmp_path / "a.txt")}, "cameras": [1]}
    dataset = decode(Source, content).dataset
    assert dataset == VirtualKitti(crop=True, lists={"train": Path(tmp_path / "a.txt")}, cameras=(1,))
    with pytest.raises(ConfigError, match="cameras"):
        VirtualKitti(cameras=(2,))
    with pytest.raises(ConfigError, match=r"scenes: .* among Scene01, Scene02"):
        VirtualKitti(scenes=("Scene03",))


def test_a_list_that_gives_a_photo_two_depths_is_refused(small, tmp_path):
    (tmp_path / "val.txt").write_text(f"{PHOTO} {DEPTH}\n{PHOTO} other.png\n")
    with pytest.raises(DataError, match="twice, with different files"):
        VirtualKitti(lists={"val": tmp_path / "val.txt"}).scan(small, "val")


def test_the_identity_follows_files_and_settings(small):
    before = ONE.identity(small, PHOTO)
    assert before == ONE.identity(small, PHOTO)
    assert before != VirtualKitti(crop=True).identity(small, PHOTO)
    png16(small / DEPTH, np.zeros((30, 40)))
    assert ONE.identity(small, PHOTO) != before


def test_what_is_missing_is_named(small, tmp_path):
    with pytest.raises(DataError, match=r"no photo in Scene01/fog/frames/rgb/Camera_0; unpack"):
        VirtualKitti(variations=("fog",)).scan(small, "val")
    with pytest.raises(DataError, match="no split named `test`"):
        ONE.scan(small, "test")
    (small / DEPTH).unlink()
    with pytest.raises(DataError, match=rf"no {DEPTH}; unpack all of vkitti_2.0.3_depth.tar"):
        ONE.scan(small, "val")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (PIL.Image.new("L", (4, 3), 7), "is not depth in 16 bits"),
        (PIL.Image.new("RGB", (4, 3)), "is not depth in 16 bits"),
        (PIL.Image.fromarray(np.ones((2, 4), np.uint16)), "depth is 4 x 2, the photo 4 x 3"),
    ],
)
def test_depth_of_another_kind_is_refused(small, content, complaint):
    content.save(small / DEPTH)
    with pytest.raises(DataError, match=complaint):
        ONE.read(small, PHOTO)


@pytest.mark.parametrize("name", [PHOTO, DEPTH])
def test_damaged_files_are_named(small, name):
    (small / name).write_bytes((small / name).read_bytes()[:40])
    with pytest.raises(DataError, match=rf"{name}: damaged"):
        ONE.read(small, PHOTO)


def test_a_list_does_not_lead_out_of_the_folder(small, tmp_path):
    (tmp_path / "val.txt").write_text(f"{PHOTO} ../secret.png\n")
    with pytest.raises(DataError, match="leads out"):
        VirtualKitti(lists={"val": tmp_path / "val.txt"}).read(small, PHOTO)
