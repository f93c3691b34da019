from pathlib import Path

import numpy as np
import pytest
import torch

from marigold.core.config import decode
from marigold.core.errors import ConfigError, DataError
from marigold.data.source import Source
from marigold.datasets.kitti import Kitti
from toys.benchmarks import kitti
from toys.worlds import grey_photo, packed, png16

DRIVE = "2011_09_30_drive_0033_sync"
PHOTO = f"2011_09_30/{DRIVE}/image_02/data/0000000005.png"
DEPTH = f"{DRIVE}/proj_depth/groundtruth/image_02/0000000005.png"
PLAIN = Kitti(crop=False, mask="none")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kitti")
    kitti(folder)
    return folder


@pytest.fixture
def small(tmp_path):
    """One sample of 4 x 2 pixels in 256ths of a metre."""
    grey_photo(tmp_path / PHOTO, 51, 4, 2)
    png16(tmp_path / "val" / DEPTH, np.array([[0, 1, 256, 640], [20479, 20480, 20481, 65535]]))
    return tmp_path


def window(sample):
    """The first and last row and column that are valid, all within being so."""
    valid = sample.valid["depth"][0]
    rows, columns = (valid.any(dim=dim).nonzero().flatten().tolist() for dim in (1, 0))
    assert int(valid.sum()) == len(rows) * len(columns)
    return rows[0], rows[-1], columns[0], columns[-1]


def test_depth_is_256ths_of_a_metre_strictly_below_80(small):
    sample = PLAIN.read(small, PHOTO)
    assert torch.equal(sample.image, torch.full((3, 2, 4), 51 / 255))
    assert sample.valid["depth"].tolist() == [[[False, True, True, True], [True, False, False, False]]]
    assert sample.maps["depth"][0, 0].tolist() == [0, 1 / 256, 1, 2.5]
    assert sample.maps["depth"][0, 1, 0] == 20479 / 256


def test_the_windows_are_fractions_of_the_cropped_photo(root):
    """0.3324324 * 352 = 117.02, 0.91351351 * 352 = 321.56, 0.0359477 * 1216 = 43.71, 0.96405229 * 1216 = 1172.29;

    0.40810811 * 352 = 143.65, 0.99189189 * 352 = 349.15. The last row and column of each is not in it.
    """
    assert Kitti().read(root, PHOTO).image.shape == (3, 352, 1216)
    assert window(Kitti().read(root, PHOTO)) == (117, 320, 43, 1171)
    assert window(Kitti(mask="garg").read(root, PHOTO)) == (143, 348, 43, 1171)
    assert window(Kitti(mask="none").read(root, PHOTO)) == (0, 351, 0, 1215)


def test_without_the_crop_the_windows_are_fractions_of_the_whole_photo(root):
    """0.3324324 * 375 = 124.66, 0.91351351 * 375 = 342.57, 0.0359477 * 1242 = 44.65, 0.96405229 * 1242 = 1197.35."""
    assert window(Kitti(crop=False).read(root, PHOTO)) == (124, 341, 44, 1196)


def test_the_crop_begins_at_row_23_and_column_13_of_the_full_size(tmp_path):
    """375 - 352 = 23 and (1242 - 1216) / 2 = 13."""
    kitti(tmp_path)
    rows, columns = np.mgrid[:375, :1242]
    png16(tmp_path / "val" / DEPTH, 256 + rows + columns)
    depth = Kitti(mask="none").read(tmp_path, PHOTO).maps["depth"][0]
    assert depth[0, 0] == (256 + 23 + 13) / 256
    assert depth[-1, -1] == (256 + 374 + 13 + 1215) / 256


def test_the_parts_of_the_benchmark_are_splits(root):
    assert Kitti().scan(root, "val") == [PHOTO]
    assert Kitti().scan(root, "train") == [
        "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png",
    ]
    assert Kitti().card_of(root).counts == {}
    with pytest.raises(DataError, match=r"no split named `test`.*the Eigen split needs its list"):
        Kitti().scan(root, "test")


