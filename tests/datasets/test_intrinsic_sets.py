import json

import numpy as np
import pytest
import torch

from marigold.core.errors import DataError
from marigold.core.sample import resize_field
from marigold.datasets.iiw import Iiw
from marigold.datasets.maw import SRGB_OF_ADOBE, Maw, numbered
from marigold.datasets.mit import Mit, balanced
from toys import intrinsic_sets
from toys.mutations import as_text, damaged_values, survives
from toys.rasters import png
from toys.worlds import packed

# MIT Intrinsic Images.


@pytest.fixture
def mit(tmp_path):
    intrinsic_sets.mit(tmp_path)
    return tmp_path


@pytest.mark.parametrize("below", ["", "MIT-intrinsic", "MIT-intrinsic/data"])
def test_objects_are_found_below_any_of_their_folders(mit, below):
    assert Mit().scan(mit / below, "test") == ["box", "sun"]
    assert Mit().read(mit / below, "sun").image.shape == (3, 4, 5)


def test_all_of_sixteen_bits_is_linear_light_of_which_the_photo_has_the_srgb_curve(mit):
    """The red of `box` is 2 * 60000 * 20000 / 65535 + 1000 = 37621.7, a share of 0.57407; of 8 bits 0.57255 remain."""
    sample = Mit().read(mit, "box")
    light = 37622 / 65535
    assert sample.image[0, 1, 1].item() == pytest.approx(1.055 * light ** (1 / 2.4) - 0.055, abs=1e-6)
    assert sample.maps["residual"][:, 1, 1].tolist() == pytest.approx([1000 / 65535] * 3)


def test_albedo_has_the_scale_of_the_object_while_it_stays_within_one(mit):
    sample = Mit().read(mit, "sun")
    assert sample.maps["albedo"][:, 2, 3].tolist() == pytest.approx(
        [0.5 * x / 65535 for x in (60000, 30000, 15000)], rel=1e-4
    )
    assert sample.maps["shading"][:, 2, 3].tolist() == pytest.approx([20000 / 65535] * 3)


def test_what_albedo_has_above_one_goes_to_the_shading(mit):
    """2 * 60000 / 65535 = 1.83108 is the largest albedo of `box`."""
    sample = Mit().read(mit, "box")
    assert sample.maps["albedo"][:, 2, 3].tolist() == pytest.approx([1, 0.5, 0.25], abs=1e-4)
    assert sample.maps["shading"][:, 2, 3].tolist() == pytest.approx([1.83108 * 20000 / 65535] * 3, rel=1e-4)


@pytest.mark.parametrize("name", ["box", "sun"])
def test_the_parts_add_up_to_the_photo(mit, name):
    sample = Mit().read(mit, name)
    light = torch.where(sample.image <= 0.04045, sample.image / 12.92, ((sample.image + 0.055) / 1.055) ** 2.4)
    maps = sample.maps
    assert (maps["albedo"] * maps["shading"] + maps["residual"] - light)[:, :, 1:].abs().max() < 2e-5


def test_the_object_is_where_the_mask_is_not_zero(mit):
    sample = Mit().read(mit, "box")
    for name in ("albedo", "shading", "residual"):
        assert sample.valid[name][0].int().tolist() == [[0, 1, 1, 1, 1]] * 4
        assert sample.maps[name][:, :, 0].abs().max() == 0


def test_an_object_without_reflectance_or_pixels_stays_as_it_is():
    grey, none = torch.full((3, 1, 2), 0.5), torch.zeros(1, 1, 2, dtype=torch.bool)
    albedo, shading = balanced(grey, grey, grey, none)
    assert torch.equal(albedo, grey)
    assert torch.equal(shading, grey)


def test_files_of_mit_that_do_not_fit_are_named(mit):
    png(mit / "MIT-intrinsic/data/box/shading.png", np.zeros((5, 4), np.uint16))
    with pytest.raises(DataError, match=r"box/shading\.png: 4 x 5, the photo 5 x 4"):
        Mit().read(mit, "box")
    (mit / "MIT-intrinsic/data/sun/mask.png").unlink()
    for ask in (Mit().read, Mit().identity):
        with pytest.raises(DataError, match=r"sun/mask\.png"):
            ask(mit, "sun")
    with pytest.raises(DataError, match=r"no OBJECT/original\.png"):
        Mit().scan(mit / "MIT-intrinsic/data/box", "test")
    with pytest.raises(DataError, match="no split named `train`"):
        Mit().scan(mit, "train")


# Intrinsic Images in the Wild.


@pytest.fixture
def iiw(tmp_path):
    intrinsic_sets.iiw(tmp_path)
    return tmp_path


