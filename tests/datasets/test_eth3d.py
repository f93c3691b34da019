import numpy as np
import pytest
import torch

from marigold.core.errors import DataError
from marigold.datasets.eth3d import Eth3d
from toys.benchmarks import eth3d
from toys.worlds import grey_photo, packed

KEY = "courtyard/images/dslr_images/DSC_0286.JPG"
DEPTH = "courtyard/ground_truth_depth/dslr_images/DSC_0286.JPG"


@pytest.fixture
def root(tmp_path):
    eth3d(tmp_path / "eth3d")
    return tmp_path / "eth3d"


def test_depth_is_raw_numbers_and_infinity_is_none(root):
    assert Eth3d().scan(root, "test") == [KEY, KEY.replace("courtyard", "pipes")]
    sample = Eth3d().read(root, KEY)
    assert torch.equal(sample.image, torch.full((3, 4, 6), 51 / 255))
    assert sample.maps["depth"][0].tolist() == [[1, 2, 3, 4, 5, 0]] * 4
    assert sample.valid["depth"][0].tolist() == [[True] * 5 + [False]] * 4


def test_what_is_no_depth_is_invalid(root):
    numbers = np.array([[np.nan, -np.inf, np.inf, -1, 0, 1e-6]] * 3 + [[2e-5, 1, 1e3, 1e30, 5, 6]], "<f4")
    (root / DEPTH).write_bytes(numbers.tobytes())
    sample = Eth3d().read(root, KEY)
    assert not sample.valid["depth"][0, :3].any()
    assert sample.valid["depth"][0, 3].all()
    assert sample.maps["depth"].isfinite().all()


def test_depth_has_the_size_of_its_photo_by_rows(root):
    """The full one is 6048 x 4032 pixels, 4032 rows: 97,542,144 bytes."""
    grey_photo(root / KEY, 51, 2, 3)
    (root / DEPTH).write_bytes(np.arange(1, 7, dtype="<f4").tobytes())
    assert Eth3d().read(root, KEY).maps["depth"][0].tolist() == [[1, 2], [3, 4], [5, 6]]


@pytest.mark.parametrize("change", [lambda content: content[:-4], lambda content: content + bytes(4), lambda _: b""])
def test_depth_of_a_wrong_length_is_named(root, change):
    (root / DEPTH).write_bytes(change((root / DEPTH).read_bytes()))
    with pytest.raises(DataError, match=rf"{DEPTH}: damaged \(\d+ bytes of numbers, where 6 x 4 pixels have 96\)"):
        Eth3d().read(root, KEY)


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_published_tar_is_read_with_and_without_its_list(root, tmp_path, prefix):
    tar = packed(root, tmp_path / "eth3d.tar", prefix)
    assert Eth3d().scan(tar, "test")[0] == KEY
    (tmp_path / "eth3d_filename_list.txt").write_text(f"{KEY} {DEPTH}\n")
    assert Eth3d().scan(tar, "test") == [KEY]
    assert Eth3d().read(tar, KEY).maps["depth"][0, 0, 4] == 5
    given = Eth3d(lists={"all": tmp_path / "eth3d_filename_list.txt"})
    assert given.card_of(tar).splits == ("all",)
    assert given.identity(tar, KEY)


def test_photos_and_depth_may_lie_apart(root, tmp_path):
    for name in ("images", "ground_truth_depth"):
        for scene in ("courtyard", "pipes"):
            target = tmp_path / "apart" / f"multi_view_{name}" / scene
            target.mkdir(parents=True)
            (root / scene / name).rename(target / name)
    assert Eth3d().scan(tmp_path / "apart", "test") == [KEY, KEY.replace("courtyard", "pipes")]
    assert Eth3d().read(tmp_path / "apart", KEY).maps["depth"][0, 0, 4] == 5


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_published_tar_has_a_folder_of_depth_for_each_scene(root, tmp_path, prefix):
    made = tmp_path / "made"
    for scene in ("courtyard", "pipes"):
        for name, top in (("images", "rgb"), ("ground_truth_depth", f"depth/{scene}_dslr_depth")):
            (made / top / scene).mkdir(parents=True)
            (root / scene / name).rename(made / top / scene / name)
    tar = packed(made, tmp_path / "eth3d.tar", prefix)
    assert Eth3d().scan(tar, "test") == [KEY, KEY.replace("courtyard", "pipes")]
    assert Eth3d().read(tar, KEY).maps["depth"][0, 0, 4] == 5
    (tmp_path / "eth3d_filename_list.txt").write_text(f"rgb/{KEY} depth/courtyard_dslr_depth/{DEPTH}\n")
    assert Eth3d().scan(tar, "test") == [f"rgb/{KEY}"]
    assert Eth3d().read(tar, f"rgb/{KEY}").maps["depth"][0, 0, 4] == 5


def test_the_card_has_the_published_count_and_range():
    assert Eth3d().card.counts == {"test": 454}
    assert Eth3d().card.depth_range == (1e-5, float("inf"))


def test_what_is_missing_is_named(root):
    with pytest.raises(DataError, match="no split named `train`"):
        Eth3d().scan(root, "train")
    before = Eth3d().identity(root, KEY)
    (root / DEPTH).write_bytes(b"")
    assert Eth3d().identity(root, KEY) != before
    (root / DEPTH).unlink()
    with pytest.raises(DataError, match=rf"{KEY} has no {DEPTH}; unpack the depth of ETH3D"):
        Eth3d().scan(root, "test")
    with pytest.raises(DataError, match="no photo in SCENE/images/dslr_images; give the folder"):
        Eth3d().scan(root / "courtyard/images", "test")
