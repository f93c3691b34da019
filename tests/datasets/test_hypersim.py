"""Readers of Hypersim against values worked out by hand, in miniature trees of its formats."""

import math

import numpy as np
import pytest

from marigold.core.errors import DataError, RefusedSampleError
from marigold.core.sample import Camera
from marigold.datasets.hypersim import Hypersim
from toys import hypersim as toy
from toys.hypersim import KEY, WIDE, one

LIGHTING = ("albedo", "shading", "residual")


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


def test_the_photo_is_the_light_up_to_its_exposure(tmp_path):
    sample = Hypersim(fields=LIGHTING).read(one(tmp_path, (12, 16)), KEY)
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
    with pytest.raises(RefusedSampleError, match=reason) as error:
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
