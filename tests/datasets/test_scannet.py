import numpy as np
import PIL.Image
import pytest
import torch

from marigold.core.errors import DataError
from marigold.datasets.scannet import ScanNet
from toys.benchmarks import scannet
from toys.worlds import grey_photo, packed, png16

KEY = "scene0001_00/color/000020.jpg"
DEPTH = "scene0001_00/depth/000020.png"


@pytest.fixture
def root(tmp_path):
    scannet(tmp_path / "scannet")
    return tmp_path / "scannet"


def test_a_photo_comes_to_the_size_of_its_depth_in_millimetres(root):
    sample = ScanNet().read(root, KEY)
    assert sample.image.shape == (3, 4, 6)
    assert (sample.image - 20 / 255).abs().max() < 1e-6
    assert sample.maps["depth"][0].tolist() == [[1, 2, 3, 4, 5, 6]] * 3 + [[0] * 6]
    assert sample.valid["depth"][0].tolist() == [[True] * 6] * 3 + [[False] * 6]


def test_the_photo_is_resized_smoothly(root):
    """Stripes of one pixel in black and white become grey where two of them make one pixel."""
    stripes = np.zeros((8, 12, 3), np.uint8)
    stripes[:, ::2] = 255
    PIL.Image.fromarray(stripes).save(root / KEY, format="PNG")
    inside = ScanNet().read(root, KEY).image[:, :, 1:-1]
    assert inside.min() > 0.45
    assert inside.max() < 0.55


def test_a_photo_of_the_same_size_stays_as_it_is(root):
    grey_photo(root / KEY, 77, 6, 4)
    assert torch.equal(ScanNet().read(root, KEY).image, torch.full((3, 4, 6), 77 / 255))


def test_depth_is_valid_strictly_between_a_millimetre_and_ten_metres(root):
    png16(root / DEPTH, np.array([[0, 1, 2, 9999, 10000, 65535]] * 4))
    assert ScanNet().read(root, KEY).valid["depth"][0, 0].tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(("name", "top"), [("{:06d}", ""), ("{}", "scans/"), ("{}", "ScanNet/scans/")])
def test_numbers_may_have_no_zeros_and_scenes_may_lie_below_scans(tmp_path, name, top):
    scannet(tmp_path / top, name)
    keys = [f"scene0001_00/color/{name.format(number)}.jpg" for number in (0, 20, 100)]
    assert ScanNet().scan(tmp_path, "val") == keys
    assert (ScanNet().read(tmp_path, keys[2]).image - 100 / 255).abs().max() < 1e-6


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_published_list_chooses_frames(root, tmp_path, prefix):
    tar = packed(root, tmp_path / "scannet.tar", prefix)
    assert len(ScanNet().scan(tar, "val")) == 3
    (tmp_path / "scannet_val_sampled_list_800_1.txt").write_text(f"{KEY} {DEPTH}\n")
    for place in (tar, tmp_path):
        assert ScanNet().scan(place, "val") == [KEY]
        assert ScanNet().read(place, KEY).maps["depth"][0, 0, 5] == 6
        assert ScanNet().identity(place, KEY)
    given = ScanNet(lists={"few": tmp_path / "scannet_val_sampled_list_800_1.txt"})
    assert given.card_of(tar).splits == ("few",)


def test_the_card_has_the_published_count_and_range():
    assert ScanNet().card.counts == {"val": 800}
    assert ScanNet().card.depth_range == (0.001, 10)


def test_what_is_missing_is_named(root):
    with pytest.raises(DataError, match="no split named `test`"):
        ScanNet().scan(root, "test")
    (root / DEPTH).unlink()
    with pytest.raises(DataError, match=rf"{KEY} has no {DEPTH}; export the depth"):
        ScanNet().scan(root, "val")
    with pytest.raises(DataError, match="no photo in SCENE/color; give the folder that holds the scenes"):
        ScanNet().scan(root / "scene0001_00", "val")