def listed(folder, name="list.txt"):
    """A list with a line that has depth, and one that has none."""
    file = folder / name
    file.write_text(f"{PHOTO} {DEPTH} 707.0912\n{PHOTO.replace('0005', '0009')} None 707.0912\n")
    return file


def test_lines_without_depth_are_left_out_and_counted(small, tmp_path):
    dataset = Kitti(crop=False, mask="none", lists={"test": listed(tmp_path)})
    assert dataset.scan(small, "test") == [PHOTO]
    card = dataset.card_of(small)
    assert card.splits == ("test",)
    assert card.counts["test"] == 652
    assert card.source.endswith("lines without depth, left out: test: 1 of 2")


@pytest.mark.parametrize("part", ["", "train/", "val/", "data_depth_annotated/val/"])
def test_the_depth_of_a_list_may_lie_in_either_part(small, tmp_path, part):
    dataset = Kitti(crop=False, mask="none", lists={"test": listed(tmp_path)})
    content = (small / "val" / DEPTH).read_bytes()
    (small / "val" / DEPTH).unlink()
    (small / part / DEPTH).parent.mkdir(parents=True, exist_ok=True)
    (small / part / DEPTH).write_bytes(content)
    assert dataset.read(small, PHOTO).maps["depth"][0, 0, 3] == 2.5
    assert dataset.identity(small, PHOTO)


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_published_tar_is_read_by_the_list_beside_it(small, tmp_path_factory, prefix):
    place = tmp_path_factory.mktemp("tar")
    inside = tmp_path_factory.mktemp("inside")
    for name, source in ((PHOTO, small / PHOTO), (DEPTH, small / "val" / DEPTH)):
        (inside / name).parent.mkdir(parents=True)
        (inside / name).hardlink_to(source)
    tar = packed(inside, place / "kitti_eigen_split_test.tar", prefix)
    listed(place, "eigen_test_files_with_gt.txt")
    for root in (tar, place):
        assert PLAIN.scan(root, "test") == [PHOTO]
        assert PLAIN.read(root, PHOTO).maps["depth"][0, 0, 3] == 2.5


def test_photos_and_depth_may_lie_apart(small, tmp_path_factory):
    place = tmp_path_factory.mktemp("apart")
    (place / "raw").symlink_to(small)
    (place / "data_depth_annotated").mkdir()
    (small / "val").rename(place / "data_depth_annotated/val")
    assert PLAIN.scan(place, "val") == [PHOTO]
    assert PLAIN.read(place, PHOTO).maps["depth"][0, 0, 3] == 2.5


def test_the_card_says_what_is_scored(root):
    card = Kitti().card_of(root)
    assert card.mask == "KITTI's benchmark crop 352 x 1216, Eigen crop, laser depth between 1e-05 and 80 m"
    assert Kitti(crop=False, mask="garg").card_of(root).mask.startswith("Garg crop, ")
    assert card.depth_range == (1e-5, 80)


def test_what_is_missing_or_small_is_named(small, tmp_path_factory):
    with pytest.raises(DataError, match=r"4 x 2, the crop 1216 x 352; set `crop: false`"):
        Kitti().read(small, PHOTO)
    with pytest.raises(DataError, match=r"no depth in train/DRIVE/proj_depth.*; unpack data_depth_annotated\.zip"):
        Kitti().scan(small, "train")
    (small / PHOTO).unlink()
    with pytest.raises(DataError, match=rf"val/{DEPTH} has no {PHOTO}; unpack the raw data"):
        Kitti().scan(small, "val")


def test_settings_are_those_of_a_recipe(tmp_path):
    content = {"dataset": "kitti", "crop": False, "mask": "garg", "lists": {"test": str(tmp_path / "a.txt")}}
    assert decode(Source, content).dataset == Kitti(crop=False, mask="garg", lists={"test": Path(tmp_path / "a.txt")})
    with pytest.raises(ConfigError, match="mask"):
        decode(Source, {"dataset": "kitti", "mask": "nothing"})
    with pytest.raises(ConfigError, match=r"mask: .* among eigen, garg, none"):
        Kitti(mask="nothing")  # type: ignore[arg-type]
