"""Readers of Hypersim against values worked out by hand, in miniature trees of its formats."""

import math

import h5py
import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Camera
from marigold.datasets.hypersim import Hypersim
from toys import hypersim as toy

KEY = "train/ai_001_001/cam_00/0000"
PLACE = ("ai_001_001", "cam_00", 0)
WIDE = (2.0, 0.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, -1.0)
LIGHTING = ("albedo", "shading", "residual")


@pytest.fixture
def root(tmp_path):
    return toy.raw(tmp_path / "raw")


def one(root, size=(3, 4), camera=toy.PINHOLE, **changed):
    """A tree of one frame, of random content but for what is given."""
    root.mkdir(exist_ok=True)
    toy.write_frame(root, *PLACE, **{**toy.arrays(0, size), **changed})
    toy.write_splits(root, ((*PLACE, "train"),))
    toy.write_cameras(root, {"ai_001_001": camera})
    return root


def full(value, size=(3, 4)):
    return np.full((*size, 3), value, np.float64)


# Depth


def test_distance_becomes_planar_depth_by_the_published_pinhole(tmp_path):
    root = one(tmp_path, depth_meters=np.full((3, 4), 2.0))
    sample = Hypersim(camera="published", fields=("depth",)).read(root, KEY)
    # f = 886.81 * 4 / 1024 = 3.46410, f^2 = 12. Pixel (1, 1) is (-0.5, 0) from the axis, pixel (0, 0) is (-1.5, 1).
    depth = sample.maps["depth"][0]
    assert depth[1, 1] == pytest.approx(2 * math.sqrt(12) / 3.5, abs=1e-5)
    assert depth[0, 0] == pytest.approx(2 * math.sqrt(12) / math.sqrt(12 + 2.25 + 1), abs=1e-5)
    assert sample.valid["depth"].all()


def test_the_published_pinhole_is_its_focal_length_at_full_size(tmp_path):
    root = one(tmp_path, (6, 1024))
    camera = Hypersim(camera="published", fields=("depth",)).read(root, KEY).camera
    assert camera == Camera(*(pytest.approx(number) for number in (886.81, 886.81, 512, 3)))


def test_distance_becomes_planar_depth_by_the_camera_of_the_scene(tmp_path):
    tilted = (0.5, 0.0, 0.0, 0.0, 0.375, 0.0, 0.0, 0.25, -1.0)
    root = one(tmp_path, camera=tilted, depth_meters=np.full((3, 4), 2.0))
    sample = Hypersim(fields=("depth",)).read(root, KEY)
    # Row 0, column 1: u = -1/4, v = 2/3, ray (-1/8, 1/4, 1/6 - 1), so depth = 2 (5/6) / sqrt(1/64 + 1/16 + 25/36)
    assert sample.maps["depth"][0, 0, 1] == pytest.approx(5 / 3 / math.sqrt(1 / 64 + 1 / 16 + 25 / 36), abs=1e-5)
    assert sample.camera is None  # a tilted image plane is no pinhole's


def test_the_camera_of_the_scene_is_given_in_pixels(tmp_path):
    # u 1/2 + 1/8 = X / Z is X / Z = 0 at u = -1/4, column 1.5; v 3/8 - 3/16 = 0 at v = 1/2, row 0.75
    root = one(tmp_path, camera=(0.5, 0, 0.125, 0, 0.375, -0.1875, 0, 0, -1.0))
    assert Hypersim(fields=("normals",)).read(root, KEY).camera == Camera(4.0, 4.0, 1.5, 0.75)


def test_no_camera_is_looked_for_where_no_field_needs_it(tmp_path):
    root = one(tmp_path)
    (root / toy.CAMERAS).unlink()
    assert Hypersim(fields=("albedo",)).read(root, KEY).camera is None


def test_depth_is_valid_where_a_surface_is_seen_within_the_published_range(tmp_path):
    distance = np.full((3, 4), 3.0)
    distance[0] = (np.nan, np.inf, 0.0, -1.0)
    distance[1, :2] = (70.0, 64.0)  # 70 m would be 4.464 m in 16 bits of millimetres
    entity = np.ones((3, 4))
    entity[2, 3] = -1
    root = one(tmp_path, (3, 4), (1e-6, 0, 0, 0, 1e-6, 0, 0, 0, -1), depth_meters=distance, render_entity_id=entity)
    sample = Hypersim(fields=("depth",)).read(root, KEY)
    expected = [[False] * 4, [False, True, True, True], [True, True, True, False]]
    assert sample.valid["depth"][0].tolist() == expected
    assert sample.maps["depth"][0].tolist() == [[0] * 4, [0, 64, 3, 3], [3, 3, 3, 0]]


