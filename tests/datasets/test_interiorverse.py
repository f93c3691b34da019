import numpy as np
import PIL.Image
import pytest
import torch

from marigold.core.config import decode
from marigold.core.errors import ConfigError, DataError
from marigold.data.source import Source
from marigold.datasets.interiorverse import InteriorVerse
from toys.worlds import exr, interiorverse, packed

KEY = "roomb/000_im.exr"


@pytest.fixture
def root(tmp_path):
    interiorverse(tmp_path)
    return tmp_path


def test_the_splits_are_those_of_its_own_lists(root):
    assert InteriorVerse().scan(root, "train") == ["rooma/000_im.exr", "rooma/001_im.exr"]
    assert InteriorVerse().scan(root, "val") == ["roomb/000_im.exr", "roomb/001_im.exr"]
    assert InteriorVerse().scan(root, "test") == ["roomc/000_im.exr", "roomc/001_im.exr"]


@pytest.mark.parametrize("line", ["roomb/001", "./scenes_85/roomb/001_im.exr", "dataset_85/roomb/001_albedo.exr"])
def test_a_list_may_name_single_frames(root, line):
    (root / "val.txt").write_text(f"{line}\n")
    assert InteriorVerse().scan(root, "val") == ["roomb/001_im.exr"]


@pytest.mark.parametrize("layout", ["scenes_85", "the folder itself", "tar", "tar with ./", "tar beside the lists"])
def test_the_folder_may_have_either_name_and_stay_packed(tmp_path, layout):
    interiorverse(tmp_path / "raw", "scenes_85")
    root = tmp_path / "raw"
    if layout == "the folder itself":
        root = tmp_path / "raw/scenes_85"
        for split in ("train", "val", "test"):
            (tmp_path / f"raw/{split}.txt").rename(root / f"{split}.txt")
    elif layout == "tar beside the lists":
        packed(root, root / "scenes_85.tar", "./", "scenes_85")
        (root / "scenes_85").rename(tmp_path / "away")
    elif layout.startswith("tar"):
        root = packed(root, tmp_path / "x.tar", "./" if layout.endswith("./") else "")
    assert InteriorVerse().scan(root, "val") == ["roomb/000_im.exr", "roomb/001_im.exr"]
    assert InteriorVerse().read(root, KEY).maps["metallicity"].unique().tolist() == [1]


def test_the_photo_is_clipped_light_at_a_gamma_of_2_2(root):
    """0.25 ^ (1 / 2.2) = 0.53252."""
    image = InteriorVerse().read(root, KEY).image
    assert image.dtype == torch.float32
    assert image[:, 0].unique().tolist() == [1]
    assert image[:, 1].unique().tolist() == [0]
    assert image[:, 2:].unique().tolist() == pytest.approx([0.5325205])


def test_every_field_is_physical(root):
    maps = InteriorVerse().read(root, KEY).maps
    assert maps["depth"][0, 0].tolist() == [1, 2, 3, 4, 5, 0]
    assert maps["normals"][:, 1, 1].tolist() == pytest.approx([0, 0.6, 0.8])
    assert maps["albedo"][:, 1, 1].tolist() == [0.5, 0.25, 0]
    assert maps["roughness"].unique().tolist() == [0.25]
    assert maps["metallicity"].unique().tolist() == [1]


def test_splits_can_be_joined(root):
    train, val = (InteriorVerse().scan(root, split) for split in ("train", "val"))
    assert len(train) == len(val) == 2
    assert InteriorVerse().scan(root, "train+val") == train + val


def test_what_may_be_used_is_what_the_mask_allows_and_the_field_has(root):
    valid = InteriorVerse().read(root, KEY).valid
    assert all(not mask[0, 3].any() for mask in valid.values())
    assert valid["depth"][0, 0].tolist() == [True] * 5 + [False]
    assert valid["normals"][0, 0].tolist() == [False] + [True] * 5
    for name in ("albedo", "roughness", "metallicity"):
        assert valid[name][0, :3].all()


def test_the_published_evaluation_scores_what_the_mask_leaves_out(root):
    whole = InteriorVerse(fields=("albedo", "depth"), masked=False)
    (root / "dataset_85/roomb/000_mask.exr").unlink()
    sample = whole.read(root, KEY)
    assert sample.valid["albedo"].all()
    assert sample.valid["depth"][0].int().tolist() == [[1, 1, 1, 1, 1, 0]] * 4
    assert whole.identity(root, KEY)
    assert "whatever the mask says" in whole.card_of(root).mask


