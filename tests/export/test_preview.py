"""Pictures to look at: the modality's own colours, matplotlib's colour maps, legends."""

import numpy as np
import PIL.Image
import pytest
from matplotlib import colormaps

from marigold.export.base import Maps
from marigold.export.preview import Preview, white
from marigold.modalities.appearance import Appearance
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals

DEPTH = np.linspace(0, 1, 60 * 80, dtype=np.float32).reshape(60, 80)
TALL = 20
"""The height of the legend of so small a picture."""


def shown(file):
    with PIL.Image.open(file) as image:
        return np.asarray(image)


def test_depth_is_red_near_and_violet_far(tmp_path):
    (file,) = Preview().write(Maps(Depth(), {"depth": DEPTH}), tmp_path, "a")
    assert file.name == "a_depth_colored.png"
    picture = shown(file)
    assert picture.shape == (60, 80, 3)
    assert picture[0, 0].tolist() == [158, 1, 66] and picture[-1, -1].tolist() == [94, 79, 162]


def test_a_colour_map_by_name_shows_maps_of_one_channel(tmp_path):
    values = {"albedo": np.stack([DEPTH] * 3, axis=-1), "roughness": DEPTH, "metallicity": 1 - DEPTH}
    albedo, roughness, metallicity = Preview(colormap="magma").write(Maps(Appearance(), values), tmp_path, "a")
    first, last = (np.rint(np.array(colormaps["magma"](end)[:3]) * 255).tolist() for end in (0, 255))
    assert shown(roughness)[0, 0].tolist() == shown(metallicity)[-1, -1].tolist() == first
    assert shown(roughness)[-1, -1].tolist() == last
    np.testing.assert_array_equal(shown(albedo), Preview().pictures(Maps(Appearance(), values))["albedo"])


def test_uncertainty_is_white_at_its_95th_percentile(tmp_path):
    uncertainty = np.linspace(0, 0.2, 6, dtype=np.float32).reshape(2, 3)
    assert white(uncertainty) == pytest.approx(0.19)
    files = Preview().write(Maps(Depth(), {"depth": DEPTH}, uncertainty), tmp_path, "a")
    assert [file.name for file in files] == ["a_depth_colored.png", "a_depth_uncertainty.png"]
    assert shown(files[1]).ravel().tolist() == [0, 54, 107, 161, 215, 255]  # k * 0.04 / 0.19 * 255


def test_no_uncertainty_anywhere_is_black():
    assert not Preview().uncertainty(np.zeros((4, 4), np.float32)).any()


def test_a_legend_leaves_the_picture_as_it_is(tmp_path):
    maps = Maps(Depth(), {"depth": DEPTH}, 0.1 * DEPTH)
    plain = [shown(file) for file in Preview().write(maps, tmp_path, "a")]
    explained = [shown(file) for file in Preview(legend=True).write(maps, tmp_path, "b")]
    np.testing.assert_array_equal(explained[0][:60], plain[0])
    np.testing.assert_array_equal(explained[1][:60], np.stack([plain[1]] * 3, axis=-1))
    assert [picture.shape for picture in explained] == [(60 + TALL, 80, 3)] * 2


def test_the_bar_of_a_legend_goes_from_the_near_colour_to_the_far_one(tmp_path):
    depth = np.full((300, 500), 0.5, np.float32)
    (file,) = Preview(legend=True).write(Maps(Depth(), {"depth": depth}), tmp_path, "a")
    line = shown(file)[300 + TALL // 2].astype(int)
    near, far = (np.abs(line - np.array(end)).sum(axis=1).argmin() for end in ([158, 1, 66], [94, 79, 162]))
    assert 0 < near < 60 < 440 < far < 500
    assert np.abs(line[(near + far) // 2] - np.array([255, 255, 191])).max() < 8  # the middle of Spectral


def test_words_stand_at_both_ends_of_the_bar(tmp_path):
    depth = np.full((300, 500), 0.5, np.float32)
    (file,) = Preview(legend=True).write(Maps(Depth(), {"depth": depth}), tmp_path, "a")
    strip = shown(file)[300:].astype(int)
    ink = (strip.min(axis=-1) > 150).any(axis=0)
    assert ink[:40].any() and ink[460:].any()


def test_the_legend_of_normals_is_a_sphere_in_their_colours(tmp_path):
    normals = np.full((240, 320, 3), [0, 0, 1], np.float32)
    (file,) = Preview(legend=True).write(Maps(Normals(), {"normals": normals}), tmp_path, "a")
    picture = shown(file).astype(int)
    size, margin = 40, 5  # a sixth of 240, and an eighth of that
    ball = picture[240 + margin :][:size, margin:][:, :size]
    assert picture.shape == (240 + size + 2 * margin, 320, 3)
    assert np.abs(ball[20, 20] - [128, 128, 255]).max() <= 4  # the middle faces the viewer
    assert ball[20, 38, 0] > 240 and ball[20, 1, 0] < 15  # red grows to the right
    assert ball[1, 20, 1] > 240 and ball[38, 20, 1] < 15  # green grows upwards
    assert ball[0, 0].tolist() == picture[-1, -1].tolist()  # outside is background


def test_colours_explain_themselves(tmp_path):
    values = dict.fromkeys(("roughness", "metallicity"), DEPTH) | {"albedo": np.stack([DEPTH] * 3, axis=-1)}
    files = Preview(legend=True).write(Maps(Appearance(), values), tmp_path, "a")
    heights = {file.name: len(shown(file)) for file in files}
    maps = {"albedo": 60, "roughness": 80, "metallicity": 80}
    assert heights == {f"a_appearance_{name}_colored.png": height for name, height in maps.items()}


@pytest.mark.parametrize("size", [(1, 1), (300, 8), (8, 300)])
def test_a_legend_fits_below_any_picture(tmp_path, size):
    normals = np.full((*size, 3), [0, 0, 1], np.float32)
    Preview(legend=True).write(Maps(Normals(), {"normals": normals}), tmp_path, "a")
    maps = Maps(Depth(), {"depth": np.zeros(size, np.float32)}, np.ones(size, np.float32))
    assert shown(Preview(legend=True).write(maps, tmp_path, "a")[0]).shape == (size[0] + TALL, size[1], 3)


def test_a_picture_of_several_maps_at_once_has_no_legend(tmp_path):
    class Material(Appearance):
        def colorize(self, maps):
            return {"material": np.zeros((60, 80, 3), np.uint8)}

    values = {"albedo": np.stack([DEPTH] * 3, axis=-1), "roughness": DEPTH, "metallicity": DEPTH}
    (file,) = Preview(legend=True).write(Maps(Material(), values), tmp_path, "a")
    assert shown(file).shape == (60, 80, 3)