def test_every_fifth_photo_by_number_is_to_test_on(iiw):
    assert Iiw().scan(iiw, "test") == ["3.png", "1001.png"]
    assert Iiw().scan(iiw, "train") == ["7.png", "12.png", "20.png", "100.png"]
    names = [f"{number}.png" for number in intrinsic_sets.IIW_NUMBERS]
    assert Iiw().scan(iiw / "iiw-dataset/data", "train+test") == names
    counts = Iiw().card.counts
    assert counts["train"] + counts["test"] == counts["train+test"] == 5230
    # The places 0, 5, ..., 5225 of 5230 photos.
    assert counts["test"] == 1046


def test_judgements_that_count_are_of_opaque_points_with_a_weight(iiw):
    sample = Iiw().read(iiw, "7.png")
    assert sample.maps == sample.valid == {}
    assert sample.annotations["judgements"].dtype == torch.float64
    assert sample.annotations["judgements"].tolist() == [
        [0.1, 0.25, 0.5, 0.75, 1, 1.5],
        [0.5, 0.75, 0.875, 0.125, 2, 0.25],
        [0.875, 0.125, 0.1, 0.25, 0, 2],
    ]


def test_a_photo_that_nobody_judged_has_no_judgements(iiw):
    file = iiw / "iiw-dataset/data/7.json"
    file.write_text(json.dumps({"intrinsic_points": [], "intrinsic_comparisons": []}))
    assert Iiw().read(iiw, "7.png").annotations["judgements"].shape == (0, 6)


@pytest.mark.parametrize(
    ("part", "place", "change"),
    [
        ("intrinsic_points", 0, {"x": 1.5}),
        ("intrinsic_points", 0, {"y": None}),
        ("intrinsic_points", 0, {"id": 99}),
        ("intrinsic_comparisons", 0, {"darker_score": "1"}),
        ("intrinsic_comparisons", 0, {"darker": ["1"]}),
        ("intrinsic_comparisons", 0, {"point1": []}),
    ],
)
def test_judgements_that_cannot_be_read_are_refused(iiw, part, place, change):
    document = intrinsic_sets.judged()
    document[part][place].update(change)
    (iiw / "iiw-dataset/data/7.json").write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"7\.json: no judgements of points"):
        Iiw().read(iiw, "7.png")


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"intrinsic_points": 1, "intrinsic_comparisons": []}', "nan"])
def test_what_is_no_file_of_judgements_is_refused(iiw, content):
    (iiw / "iiw-dataset/data/7.json").write_text(content)
    with pytest.raises(DataError, match=r"7\.json: no judgements of points"):
        Iiw().read(iiw, "7.png")


def test_however_judgements_are_damaged_they_are_read_or_refused(iiw):
    file, good = iiw / "iiw-dataset/data/7.json", 0
    for number, value in enumerate(damaged_values(intrinsic_sets.judged(), 120)):
        file.write_bytes(as_text(value))
        good += survives(lambda: Iiw().read(iiw, "7.png"), (DataError,), f"variant {number}")
    assert good < 100


def test_a_photo_without_its_judgements_is_named(iiw):
    (iiw / "iiw-dataset/data/20.json").unlink()
    with pytest.raises(DataError, match=r"20\.png: has no 20\.json"):
        Iiw().scan(iiw, "test")
    (iiw / "nothing").mkdir()
    with pytest.raises(DataError, match=r"no ID\.png"):
        Iiw().scan(iiw / "nothing", "test")
    with pytest.raises(DataError, match="no split named `val`"):
        Iiw().scan(iiw, "train+val")


# Measured Albedo in the Wild.


@pytest.fixture
def maw(tmp_path):
    intrinsic_sets.maw(tmp_path / "maw")
    return tmp_path / "maw"


KEY = "images_png/scene_2/DSC01.png"
STEM = "labels/new_masks/scene_2/DSC01"


@pytest.mark.parametrize("tar", [False, True])
def test_photos_of_maw_are_those_of_its_table(maw, tmp_path, tar):
    root = packed(maw, tmp_path / "maw.tar") if tar else maw
    assert Maw().scan(root, "test") == ["images_png/scene_10/DSC00.png", KEY]
    sample = Maw().read(root, KEY)
    assert torch.equal(sample.image, torch.full((3, 4, 6), 11 / 255))
    assert Maw().identity(root, KEY) != Maw().identity(root, "images_png/scene_10/DSC00.png")


def test_the_values_of_a_mask_are_regions_but_for_the_lowest(maw):
    sample = Maw().read(maw, KEY)
    assert sample.maps["regions"][0].tolist() == [[0, 0, 1, 0, 0, 2]] * 4
    assert sample.valid["regions"][0].int().tolist() == [[0, 0, 1, 0, 0, 1]] * 4