def test_only_the_evaluation_of_materials_has_a_published_count(root, tmp_path):
    assert InteriorVerse(fields=("albedo", "roughness", "metallicity")).card_of(root).counts == {"test": 2672}
    assert InteriorVerse(fields=("albedo", "normals")).card_of(root).counts == {}
    assert InteriorVerse().card_of(root).counts == {}
    assert published(root, tmp_path, "a_im.exr a_albedo.exr").card_of(root).counts == {"test": 2672}
    assert published(root, tmp_path, "a_img.png a_normal.npy").card_of(root).counts == {}


def test_a_mask_may_have_one_channel(root):
    exr(root / "dataset_85/roomb/000_mask.exr", np.eye(4, 6)[..., None], "Y")
    assert torch.equal(InteriorVerse().read(root, KEY).valid["albedo"][0], torch.eye(4, 6).bool())


def test_what_is_no_number_is_invalid(root):
    """In the photo for all fields, in a map for its own; infinite light is white."""
    light = np.full((4, 6, 3), 0.25)
    light[0, 0, 1], light[0, 1] = np.nan, np.inf
    exr(root / "dataset_85/roomb/000_im.exr", light)
    albedo = np.full((4, 6, 3), 2.0)
    albedo[1, 0, 2], albedo[1, 1] = np.nan, -1
    exr(root / "dataset_85/roomb/000_albedo.exr", albedo)
    normals = np.full((4, 6, 3), (0, 0, 1.0))
    normals[2, 0, 0] = np.nan
    exr(root / "dataset_85/roomb/000_normal.exr", normals)
    sample = InteriorVerse().read(root, KEY)
    assert sample.image.isfinite().all()
    assert sample.image[:, 0, 1].tolist() == [1, 1, 1]
    assert not any(mask[0, 0, 0] for mask in sample.valid.values())
    assert sample.valid["roughness"][0, :3].sum() == 17
    assert sample.valid["albedo"][0, 1].tolist() == [False] + [True] * 5
    assert sample.maps["albedo"][0, 1].tolist() == [0, 0, 1, 1, 1, 1]
    assert sample.valid["normals"][0, 2].tolist() == [False] + [True] * 5
    assert all(values.isfinite().all() for values in sample.maps.values())


def test_only_the_files_of_the_fields_that_are_asked_for_are_read(root):
    for word in ("depth", "normal", "material"):
        (root / f"dataset_85/roomb/000_{word}.exr").unlink()
    dataset = InteriorVerse(fields=("albedo",))
    assert dataset.card_of(root).fields == ("albedo",)
    assert set(dataset.read(root, KEY).maps) == {"albedo"}
    assert dataset.identity(root, KEY)
    with pytest.raises(DataError, match=r"000_material\.exr: no such file"):
        InteriorVerse(fields=("roughness",)).read(root, KEY)
    with pytest.raises(ConfigError, match="fields: shading cannot be used; it must be among depth, normals"):
        InteriorVerse(fields=("shading",))


def published(root, tmp_path, line):
    (tmp_path / "list.txt").write_text(line + "\n")
    return InteriorVerse(lists={"train": tmp_path / "list.txt"})


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_published_tar_of_materials_is_read_by_its_list(root, tmp_path, prefix):
    (root / "dataset_85").rename(root / "scenes_85")
    key = "scenes_85/roomc/001_im.exr"
    line = " ".join(key.replace("im", word) for word in ("im", "albedo", "material", "mask"))
    tar = packed(root, tmp_path / "x.tar", prefix, "scenes_85")
    dataset = published(root, tmp_path, line)
    assert dataset.card_of(tar).fields == ("albedo", "roughness", "metallicity")
    assert dataset.card_of(tar).splits == ("train",)
    assert dataset.scan(tar, "train") == [key]
    sample = dataset.read(tar, key)
    assert set(sample.maps) == {"albedo", "roughness", "metallicity"}
    assert sample.maps["roughness"].unique().tolist() == [0.25]


@pytest.mark.parametrize("prefix", ["", "./"])
def test_the_published_normals_are_read_by_their_list(tmp_path, prefix):
    folder = tmp_path / "made/scenes_85/room"
    folder.mkdir(parents=True)
    PIL.Image.new("RGB", (6, 4), (51, 102, 153)).save(folder / "000_img.png")
    normals = np.full((4, 6, 3), (0, 0.6, 0.8), np.float32)
    normals[0, 0], normals[0, 1] = np.nan, 0
    np.save(folder / "000_normal.npy", normals)
    tar = packed(tmp_path / "made", tmp_path / "x.tar", prefix)
    key = "scenes_85/room/000_img.png"
    dataset = published(tar, tmp_path, f"{key} scenes_85/room/000_normal.npy")
    assert dataset.card_of(tar).fields == ("normals",)
    sample = dataset.read(tar, key)
    assert sample.image[:, 0, 0].tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert sample.valid["normals"][0, 0].tolist() == [False, False, True, True, True, True]
    assert sample.maps["normals"][:, 1, 1].tolist() == pytest.approx([0, 0.6, 0.8])
    assert dataset.identity(tar, key)
    with pytest.raises(DataError, match="has normals alone, not depth; correct `fields`"):
        InteriorVerse(fields=("depth",), lists=dataset.lists).read(tar, key)


