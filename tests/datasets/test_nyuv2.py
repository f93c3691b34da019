import sys

import h5py
import numpy as np
import PIL.Image
import pytest
import scipy.io
import torch

from marigold.core.config import decode
from marigold.core.errors import ConfigError, DataError, MissingExtraError
from marigold.data.source import Source
from marigold.datasets.nyuv2 import NyuV2
from toys.benchmarks import nyuv2, nyuv2_archive
from toys.mutations import damaged_bytes, survives
from toys.worlds import grey_photo, packed, png16

KEY = "test/kitchen_0002/rgb_0001.png"
DEPTH = "test/kitchen_0002/depth_0001.png"
ALL = NyuV2(mask="none")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    nyuv2(root)
    return root


@pytest.fixture
def small(tmp_path):
    """A sample of 4 x 2 pixels in millimetres; the filled depth is another."""
    grey_photo(tmp_path / KEY, 51, 4, 2)
    png16(tmp_path / DEPTH, np.array([[0, 1, 2, 1000], [2500, 9999, 10000, 65535]]))
    png16(tmp_path / DEPTH.replace("depth_", "filled_"), np.full((2, 4), 5000))
    return tmp_path


@pytest.fixture
def archive(tmp_path):
    nyuv2_archive(tmp_path)
    return tmp_path


def test_depth_is_metres_of_millimetres_strictly_between_a_millimetre_and_ten_metres(small):
    sample = ALL.read(small, KEY)
    assert torch.equal(sample.image, torch.full((3, 2, 4), 51 / 255))
    assert sample.valid["depth"].tolist() == [[[False, False, True, True], [True, True, False, False]]]
    assert sample.maps["depth"][0, 0].tolist() == pytest.approx([0, 0, 0.002, 1])
    assert sample.maps["depth"][0, 1].tolist() == pytest.approx([2.5, 9.999, 0, 0])


def test_the_eigen_crop_is_rows_45_to_470_and_columns_41_to_600(pictures):
    valid = NyuV2().read(pictures, KEY).valid["depth"][0]
    rows, columns = valid.any(dim=1).nonzero(), valid.any(dim=0).nonzero()
    assert (int(rows.min()), int(rows.max())) == (45, 470)
    assert (int(columns.min()), int(columns.max())) == (41, 600)
    assert int(valid.sum()) == 426 * 560
    assert bool(ALL.read(pictures, KEY).valid["depth"].all())


def test_the_eigen_crop_is_of_one_size_alone(small):
    with pytest.raises(DataError, match="4 x 2, the Eigen crop is one of 640 x 480 pixels; set `mask: none`"):
        NyuV2().read(small, KEY)


def test_the_card_has_the_published_counts_range_and_mask(pictures):
    card = NyuV2().card_of(pictures)
    assert card.counts == {"train": 795, "test": 654}
    assert card.depth_range == (0.001, 10)
    assert "rows 45 to 470, columns 41 to 600" in card.mask
    assert "Eigen" not in ALL.card_of(pictures).mask


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_published_tar_is_read_with_and_without_its_lists(small, tmp_path_factory, prefix):
    place = tmp_path_factory.mktemp("tar")
    tar = packed(small, place / "nyu_labeled_extracted.tar", prefix)
    assert ALL.scan(tar, "test") == [KEY]
    listed = tmp_path_factory.mktemp("lists") / "list.txt"
    listed.write_text(f"{KEY} {DEPTH} {DEPTH.replace('depth_', 'filled_')}\n")
    dataset = NyuV2(mask="none", lists={"test": listed})
    assert dataset.card_of(tar).splits == ("test",)
    assert dataset.scan(tar, "test") == [KEY]
    assert dataset.read(tar, KEY).maps["depth"][0, 1, 0] == 2.5
    assert dataset.identity(tar, KEY)


def test_the_published_list_is_found_beside_the_tar_and_in_the_folder_that_holds_it(small, tmp_path_factory):
    place = tmp_path_factory.mktemp("tar")
    tar = packed(small, place / "nyu_labeled_extracted.tar", "./")
    (place / "filename_list_test.txt").write_text(f"{KEY} {DEPTH} filled.png\n")
    for root in (tar, place):
        assert ALL.card_of(root).splits == ("test",)
        assert ALL.scan(root, "test") == [KEY]
        assert ALL.read(root, KEY).maps["depth"][0, 1, 0] == 2.5
        with pytest.raises(DataError, match="no split named `train`"):
            ALL.scan(root, "train")


def test_the_synchronised_frames_may_lie_below_official_splits(tmp_path):
    folder = tmp_path / "official_splits/test/bathroom"
    grey_photo(folder / "rgb_00045.jpg", 51, 4, 2)
    png16(folder / "sync_depth_00045.png", np.full((2, 4), 1250))
    (key,) = ALL.scan(tmp_path, "test")
    assert key == "test/bathroom/rgb_00045.jpg"
    assert ALL.read(tmp_path, key).maps["depth"].unique().tolist() == [1.25]


def test_the_archive_is_stored_by_columns_and_its_splits_count_from_one(archive):
    assert ALL.scan(archive, "train") == ["0001", "0003"]
    assert ALL.scan(archive, "test") == ["0002"]
    sample = ALL.read(archive, "0003")
    assert sample.image.shape == (3, 4, 6)
    assert (sample.image[0] * 255).round().tolist() == [[150, 151, 152, 153, 154, 155]] * 4
    assert (sample.image[1] * 255).round()[:, 0].tolist() == [0, 1, 2, 3]
    assert int(sample.image[2].count_nonzero()) == 0
    assert sample.maps["depth"][0].tolist() == [[3, 4, 5, 6, 7, 8]] * 4