def test_a_mask_without_a_zero_has_none_of_its_lowest_value():
    mask = np.array([[9, 300], [65535, 300]], np.uint16)
    assert numbered(mask, "mask").tolist() == [[[0, 1], [2, 1]]]
    assert numbered(np.repeat(mask[..., None], 3, axis=-1), "mask").tolist() == [[[0, 1], [2, 1]]]
    with pytest.raises(DataError, match="mask: is in colours"):
        numbered(np.arange(12, dtype=np.uint8).reshape(2, 2, 3), "mask")


def test_colours_are_turned_from_adobe_rgb_to_srgb(maw):
    """The two spaces differ in their green primary alone: grey stays, and red is 1.3984 * 0.5 - 0.3984 * 0.25."""
    albedo = Maw().read(maw, KEY).annotations["region_albedo"]
    assert albedo.dtype == torch.float32
    assert albedo[1].tolist() == pytest.approx([0.5] * 3, abs=2e-4)
    assert albedo[0].tolist() == pytest.approx([0.5996, 0.25, 0.25], abs=2e-4)


def test_the_matrix_is_that_of_the_two_standards():
    """As in the tables of Lindbloom and of the colour-science library."""
    known = [[1.39836, -0.39836, 0], [0, 1, 0], [0, -0.04293, 1.04293]]
    assert np.abs(SRGB_OF_ADOBE - known).max() < 3e-4


def test_a_green_that_srgb_has_not_is_cut(maw):
    np.save(maw / f"{STEM}.npy", [[0.0, 1.0, 0.0], [0.5, 0.5, 0.5]])
    assert Maw().read(maw, KEY).annotations["region_albedo"][0].tolist() == pytest.approx([0, 1, 0], abs=1e-3)


def test_a_mask_of_another_size_is_brought_to_the_photo_without_mixing_regions(maw):
    mask = np.zeros((8, 12), np.uint8)
    mask[:, 4:6], mask[:, 10:] = 7, 200
    png(maw / f"{STEM}_mask.png", mask)
    assert Maw().read(maw, KEY).maps["regions"][0].tolist() == [[0, 0, 1, 0, 0, 2]] * 4
    regions = torch.tensor([[[1.0, 2.0, 9.0, 4.0]]])
    assert set(resize_field("regions", regions, 3, 7).unique().tolist()) <= {1, 2, 4, 9}


def test_colours_without_a_region_are_left_out(maw):
    np.save(maw / f"{STEM}.npy", np.full((3, 3), 0.5))
    assert Maw().read(maw, KEY).annotations["region_albedo"].shape == (2, 3)
    np.save(maw / f"{STEM}.npy", np.full((1, 3), 0.5))
    with pytest.raises(DataError, match=r"DSC01_mask\.png: 2 regions, 1 colours"):
        Maw().read(maw, KEY)


@pytest.mark.parametrize("wrong", [np.zeros((2, 4)), np.zeros(3), np.full((2, 3), np.nan), np.zeros((2, 3), np.uint8)])
def test_what_are_no_colours_is_refused(maw, wrong):
    np.save(maw / f"{STEM}.npy", wrong)
    with pytest.raises(DataError, match=r"DSC01\.npy: .*not finite colours \[regions, 3\]"):
        Maw().read(maw, KEY)


def test_a_table_of_maw_that_is_none_is_refused(maw):
    with pytest.raises(DataError, match=r"images_png/a/b\.png: not in .*meta\.csv"):
        Maw().read(maw, "images_png/a/b.png")
    (maw / "labels/meta.csv").write_text("a.npy,b.png,c,d\n")
    with pytest.raises(DataError, match=r"meta\.csv: line 1 has 1 columns, not 6"):
        Maw().scan(maw, "test")
    (maw / "labels/meta.csv").write_text("\n")
    with pytest.raises(DataError, match=r"meta\.csv: names no photo"):
        Maw().scan(maw, "test")
    with pytest.raises(DataError, match=r"no labels/meta\.csv"):
        Maw().scan(maw / "images_png", "test")
    with pytest.raises(DataError, match="no split named `train`"):
        Maw().scan(maw, "train")


def test_annotations_stay_where_a_sample_is_changed(maw):
    sample = Maw().read(maw, KEY)
    smaller = sample.resized(2, 3)
    assert set(smaller.maps["regions"].unique().tolist()) <= {0, 1, 2}
    assert torch.equal(smaller.annotations["region_albedo"], sample.annotations["region_albedo"])