def test_a_list_with_depth_in_its_second_column_is_refused(root, tmp_path):
    PIL.Image.new("RGB", (6, 4)).save(root / "a.png")
    np.save(root / "d.npy", np.ones((4, 6), np.float32))
    with pytest.raises(DataError, match=r"float32 \[4, 6\], not normals \[H, W, 3\]; give lists with the normals in"):
        published(root, tmp_path, "a.png d.npy n.npy").read(root, "a.png")


def test_settings_are_those_of_a_recipe(tmp_path):
    content = {"dataset": "interiorverse", "fields": ["normals"], "lists": {"train": str(tmp_path)}}
    assert decode(Source, content).dataset == InteriorVerse(fields=("normals",), lists={"train": tmp_path})


def test_what_is_missing_or_damaged_is_named(root):
    with pytest.raises(DataError, match="no split named `all`"):
        InteriorVerse().scan(root, "all")
    (root / "val.txt").write_text("elsewhere\n../secret\n/\n")
    with pytest.raises(DataError, match=r"no photo of the scenes in val\.txt; unpack dataset_85"):
        InteriorVerse().scan(root, "val")
    (root / "val.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match=r"val\.txt: no text in UTF-8"):
        InteriorVerse().scan(root, "val")
    (root / "val.txt").unlink()
    with pytest.raises(DataError, match=r"no val\.txt; put it there, or give `lists`"):
        InteriorVerse().scan(root, "val")
    exr(root / "dataset_85/roomb/000_albedo.exr", np.zeros((4, 5, 3)))
    with pytest.raises(DataError, match="albedo is 5 x 4, the photo 6 x 4"):
        InteriorVerse().read(root, KEY)
    exr(root / "dataset_85/roomb/001_mask.exr", np.ones((3, 6, 3)))
    with pytest.raises(DataError, match=r"001_mask\.exr: not of the photo's size"):
        InteriorVerse().read(root, "roomb/001_im.exr")
    (root / "dataset_85/roomb/000_im.exr").write_bytes(b"v/1\x01" * 30)
    with pytest.raises(DataError, match=r"000_im\.exr: damaged"):
        InteriorVerse().read(root, KEY)


def test_fields_that_were_not_downloaded_are_not_those_of_the_data_set(root):
    for path in root.rglob("*.exr"):
        if path.stem.endswith(("depth", "normal")):
            path.unlink()
    assert InteriorVerse().card_of(root).fields == ("albedo", "roughness", "metallicity")
    assert list(InteriorVerse().read(root, KEY).maps) == ["albedo", "roughness", "metallicity"]


def test_the_folder_of_scenes_may_be_given_with_its_lists_beside_it(root):
    expected = ["roomb/000_im.exr", "roomb/001_im.exr"]
    assert InteriorVerse().scan(root / "dataset_85", "val") == expected
    (root / "val.txt").write_bytes(b"\xef\xbb\xbf\r\nroomb\r\n")
    assert InteriorVerse().scan(root / "dataset_85", "val") == expected


def test_the_folder_above_the_data_set_may_be_given_and_a_tar_with_a_folder_around_it(tmp_path):
    interiorverse(tmp_path / "above/InteriorVerse")
    for root in (tmp_path / "above", packed(tmp_path / "above", tmp_path / "x.tar", "")):
        assert InteriorVerse().scan(root, "val") == ["roomb/000_im.exr", "roomb/001_im.exr"]
        assert InteriorVerse().read(root, KEY).maps["metallicity"].unique().tolist() == [1]


def test_a_published_list_fits_the_folder_of_scenes_too(root, tmp_path):
    key = "./scenes_85/roomc/001_im.exr"
    (root / "dataset_85").rename(root / "scenes_85")
    dataset = published(root, tmp_path, " ".join(key.replace("im", word) for word in ("im", "albedo", "material")))
    for place in (root, root / "scenes_85", packed(root / "scenes_85", tmp_path / "x.tar")):
        assert dataset.scan(place, "train") == [key]
        assert dataset.read(place, key).maps["roughness"].unique().tolist() == [0.25]
        assert dataset.identity(place, key)


def test_a_photo_that_two_splits_share_comes_once_where_both_are_read(root):
    (root / "test.txt").write_text("roomb/001\nroomc\n")
    expected = ["roomb/000_im.exr", "roomb/001_im.exr", "roomc/000_im.exr", "roomc/001_im.exr"]
    assert InteriorVerse().scan(root, "val+test") == expected