# Normals


def test_normals_are_turned_by_the_viewing_ray_and_not_by_z(tmp_path):
    normals = full(0.0)
    normals[..., 2] = 1
    # Row 1, column 0: u = -3/4, v = 0, ray (-3/2, 0, -1)
    normals[1, 0] = (0.96, 0, -0.28)  # n . v ~ 1.44 - 0.28 > 0: seen, although z < 0
    # Row 1, column 3: ray (3/2, 0, -1)
    normals[1, 3] = (0.96, 0, 0.28)  # n . v ~ -1.44 + 0.28 < 0: turned, although z > 0
    found = Hypersim(fields=("normals",)).read(one(tmp_path, camera=WIDE, normal_cam=normals), KEY).maps["normals"]
    assert found[:, 1, 0].tolist() == pytest.approx([0.96, 0, -0.28], abs=1e-3)
    assert found[:, 1, 3].tolist() == pytest.approx([-0.96, 0, -0.28], abs=1e-3)
    assert found[:, 0, 0].tolist() == [0, 0, 1]


def test_normals_across_the_viewing_ray_stay_as_they_are(tmp_path):
    normals = full(0.0)
    normals[..., :] = (0, 1, 0)
    # Row 1 is at v = 0; what is turned away by less than 0.001 is rounding of float16
    normals[1, 1] = (0, 1, -0.0005)
    normals[1, 2] = (0, 1, -0.01)
    found = Hypersim(fields=("normals",)).read(one(tmp_path, camera=WIDE, normal_cam=normals), KEY).maps["normals"]
    assert found[1, 1].tolist() == pytest.approx([1, 1, -1, 1], abs=1e-3)


def test_normals_have_length_one_and_are_invalid_without_a_direction(tmp_path):
    normals = full(0.0)
    normals[..., 2] = 0.5
    normals[0, 0], normals[0, 1], normals[0, 2] = 0, (np.nan, 0, 1), (np.inf, 0, 1)
    entity = np.ones((3, 4))
    entity[0, 3] = -1
    sample = Hypersim(fields=("normals",)).read(one(tmp_path, normal_cam=normals, render_entity_id=entity), KEY)
    assert not sample.valid["normals"][0, 0].any()
    assert sample.valid["normals"][0, 1:].all()
    assert (sample.maps["normals"][2, 1:] == 1).all()
    assert (sample.maps["normals"][:, 0] == 0).all()


# The photo


def test_the_photo_is_exposed_by_the_90th_percentile_of_brightness_where_a_surface_is_seen(tmp_path):
    colour = np.repeat(np.arange(12.0).reshape(3, 4, 1), 3, axis=-1)
    colour[2, 3] = 1000
    entity = np.ones((3, 4))
    entity[2, 3] = -1
    image = Hypersim(fields=()).read(one(tmp_path, color=colour, render_entity_id=entity), KEY).image
    # Of 0 ... 10 the 90th percentile is 9: it becomes 0.8, and all else follows (x / 9) ^ (1 / 2.2)
    assert image[:, 2, 1].tolist() == pytest.approx([0.8] * 3, abs=1e-5)
    assert image[0, 0, 3] == pytest.approx(0.8 * (3 / 9) ** (1 / 2.2), abs=1e-5)
    assert image[0, 2, 2] == pytest.approx(0.8 * (10 / 9) ** (1 / 2.2), abs=1e-5)
    assert (image[:, 2, 3] == 1).all()


def test_brightness_is_that_of_ccir_601(tmp_path):
    image = Hypersim(fields=()).read(one(tmp_path, color=full((1.0, 2.0, 4.0))), KEY).image
    # 0.3 + 2 * 0.59 + 4 * 0.11 = 1.92
    expected = [0.8 * (x / 1.92) ** (1 / 2.2) for x in (1, 2)] + [1.0]
    assert image[:, 1, 1].tolist() == pytest.approx(expected, abs=1e-5)


