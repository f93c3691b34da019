"""Formats are found by name, take their options, and know what they can hold; contract of every format."""

import os

import numpy as np
import pytest

from marigold.core.errors import ConfigError, UnknownNameError
from marigold.core.find import implementation, name_of, names
from marigold.export.base import Format, Maps, Options, check, check_options, chosen, outputs
from marigold.modalities.appearance import Appearance
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.modalities.normals import Normals

HEIGHT, WIDTH = 12, 16
FORMATS = ["exr", "glb", "normal_map", "npy", "pbr", "ply", "png16", "preview"]


def maps_of(modality, **more):
    """Smooth maps within the range of a modality."""
    values = {}
    ramp = np.linspace(0.2, 0.8, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
    for name, channels in zip(modality.outputs, modality.channels, strict=True):
        many = ramp if channels == 1 else np.stack([ramp] * channels, axis=-1)
        direction = modality.meaning(name) == "direction"
        values[name] = many / np.linalg.norm(many, axis=-1, keepdims=True) if direction else many
    return Maps(modality, values, **more)


@pytest.fixture(params=names(Format))
def made(request):
    return implementation(Format, request.param)()


def pairs():
    """Every format with every modality that it takes."""
    formats = [implementation(Format, name)() for name in names(Format)]
    modalities = [implementation(Modality, name)() for name in names(Modality)]
    for made in formats:
        for modality in modalities:
            if made.takes(modality):
                yield pytest.param(made, modality, id=f"{name_of(made)}-{name_of(modality)}")


def test_the_formats_are_these():
    assert names(Format) == FORMATS


@pytest.mark.parametrize(("made", "modality"), list(pairs()))
def test_what_a_format_takes_it_writes_and_names(made, modality, tmp_path):
    photo = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    files = made.write(maps_of(modality, photo=photo, facts={"Source": "toy"}), tmp_path, "a.b")
    there = {os.path.join(folder, file) for folder, _, found in os.walk(tmp_path) for file in found}
    assert files and {str(file) for file in files} == there
    assert all("a.b" in file.name and file.stat().st_size for file in files)


def test_a_set_of_modalities_has_no_file_twice(made, tmp_path):
    parts = [maps_of(implementation(Modality, name)()) for name in ("appearance", "depth", "lighting", "normals")]
    files = made.write_set([maps for maps in parts if made.takes(maps.modality)], tmp_path, "a")
    assert len(files) == len(set(files)) > 0


def test_names_come_as_a_list_or_as_text_and_count_once():
    assert [name_of(one) for one in chosen("exr, npy,exr,")] == ["exr", "npy"]
    assert [name_of(one) for one in chosen(["png16", "ply"])] == ["png16", "ply"]
    assert [name_of(one) for one in chosen()] == ["npy", "png16", "preview"]


@pytest.mark.parametrize("wanted", [3, None, b"npy", ["npy", 3]])
def test_what_is_no_name_is_no_format(wanted):
    with pytest.raises(ConfigError, match=r"^formats: .* cannot be used; give a sequence of names and formats"):
        chosen(wanted)


def test_a_format_takes_the_options_that_it_has():
    options = Options(fov=70, near=2, far=9, cut=1, detail=50, colormap="magma", legend=True)
    ply, preview, npy = chosen("ply,preview,npy", options)
    assert (ply.fov, ply.near, ply.far, ply.cut, ply.detail) == (70, 2, 9, 1, 50)
    assert (preview.colormap, preview.legend) == ("magma", True)
    assert npy == implementation(Format, "npy")()


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(UnknownNameError, match="no format named `png`; did you mean `png16`"):
        chosen("npy,png")


def test_no_format_at_all_is_an_error():
    with pytest.raises(ConfigError, match="format: no format is named"):
        chosen(" , ")


HUGE, NAN = 10**5000, float("nan")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        *(("fov", value, "degrees cannot be used; choose 1 to 170 with --fov") for value in (0, -1, 171, NAN, 1e300)),
        *(("near", value, "m cannot be used; choose 0.001 to 1000000 with --near") for value in (0, -1, NAN, 1e-300)),
        *(("far", value, "m cannot be used; choose 0.001 to 1000000 with --far") for value in (1e300, -5, NAN, HUGE)),
        *(("far", value, "m cannot be used; choose .* with --far") for value in (float("inf"), "9", None, True, [1])),
        *(("cut", value, "degrees cannot be used; choose 0 to 89.9 with --cut") for value in (90, -1, NAN, 1e300)),
        *(("detail", value, "points cannot be used; choose 0 .* with --detail") for value in (1, -4, HUGE, 2.5, "7")),
    ],
    ids=lambda value: value if isinstance(value, str) else "value",
)
@pytest.mark.parametrize("name", ["ply", "glb"])
def test_a_number_that_cannot_be_used_is_an_error_that_names_its_option(name, option, value, message):
    options = Options(**{option: value})
    with pytest.raises(ConfigError, match=f"^{option}: .* {message}"):
        chosen(name, options)
    assert chosen("npy", options)


