"""Normal maps for engines, against directions whose colours are known."""

import numpy as np
import PIL.Image
import pytest

from marigold.core.images import read_image
from marigold.export.base import Maps
from marigold.export.normal_directx import NormalDirectx
from marigold.export.normal_opengl import NormalOpengl
from marigold.modalities.normals import Normals

DIRECTIONS = {"viewer": (0, 0, 1), "right": (1, 0, 0), "left": (-1, 0, 0), "up": (0, 1, 0), "down": (0, -1, 0)}
OPENGL = {
    "viewer": (128, 128, 255),
    "right": (255, 128, 128),
    "left": (0, 128, 128),
    "up": (128, 255, 128),
    "down": (128, 0, 128),
}
DIRECTX = OPENGL | {"up": OPENGL["down"], "down": OPENGL["up"]}
MAPS = Maps(Normals(), {"normals": np.array([list(DIRECTIONS.values())] * 8, np.float32).repeat(2, axis=1)})


@pytest.mark.parametrize(
    ("made", "style", "colours"), [(NormalOpengl(), "opengl", OPENGL), (NormalDirectx(), "directx", DIRECTX)]
)
def test_known_directions_have_known_colours(tmp_path, made, style, colours):
    eight, sixteen = made.write(MAPS, tmp_path, "a")
    assert (eight.name, sixteen.name) == (f"a_normals_{style}.png", f"a_normals_{style}_16bit.png")
    with PIL.Image.open(eight) as image:
        assert np.asarray(image)[0, ::2].tolist() == [list(colour) for colour in colours.values()]
        assert image.text["Title"] == f"normal map ({style})"
        assert f"green {'up' if style == 'opengl' else 'down'}" in image.text["Description"]
        assert "srgb" not in image.info and "gamma" not in image.info
    levels = np.rint(read_image(sixteen).permute(1, 2, 0).numpy() * 65535)[0, ::2]
    deep = {0: 0, 128: 32768, 255: 65535}
    assert levels.tolist() == [[deep[part] for part in colour] for colour in colours.values()]


def test_bytes_are_the_colours_that_the_modality_shows(tmp_path):
    normals = np.random.default_rng(0).normal(size=(40, 30, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    eight, _ = NormalOpengl().write(Maps(Normals(), {"normals": normals}), tmp_path, "a")
    with PIL.Image.open(eight) as image:
        assert np.abs(np.asarray(image) - (normals + 1) / 2 * 255).max() < 0.51


def test_the_maps_themselves_are_left_alone(tmp_path):
    before = MAPS.values["normals"].copy()
    NormalDirectx().write(MAPS, tmp_path, "a")
    np.testing.assert_array_equal(MAPS.values["normals"], before)