def test_the_archive_has_the_eigen_crop_at_its_own_size(tmp_path):
    nyuv2_archive(tmp_path, 640, 480)
    valid = NyuV2().read(tmp_path, "0001").valid["depth"][0]
    # Depth is 1 m + 1 m for each column, so that it ends before column 10, where the crop has not begun.
    assert not valid.any()
    assert ALL.read(tmp_path, "0001").valid["depth"][0].any(dim=0).sum() == 9


@pytest.mark.parametrize("how", ["the file itself", "another split file", "splits of version 7.3"])
def test_the_archive_and_its_splits_may_lie_apart(archive, tmp_path_factory, how):
    root, dataset = archive, ALL
    if how == "the file itself":
        root = archive / "nyu_depth_v2_labeled.mat"
    elif how == "another split file":
        other = tmp_path_factory.mktemp("other") / "official.mat"
        (archive / "splits.mat").rename(other)
        dataset = NyuV2(mask="none", split_file=other)
    else:
        with h5py.File(archive / "splits.mat", "w", userblock_size=512) as file:
            file["trainNdxs"] = np.array([[1.0, 3.0]])
    assert dataset.scan(root, "train") == ["0001", "0003"]
    assert dataset.read(root, "0001").maps["depth"][0, 0, 0] == 1


def test_splits_that_are_missing_or_none_are_named(archive):
    scipy.io.savemat(archive / "splits.mat", {"trainNdxs": np.array([[0], [3]]), "other": 1})
    with pytest.raises(DataError, match=r"splits\.mat: trainNdxs are not numbers from 1 on"):
        ALL.scan(archive, "train")
    with pytest.raises(DataError, match=r"splits\.mat: damaged \(has no variable `testNdxs`\)"):
        ALL.scan(archive, "test")
    (archive / "splits.mat").write_bytes((archive / "splits.mat").read_bytes()[:-5])
    with pytest.raises(DataError, match=r"splits\.mat: damaged \(cut short\)"):
        ALL.scan(archive, "train")
    (archive / "splits.mat").write_bytes(b"no file of MATLAB")
    with pytest.raises(DataError, match=r"splits\.mat: damaged \(not a MATLAB file"):
        ALL.scan(archive, "train")
    (archive / "splits.mat").unlink()
    with pytest.raises(DataError, match=r"splits\.mat: no such file; give `split_file`"):
        ALL.scan(archive, "train")


def test_an_archive_that_is_damaged_or_another_is_named(archive):
    with pytest.raises(DataError, match=r"nyu_depth_v2_labeled\.mat: damaged \(its `images` has 3 entries, and not"):
        ALL.read(archive, "0004")
    with pytest.raises(DataError, match="no number of a photo"):
        ALL.read(archive, "../1")
    with h5py.File(archive / "nyu_depth_v2_labeled.mat", "r+") as file:
        del file["rawDepths"]
        file["rawDepths"] = np.zeros((3, 4, 6), np.float32)
    with pytest.raises(DataError, match=r"number 0001 is photo uint8 \[3, 6, 4\], depth float32 \[4, 6\]"):
        ALL.read(archive, "0001")
    (archive / "nyu_depth_v2_labeled.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(DataError, match=r"nyu_depth_v2_labeled\.mat: damaged"):
        ALL.read(archive, "0001")


def test_a_damaged_archive_is_read_or_named(archive):
    file, good = archive / "nyu_depth_v2_labeled.mat", 0
    for number, content in enumerate(damaged_bytes(file.read_bytes(), 60)):
        file.write_bytes(content)
        good += survives(lambda: ALL.read(archive, "0002"), (DataError,), f"nyu_depth_v2_labeled, variant {number}")
    assert good < 50


def test_the_identity_follows_files_and_settings(small, archive):
    assert ALL.identity(small, "0001") != ALL.identity(small, "0002")
    (archive / "nyu_depth_v2_labeled.mat").unlink()
    before = ALL.identity(small, KEY)
    assert before != NyuV2().identity(small, KEY)
    png16(small / DEPTH, np.zeros((30, 40)))
    assert ALL.identity(small, KEY) != before


def test_what_is_missing_is_named(small, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(DataError, match=r"neither nyu_depth_v2_labeled\.mat nor test/SCENE/rgb_0001\.png; give"):
        ALL.scan(empty, "test")
    with pytest.raises(DataError, match="no split named `val`"):
        ALL.scan(small, "val")
    PIL.Image.new("L", (4, 2), 7).save(small / DEPTH)
    with pytest.raises(DataError, match=rf"{DEPTH}: is not depth in 16 bits but uint8"):
        ALL.read(small, KEY)
    (small / DEPTH).unlink()
    with pytest.raises(DataError, match=rf"{KEY} has no {DEPTH}; unpack the depth too"):
        ALL.scan(small, "test")


def test_settings_are_those_of_a_recipe():
    content = {"dataset": "nyuv2", "mask": "none", "split_file": "splits.mat"}
    dataset = decode(Source, content).dataset
    assert isinstance(dataset, NyuV2)
    assert (dataset.mask, str(dataset.split_file)) == ("none", "splits.mat")
    with pytest.raises(ConfigError, match=r"mask: .* among eigen, none"):
        NyuV2(mask="garg")  # type: ignore[arg-type]


def test_the_extra_that_is_missing_is_named(archive, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match=r"splits\.mat needs scipy.*eval"):
        ALL.scan(archive, "test")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r"labeled\.mat needs h5py.*data"):
        ALL.read(archive, "0001")
