import numpy as np
import pytest
import torch

from marigold.core.errors import DataError
from marigold.datasets.diode import Diode
from toys.benchmarks import diode, save
from toys.worlds import packed

INDOORS = "indoors/scene_00019/scan_00183/00019_a.png"
OUTDOOR = "outdoor/scene_00019/scan_00183/00022_b.png"
DEPTH = INDOORS.replace(".png", "_depth.npy")
MASK = INDOORS.replace(".png", "_depth_mask.npy")


@pytest.fixture
def root(tmp_path):
    diode(tmp_path / "diode")
    return tmp_path / "diode"


def test_the_splits_are_indoors_outdoor_and_both(root):
    assert Diode().scan(root, "indoors") == [INDOORS]
    assert Diode().scan(root, "outdoor") == [OUTDOOR]
    assert Diode().scan(root, "val") == [INDOORS, OUTDOOR]
    assert Diode().card_of(root).counts == {"val": 771, "indoors": 325, "outdoor": 446}
    for wrong in ("indoor", "outdoors", "train"):
        with pytest.raises(DataError, match=f"no split named `{wrong}`"):
            Diode().scan(root, wrong)


@pytest.mark.parametrize("key", [INDOORS, OUTDOOR])
def test_a_mask_of_either_type_says_what_is_valid(root, key):
    sample = Diode().read(root, key)
    assert torch.equal(sample.image, torch.full((3, 4, 6), 51 / 255))
    assert sample.maps["depth"][0].tolist() == [[0] * 6] + [[1, 2, 3, 4, 5, 6]] * 3
    assert sample.valid["depth"][0].tolist() == [[False] * 6] + [[True] * 6] * 3


def test_depth_out_of_the_published_range_is_used_where_the_mask_allows_it(root):
    """But for what is no depth at all."""
    depth = np.array([[0.5, 0.6, 350, 400, 0, np.nan]] * 4, np.float32)[..., None]
    depth[2, :2, 0] = np.inf, -1
    save(root / "val" / DEPTH, depth)
    sample = Diode().read(root, INDOORS)
    assert sample.valid["depth"][0, 1].tolist() == [True, True, True, True, False, False]
    assert sample.valid["depth"][0, 2].tolist() == [False, False, True, True, False, False]
    assert sample.maps["depth"].isfinite().all()
    assert Diode().card.depth_range == (0.6, 350)


def test_any_mask_that_is_not_zero_allows_and_may_have_a_channel(root):
    mask = np.zeros((4, 6, 1))
    mask[0, :4, 0] = 1, 0.5, np.nan, 255
    save(root / "val" / MASK, mask)
    assert Diode().read(root, INDOORS).valid["depth"][0, 0].tolist() == [True, True, False, True, False, False]


@pytest.mark.parametrize("top", ["val", "."])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_archive_may_stay_packed(root, tmp_path, top, prefix):
    tar = packed(root / "val" if top == "." else root, tmp_path / "diode_val.tar", prefix)
    assert Diode().scan(tar, "val") == [INDOORS, OUTDOOR]
    assert Diode().read(tar, OUTDOOR).maps["depth"][0, 1, 5] == 6


def test_the_published_lists_are_found_beside_the_tar(root, tmp_path):
    tar = packed(root / "val", tmp_path / "diode_val.tar", "./")
    line = f"{INDOORS} {DEPTH} {MASK}\n"
    (tmp_path / "diode_val_all_filename_list.txt").write_text(line)
    (tmp_path / "diode_val_indoor_filename_list.txt").write_text(line)
    assert Diode().card_of(tar).splits == ("val", "indoors")
    assert Diode().scan(tar, "val") == Diode().scan(tar, "indoors") == [INDOORS]
    assert Diode().read(tar, INDOORS).valid["depth"].sum() == 18
    assert Diode().identity(tar, INDOORS)


def test_a_list_names_the_mask_too(root, tmp_path):
    (tmp_path / "list.txt").write_text(f"{INDOORS} {DEPTH}\n")
    with pytest.raises(DataError, match=r"list\.txt: line 1 has 2 paths, 3 are needed"):
        Diode(lists={"val": tmp_path / "list.txt"}).scan(root, "val")


def test_the_training_part_is_never_taken_for_the_validation(root):
    (root / "val").rename(root / "train")
    with pytest.raises(DataError, match="has the folder `train` alone; give the folder that holds `val`"):
        Diode().scan(root, "val")


@pytest.mark.parametrize("name", [DEPTH, MASK])
def test_what_is_missing_or_damaged_is_named(root, name):
    file = root / "val" / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=rf"{name}: damaged \(has not the bytes of float"):
        Diode().read(root, INDOORS)
    file.unlink()
    with pytest.raises(DataError, match=rf"{INDOORS} has no {name}; unpack all"):
        Diode().scan(root, "indoors")
    assert Diode().scan(root, "outdoor") == [OUTDOOR]


def test_arrays_of_another_kind_are_refused(root):
    save(root / "val" / MASK, np.ones((4, 5)))
    with pytest.raises(DataError, match=rf"{MASK}: a mask float64 \[4, 5\] for values of 6 x 4"):
        Diode().read(root, INDOORS)
    save(root / "val" / MASK, np.full((4, 6), "1"))
    with pytest.raises(DataError, match=rf"{MASK}: a mask <U1"):
        Diode().read(root, INDOORS)
    save(root / "val" / DEPTH, np.ones((4, 6, 3), np.float32))
    with pytest.raises(DataError, match=rf"{DEPTH}: float32 \[4, 6, 3\], not depth \[H, W, 1\]"):
        Diode().read(root, INDOORS)
    save(root / "val" / DEPTH, np.ones((5, 6, 1), np.float32))
    save(root / "val" / MASK, np.ones((5, 6)))
    with pytest.raises(DataError, match="depth is 6 x 5, the photo 6 x 4"):
        Diode().read(root, INDOORS)