@pytest.mark.parametrize("options", [Options(near=4), Options(far=1.0), Options(near=2, far=0.5)])
def test_distances_in_the_wrong_order_are_an_error_that_names_both(options):
    with pytest.raises(ConfigError, match=f"^near, far: {options.near:g} m and {options.far:g} m; choose .* larger"):
        chosen("ply", options)


@pytest.mark.parametrize("near", [1e-3, 1.0])
def test_the_widest_distances_give_a_mesh_of_finite_points(tmp_path, near):
    depth = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    (file,) = chosen("ply", Options(near=near, far=1e6, cut=0))[0].write(Maps(Depth(), {"depth": depth}), tmp_path, "a")
    points = np.frombuffer(file.read_bytes().split(b"end_header\n")[1], [("p", "<f4", 3), ("c", "u1", 3)])["p"]
    assert len(points) == 600 and np.isfinite(points).all() and -points[:, 2].max() == pytest.approx(near)


@pytest.mark.parametrize("value", ["", 3, [], "\x1b[2J"])
def test_a_colour_map_that_is_none_is_an_error_that_names_its_option(value):
    with pytest.raises((ConfigError, UnknownNameError), match=r"^colormap: .*--colormap"):
        chosen("preview", Options(colormap=value))


def test_what_a_checkpoint_says_of_itself_is_printable_in_files():
    facts = Maps(Depth(), {}, facts={"Source": "a\nb\x1b[2J\ud800\0" + "x" * 9000}).facts
    assert facts["Source"].startswith(r"a b\x1b[2J\ud800\x00xxx") and len(facts["Source"]) == 2000


def test_an_unknown_colour_map_is_found_before_any_work():
    with pytest.raises(UnknownNameError, match="did you mean `viridis`"):
        chosen("preview", Options(colormap="viridiss"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(fov=70), r"fov: no format that is asked for \(npy, exr\) has this option; add glb or ply to them"),
        (Options(legend=True), "legend: .* add preview to them or leave the option out"),
    ],
)
def test_an_option_that_no_format_has_is_an_error(options, message):
    check_options(chosen("npy,exr,ply,preview", options), options)
    with pytest.raises(ConfigError, match=message):
        check_options(chosen("npy,exr"), options)


def test_options_that_nobody_has_set_fit_every_format():
    check_options(chosen("npy"), Options())


def test_formats_that_hold_nothing_of_what_is_given_are_an_error():
    check(chosen("ply,normal_map"), [Depth(), Normals()])
    with pytest.raises(ConfigError, match="format: `glb` holds nothing of normals, appearance"):
        check(chosen("npy,glb"), [Normals(), Appearance()])


def test_the_meaning_of_every_map_is_known():
    assert {name: Appearance().meaning(name) for name in Appearance.outputs} == {
        "albedo": "srgb",
        "roughness": "linear",
        "metallicity": "linear",
    }
    assert {Lighting().meaning(name) for name in Lighting.outputs} == {"linear"}
    assert outputs(Depth(), "metric") == ["depth"] and outputs(Normals(), "direction") == ["normals"]