def test_a_dark_photo_is_black(tmp_path):
    assert (Hypersim(fields=()).read(one(tmp_path, color=full(5e-5)), KEY).image == 0).all()


def test_a_photo_without_a_surface_keeps_its_exposure(tmp_path):
    root = one(tmp_path, color=full(0.5), render_entity_id=np.full((3, 4), -1))
    assert Hypersim(fields=()).read(root, KEY).image[0, 0, 0] == pytest.approx(0.5 ** (1 / 2.2), abs=1e-5)


def test_radiance_that_is_not_finite_does_not_count_in_the_exposure(tmp_path):
    colour = full(2.0)
    colour[0, 0], colour[0, 1] = np.nan, np.inf
    image = Hypersim(fields=()).read(one(tmp_path, color=colour), KEY).image
    assert (image[:, 0, 0] == 0).all()
    assert (image[:, 0, 1] == 1).all()
    assert image[0, 1, 1] == pytest.approx(0.8, abs=1e-5)


# The light


def test_albedo_is_cut_to_one_and_invalid_where_it_is_black_or_not_finite(tmp_path):
    albedo = full(0.5)
    albedo[0, 0], albedo[0, 1], albedo[0, 2], albedo[0, 3] = 0, (np.nan, 0.5, 0.5), (0, 0, 0.25), 1.5
    sample = Hypersim(fields=("albedo",)).read(one(tmp_path, diffuse_reflectance=albedo), KEY)
    assert sample.valid["albedo"][0, 0].tolist() == [False, False, True, True]
    assert sample.maps["albedo"][:, 0, 2].tolist() == [0, 0, 0.25]
    assert (sample.maps["albedo"][:, 0, 3] == 1).all()


@pytest.mark.parametrize(("field", "kind"), [("shading", "diffuse_illumination"), ("residual", "residual")])
def test_light_is_linear_without_bound_and_invalid_where_it_is_not_finite(tmp_path, field, kind):
    light = full(300.0)
    light[0, 0], light[0, 1], light[0, 2] = np.inf, (0, np.nan, 0), -0.5
    sample = Hypersim(fields=(field,)).read(one(tmp_path, **{kind: light}), KEY)
    assert sample.valid[field][0, 0].tolist() == [False, False, True, True]
    assert sample.maps[field][0, 0].tolist() == [0, 0, 0, 300]


def test_the_photo_is_the_light_up_to_its_exposure(root):
    sample = Hypersim(fields=LIGHTING).read(root, KEY)
    light = sample.maps["albedo"] * sample.maps["shading"] + sample.maps["residual"]
    ratio = (sample.image**2.2 / light)[sample.image < 1]
    assert len(ratio) > 100
    assert ratio.max() / ratio.min() == pytest.approx(1, abs=0.01)  # float16 rounds each part by 0.05 %


# Frames that the published lighting data leave out


def lit(**changed):
    """A frame that adds up exactly, of two brightnesses: half of it at 1, half at (0.405 / 0.8) ^ 2.2 of it."""
    dark = (0.405 / 0.8) ** 2.2
    colour = np.ones((4, 4, 3))
    colour[:2] = dark
    parts = {"color": colour, "diffuse_illumination": colour, "residual": full(0.0, (4, 4))}
    return {**parts, "diffuse_reflectance": full(1.0, (4, 4)), "render_entity_id": np.ones((4, 4)), **changed}


def shaded(level):
    """Shading whose dark half is shown at this level of 0 to 1."""
    shading = np.ones((4, 4, 3))
    shading[:2] = (level / 0.8) ** 2.2
    return shading


def some(value, low=0.0):
    array = full(low, (4, 4))
    array[3, 3, 1] = value
    return array


def test_a_frame_that_adds_up_is_kept(tmp_path):
    root = one(tmp_path, (4, 4), **lit())
    assert Hypersim(fields=LIGHTING, checked=True).read(root, KEY).valid["albedo"].all()


