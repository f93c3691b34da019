"""Normal maps for engines, against directions whose colours are known."""

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import ConfigError, UnknownNameError
from marigold.core.images import read_image
from marigold.export.base import Maps, chosen
from marigold.export.normal_map import NormalMap
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


@pytest.mark.parametrize(("style", "colours"), [("opengl", OPENGL), ("directx", DIRECTX)])
def test_known_directions_have_known_colours(tmp_path, style, colours):
    eight, sixteen = NormalMap(style).write(MAPS, tmp_path, "a")
    assert (eight.name, sixteen.name) == (f"a_normals_{style}.png", f"a_normals_{style}_16bit.png")
    with PIL.Image.open(eight) as image:
        assert np.asarray(image)[0, ::2].tolist() == [list(colour) for colour in colours.values()]
        assert image.text["Title"] == f"normal map ({style})"
        assert f"green {'up' if style == 'opengl' else 'down'}" in image.text["Description"]
        assert "srgb" not in image.info and "gamma" not in image.info
    levels = np.rint(read_image(sixteen).permute(1, 2, 0).numpy() * 65535)[0, ::2]
    deep = {0: 0, 128: 32768, 255: 65535}
    assert levels.tolist() == [[deep[part] for part in colour] for colour in colours.values()]


def test_both_styles_are_written_in_one_go(tmp_path):
    for folder in ("both", "one"):
        (tmp_path / folder).mkdir()
    files = NormalMap("both").write(MAPS, tmp_path / "both", "a")
    alone = [file for style in ("opengl", "directx") for file in NormalMap(style).write(MAPS, tmp_path / "one", "a")]
    assert [file.name for file in files] == [file.name for file in alone]
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in alone]


def test_an_unknown_style_names_the_nearest():
    with pytest.raises(ConfigError, match="normal_style: no style named `direct-x`; did you mean `directx`"):
        NormalMap("direct-x")


@pytest.mark.parametrize("name", ["normal_opengl", "normal_directx", "normal"])
def test_a_style_asked_for_as_a_format_names_the_format_that_has_it(name):
    with pytest.raises(UnknownNameError, match=f"no format named `{name}`; did you mean `normal_map`"):
        chosen(name)


def test_bytes_are_the_colours_that_the_modality_shows(tmp_path):
    normals = np.random.default_rng(0).normal(size=(40, 30, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    eight, _ = NormalMap().write(Maps(Normals(), {"normals": normals}), tmp_path, "a")
    with PIL.Image.open(eight) as image:
        assert np.abs(np.asarray(image) - (normals + 1) / 2 * 255).max() < 0.51


def test_the_maps_themselves_are_left_alone(tmp_path):
    before = MAPS.values["normals"].copy()
    NormalMap("directx").write(MAPS, tmp_path, "a")
    np.testing.assert_array_equal(MAPS.values["normals"], before)