REFUSED = [
    ({"render_entity_id": some(-1, 1)[..., 1]}, "1 pixels show no surface"),
    ({"diffuse_illumination": some(np.nan, 1)}, "not finite"),
    ({"residual": some(np.inf)}, "not finite"),
    ({"diffuse_reflectance": some(1.25, 1)}, "albedo reaches from 1 to 1.25"),
    ({"diffuse_illumination": some(-0.5, 1)}, "shading falls to -0.5"),
    ({"residual": some(-0.5)}, "residual falls to -0.5"),
    ({"color": some(np.nan, 1)}, "no finite exposure"),
    # 0.405 is level 103 and 0.45 is 114: half the pixels differ by 11, 10 lg (255^2 / 60.5) = 30.31
    ({"diffuse_illumination": shaded(0.45)}, "30.31 dB"),
]


@pytest.mark.parametrize(("changed", "reason"), REFUSED)
def test_a_frame_is_refused_by_the_published_rules_when_they_are_asked_for(tmp_path, changed, reason):
    root = one(tmp_path, (4, 4), **lit(**changed))
    with pytest.raises(DataError, match=reason) as error:
        Hypersim(fields=LIGHTING, checked=True).read(root, KEY)
    assert "frame.0000.color.hdf5" in str(error.value)
    assert Hypersim(fields=LIGHTING, checked=True).scan(root, "train") == [KEY]
    Hypersim(fields=LIGHTING).read(root, KEY)


def test_a_frame_of_45_decibels_is_kept(tmp_path):
    # 0.413 is level 105: 10 lg (255^2 / 2) = 45.1
    root = one(tmp_path, (4, 4), **lit(diffuse_illumination=shaded(0.413)))
    Hypersim(fields=LIGHTING, checked=True).read(root, KEY)


def test_light_beyond_the_98_percent_quantile_of_shading_is_cut_before_it_is_compared(tmp_path):
    # One bright lamp in the residual, which the cut brings down to the shading's 1: level 255 becomes 204 in one pixel
    # of 16, 10 lg (255^2 / (51^2 / 16)) = 26.02
    lamp = full(0.0, (4, 4))
    lamp[0, 0] = 5
    colour = lit()["color"] + lamp
    dark = (0.405 / 0.8) ** 2.2
    shading = lit()["diffuse_illumination"].copy()
    shading[0, 0] = 0
    lamp[0, 0] = 5 + dark
    root = one(tmp_path, (4, 4), **lit(color=colour, residual=lamp, diffuse_illumination=shading))
    with pytest.raises(DataError, match=r"26\.02 dB"):
        Hypersim(fields=LIGHTING, checked=True).read(root, KEY)


def test_only_missing_surfaces_count_in_the_test_split(tmp_path):
    key = KEY.replace("train", "test")
    root = one(tmp_path, (4, 4), **lit(diffuse_illumination=shaded(0.45)))
    assert Hypersim(fields=LIGHTING, checked=True).read(root, key).key == key
    one(root, (4, 4), **lit(render_entity_id=some(-1, 1)[..., 1]))
    with pytest.raises(DataError, match="no surface"):
        Hypersim(fields=LIGHTING, checked=True).read(root, key)


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
    assert Hypersim(splits_file=str(elsewhere)).scan(root, "train") == expected
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
    keys = ["train/ai_001_001/cam_00/0001", "val/ai_001_002/cam_01/0007"]
    for name in ("train", "{split}"):
        dataset = Hypersim(list_file=str(tmp_path / f"{name}.txt"))
        assert dataset.scan(root, "train") == keys
        assert dataset.card_of(root).splits == ("train",)


def test_a_list_of_one_split_serves_no_other(root, tmp_path):
    (tmp_path / "all.txt").write_text("ai_001_001/rgb_cam_00_fr0001.png\n")
    with pytest.raises(DataError, match=r"all\.txt: is the list of `train`, and `test`.*\{split\}"):
        Hypersim(list_file=str(tmp_path / "all.txt")).scan(root, "test")


def test_a_list_of_something_else_is_told(root, tmp_path):
    (tmp_path / "all.txt").write_text("Scene01/clone/frames/rgb/Camera_0/rgb_00001.jpg x.png\n")
    with pytest.raises(DataError, match=r"all\.txt: `Scene01.*` is no photo of Hypersim"):
        Hypersim(list_file=str(tmp_path / "all.txt")).scan(root, "train")


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
    dataset = Hypersim(list_file=str(tmp_path / "list_{split}.txt"), fields=("depth",))
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
