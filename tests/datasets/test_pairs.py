import io
import math
import os
import struct
import zlib

import numpy as np
import OpenEXR
import PIL.Image
import pytest
import tifffile
import torch

from marigold.core.config import decode, encode
from marigold.core.errors import ConfigError, DataError, ImageError
from marigold.data.source import Source
from marigold.datasets import _decode
from marigold.datasets.pairs import Pairs
from toys.mutations import damaged_bytes, survives
from toys.worlds import exr, grey_photo, png16

HEIGHT, WIDTH = 9, 12


def blocks(values, kind=np.float32):
    """3 x 4 values as 9 x 12 pixels."""
    return np.array(values, kind).repeat(3, axis=0).repeat(3, axis=1)


def middles(x):
    """The middle pixel of each block."""
    return x[..., 1::3, 1::3]


MILLIMETRES = blocks([[0, 1000, 2000, 3000], [1, 500, 65535, 65534], [1500, 1500, 1500, 1500]], np.uint16)
METRES = blocks([[0, 1, 2, 3], [np.nan, 0.5, np.inf, -1], [1.5, 1.5, 1.5, 1.5]])
MEASURED = [[False, True, True, True], [False, True, False, False], [True] * 4]


@pytest.fixture
def root(tmp_path):
    for number in range(3):
        grey_photo(tmp_path / f"rgb/{number}.jpg", 51 * number, WIDTH, HEIGHT)
        png16(tmp_path / f"depth/{number}.png", MILLIMETRES)
    return tmp_path


def pairs(**settings):
    return Pairs(**{"depth": "depth/*.png", "unit": 0.001, **settings})


def one(root, name, write, **settings):
    """The sample 0, of which a map was written by `write` to a file of this name."""
    (root / name).parent.mkdir(exist_ok=True)
    write(root / name)
    return Pairs(**settings).read(root, "0")


def test_millimetres_in_16_bits_become_metres(root):
    sample = pairs(invalid=65535, farthest=60, nearest=0.01).read(root, "1")
    assert torch.equal(sample.image, torch.full((3, HEIGHT, WIDTH), 0.2))
    assert middles(sample.valid["depth"])[0].tolist() == MEASURED
    expected = [[0, 1, 2, 3], [0, 0.5, 0, 0], [1.5] * 4]
    assert torch.allclose(middles(sample.maps["depth"])[0], torch.tensor(expected))
    assert sample.camera is None


def test_a_number_for_what_was_not_measured_is_compared_as_it_is_stored(root):
    sample = pairs(invalid=1500, nearest=1e-4).read(root, "0")
    assert middles(sample.valid["depth"])[0].tolist() == [[False, True, True, True], [True] * 4, [False] * 4]


@pytest.mark.parametrize(
    ("ending", "write"),
    [
        ("npy", lambda path: np.save(path, METRES)),
        ("npy", lambda path: np.save(path, METRES[..., None].astype(">f8"))),
        ("npy", lambda path: np.save(path, np.asfortranarray(METRES)[None])),
        ("tif", lambda path: tifffile.imwrite(path, METRES)),
        ("tiff", lambda path: tifffile.imwrite(path, METRES, compression="zlib", predictor=True, tile=(16, 16))),
        ("exr", lambda path: exr(path, METRES[..., None], "D")),
        ("exr", lambda path: exr(path, np.stack([METRES, np.zeros_like(METRES)], axis=-1), "ZA")),
        ("pfm", lambda path: path.write_bytes(b"Pf\n12 9\n-1\n" + METRES[::-1].astype("<f4").tobytes())),
    ],
)
def test_floats_are_metres_in_every_format(root, ending, write):
    sample = one(root, f"z/0.{ending}", write, depth=f"z/*.{ending}")
    assert middles(sample.valid["depth"])[0].tolist() == MEASURED
    assert torch.equal(middles(sample.maps["depth"])[0, 2], torch.full((4,), 1.5))
    assert sample.maps["depth"].isfinite().all()


def test_whole_numbers_of_other_formats_have_a_unit_too(root):
    sample = one(root, "z/0.tif", lambda path: tifffile.imwrite(path, MILLIMETRES), depth="z/*.tif", unit=0.01)
    assert middles(sample.maps["depth"])[0, 0].tolist() == [0, 10, 20, 30]


def test_a_channel_of_an_openexr_file_is_chosen_by_name(root):
    layers = np.stack([np.zeros_like(METRES), METRES, np.zeros_like(METRES)], axis=-1)
    sample = one(root, "z/0.exr", lambda path: exr(path, layers), depth="z/*.exr", channel="G")
    assert middles(sample.maps["depth"])[0, 0].tolist() == [0, 1, 2, 3]
    with pytest.raises(DataError, match=r"has the channels B, G, R; set `channel`"):
        Pairs(depth="z/*.exr").read(root, "0")
    with pytest.raises(DataError, match=r"z/0\.exr: has no channel depth\.V, only B, G, R; choose"):
        Pairs(depth="z/*.exr", channel="depth.V").read(root, "0")


def test_a_channel_that_is_asked_for_has_to_be_there_even_beside_no_other(root):
    with pytest.raises(DataError, match=r"z/0\.exr: has no channel Q, only Z; choose"):
        one(root, "z/0.exr", lambda path: exr(path, METRES[..., None], "Z"), depth="z/*.exr", channel="Q")
    with pytest.raises(DataError, match=r"n/0\.exr: has no channel R, G, B, only Z; choose"):
        one(root, "n/0.exr", lambda path: exr(path, METRES[..., None], "Z"), normals="n/*.exr")


def test_whole_numbers_of_openexr_have_a_unit_too(root):
    def write(path):
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        OpenEXR.File(header, {"Z": MILLIMETRES.astype(np.uint32)}).write(str(path))

    with pytest.raises(DataError, match=r"z/0\.exr: depth holds whole numbers"):
        one(root, "z/0.exr", write, depth="z/*.exr")
    sample = one(root, "z/0.exr", write, depth="z/*.exr", unit=0.001)
    assert middles(sample.maps["depth"])[0, 2].tolist() == [1.5] * 4


def test_the_distance_along_a_ray_becomes_planar_depth(root):
    """Of 12 x 9 pixels the centre of the first lies (-5.5, -4) from the middle."""
    distance = np.full((HEIGHT, WIDTH), 5, np.float32)
    sample = one(root, "z/0.npy", lambda path: np.save(path, distance), depth="z/*.npy", depth_is="ray", focal=2.0)
    depth = sample.maps["depth"][0]
    assert float(depth[0, 0]) == pytest.approx(5 / math.sqrt(1 + 2.75**2 + 2**2))
    assert float(depth[4, 6]) == pytest.approx(5 / math.sqrt(1 + 0.25**2))
    camera = sample.camera
    assert camera is not None
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (2, 2, 6, 4.5)


def test_inverse_depth_is_one_over_it(root):
    """Stereo disparity d at a focal length of 500 pixels and a baseline of 0.2 m: depth is 100 / d."""
    disparity = blocks([[50, 0, 25, np.inf], [10, 10, 10, 10], [np.nan, 10, 10, 10]])
    sample = one(root, "z/0.npy", lambda path: np.save(path, disparity), depth="z/*.npy", depth_is="inverse", unit=0.01)
    assert middles(sample.maps["depth"])[0, :2].flatten().tolist() == pytest.approx([2, 0, 4, 0, 10, 10, 10, 10])
    assert middles(sample.valid["depth"])[0, 0].tolist() == [True, False, True, False]


NORMALS = blocks([[(0, 0, 1), (1, 0, 0), (0, 1, 0), (0, 0, 0)]] * 3)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("n/0.npy", lambda path: np.save(path, NORMALS)),
        ("n/0.npy", lambda path: np.save(path, NORMALS.transpose(2, 0, 1) * 1.2)),
        ("n/0.exr", lambda path: exr(path, NORMALS)),
        ("n/0.exr", lambda path: exr(path, NORMALS, "XYZ")),
        ("n/0.tif", lambda path: tifffile.imwrite(path, NORMALS, photometric="rgb")),
    ],
)
def test_normals_are_unit_vectors(root, name, write):
    sample = one(root, name, write, normals=f"n/*.{name.partition('.')[2]}")
    assert middles(sample.valid["normals"])[0, 0].tolist() == [True, True, True, False]
    assert torch.allclose(sample.maps["normals"][:, 0], torch.tensor(NORMALS[0].T))


def test_axes_turn_and_exchange_the_stored_channels(root):
    """Channels: down, left, away from the viewer; ours are x right, y up, z towards the viewer."""
    stored = np.tile(np.array([0.6, 0.0, -0.8], np.float32), (HEIGHT, WIDTH, 1))
    sample = one(root, "n/0.npy", lambda path: np.save(path, stored), normals="n/*.npy", axes="-y -x -z")
    assert sample.maps["normals"][:, 0, 0].tolist() == pytest.approx([0, -0.6, 0.8])


def test_a_picture_of_normals_stands_for_minus_1_to_1(root):
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[1:] = [128, 128, 255]  # 2 * 128 / 255 - 1 = 0.004
    picture[0, 0] = [255, 128, 128]
    picture[0, 1] = [255, 255, 255]
    sample = one(root, "n/0.png", lambda path: PIL.Image.fromarray(picture).save(path), normals="n/*.png")
    assert sample.maps["normals"][:, 1, 0].tolist() == pytest.approx([0.004, 0.004, 1], abs=1e-3)
    assert sample.maps["normals"][:, 0, 0].tolist() == pytest.approx([1, 0.004, 0.004], abs=1e-3)
    assert sample.valid["normals"][0, 0].tolist() == [True] + [False] * 11


def test_albedo_in_a_picture_is_srgb_and_in_floats_linear(root):
    """SRGB 0.5 is 0.21404 in linear light (IEC 61966-2-1)."""
    half = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    half[0, 0] = np.nan
    picture = PIL.Image.new("RGBA", (WIDTH, HEIGHT), (51, 0, 255, 255))
    picture.putpixel((0, 0), (51, 0, 255, 0))

    def found(name, write, **settings):
        sample = one(root, name, write, albedo=f"a/*.{name.partition('.')[2]}", **settings)
        assert not sample.valid["albedo"][0, 0, 0]
        assert sample.valid["albedo"].sum() == HEIGHT * WIDTH - 1
        return sample.maps["albedo"][:, 1, 1].tolist()

    assert found("a/0.npy", lambda path: np.save(path, half)) == [0.5] * 3
    assert found("a/0.exr", lambda path: exr(path, half), albedo_space="srgb") == pytest.approx([0.21404] * 3, abs=1e-5)
    # 0.2 in sRGB: ((0.2 + 0.055) / 1.055) ** 2.4
    assert found("a/0.png", picture.save) == pytest.approx([0.0331048, 0, 1], abs=1e-6)
    assert found("a/0.png", picture.save, albedo_space="linear") == pytest.approx([0.2, 0, 1])


def test_albedo_may_be_a_jpeg_and_depth_may_not(root):
    sample = one(root, "a/0.jpg", lambda path: grey_photo(path, 255, WIDTH, HEIGHT), albedo="a/*.jpg")
    assert sample.maps["albedo"].unique().tolist() == [1]
    with pytest.raises(ConfigError, match=r"depth: a/\*\.jpg cannot be used; it must be one of \.exr, \.png"):
        Pairs(depth="a/*.jpg")


def test_a_mask_counts_for_every_field(root):
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[8] = 0
    np.save(root / "0.npy", NORMALS)
    maps = {"depth": "depth/*.png", "normals": "*.npy", "mask": "m/*.png"}
    sample = one(root, "m/0.png", PIL.Image.fromarray(mask).save, unit=0.001, **maps)
    assert set(sample.maps) == {"depth", "normals"}
    for name in sample.maps:
        assert not sample.valid[name][0, 8].any()
        assert sample.valid[name][0, 7].any()
    PIL.Image.new("L", (WIDTH, HEIGHT)).save(root / "m/0.png")
    with pytest.raises(DataError, match="the mask leaves no valid pixel of depth; leave"):
        pairs(mask="m/*.png").read(root, "0")


def test_the_fields_are_those_that_have_a_pattern(root):
    assert pairs(normals="n/*.npy", nearest=0.5, farthest=20).card_of(root).fields == ("depth", "normals")
    assert pairs(nearest=0.5, farthest=20).card_of(root).depth_range == (0.5, 20)
    assert Pairs().card_of(root).fields == ()
    assert Pairs().read(root, "0").maps == {}


def test_every_so_many_samples_one_is_held_out(root):
    dataset = pairs(test_every=2)
    assert dataset.scan(root, "train") == ["0", "2"]
    assert dataset.scan(root, "test") == ["1"]
    assert pairs(test_every=0).card_of(root).splits == ("train",)
    assert pairs(test_every=1).scan(root, "test") == ["0", "1", "2"]
    with pytest.raises(DataError, match="its 3 samples leave none for `test`; set a smaller `test_every`"):
        pairs().scan(root, "test")


def test_lists_name_keys_or_photos(root):
    (root / "mine.txt").write_text("\ufeff2\r\n\r\n./rgb/0.jpg\r\n", encoding="utf-8", newline="")
    dataset = pairs(lists={"mine": root / "mine.txt"})
    assert dataset.card_of(root).splits == ("mine",)
    assert dataset.scan(root, "mine") == ["2", "0"]
    with pytest.raises(DataError, match="no split named `test`"):
        dataset.scan(root, "test")
    (root / "mine.txt").write_text("7\n")
    with pytest.raises(DataError, match=r"mine\.txt: 7 is no sample; write a line as 0 or rgb/0\.jpg"):
        dataset.scan(root, "mine")


def test_the_lists_of_all_splits_are_checked_together(root):
    lists = {"train": root / "train.txt", "test": root / "test.txt"}
    lists["train"].write_text("0\n1\n")
    lists["test"].write_text("7\n")
    with pytest.raises(DataError, match=r"test\.txt: 7 is no sample"):
        pairs(lists=lists).scan(root, "train")
    lists["test"].write_text("2\nrgb/1.jpg\n")
    with pytest.raises(DataError, match=r"test\.txt: 1 is in .*train\.txt too, and no sample may be .*; take it out"):
        pairs(lists=lists).scan(root, "train")
    lists["test"].write_text("2\n")
    assert pairs(lists=lists).scan(root, "train") == ["0", "1"]


def test_stars_in_folders_read_several_scenes(tmp_path):
    for scene in ("a", "b c"):
        grey_photo(tmp_path / f"{scene}/left/f_01.png", 0, WIDTH, HEIGHT)
        png16(tmp_path / f"{scene}/left/f_01_depth.png", MILLIMETRES)
    dataset = Pairs(image="*/left/f_*.png", depth="*/left/f_*_depth.png", unit=0.001, test_every=0)
    assert dataset.scan(tmp_path, "train") == ["a/01", "b c/01"]
    assert float(dataset.read(tmp_path, "b c/01").maps["depth"][0, 0, 3]) == 1
    for key in ("a", "../01", "a/01/2"):
        with pytest.raises(DataError, match="no sample of"):
            dataset.read(tmp_path, key)


def test_a_photo_is_turned_as_its_file_says_and_the_map_has_to_be_too(root):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.new("RGB", (WIDTH, HEIGHT)).save(root / "rgb/0.jpg", exif=exif)
    with pytest.raises(DataError, match="depth is 12 x 9, its photo 9 x 12, once it is turned upright as its EXIF"):
        pairs().read(root, "0")
    png16(root / "depth/0.png", MILLIMETRES.T)
    assert pairs().read(root, "0").image.shape == (3, WIDTH, HEIGHT)


def test_a_smaller_map_is_brought_to_the_photo_only_if_told_to(root):
    grey_photo(root / "rgb/0.jpg", 0, 2 * WIDTH, 2 * HEIGHT)
    with pytest.raises(DataError, match="depth is 12 x 9, its photo 24 x 18; set `resize_maps: true`"):
        pairs().read(root, "0")
    sample = pairs(resize_maps=True, nearest=0.01, farthest=60).read(root, "0")
    depth, valid = sample.maps["depth"][0], sample.valid["depth"][0]
    assert depth[17].tolist() == [1.5] * 24
    assert depth[0].tolist() == [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6
    # A pixel counts if all beside it do: column 6 lies between columns 2 and 3 of the map.
    assert valid[0].tolist() == [False] * 7 + [True] * 17
    grey_photo(root / "rgb/0.jpg", 0, 3 * WIDTH, 2 * HEIGHT)
    with pytest.raises(DataError, match="another aspect ratio; cut both to the same view"):
        pairs(resize_maps=True).read(root, "0")


def test_rays_of_a_smaller_map_have_the_focal_length_of_the_photo(root):
    grey_photo(root / "rgb/0.jpg", 0, 2 * WIDTH, 2 * HEIGHT)
    distance = np.full((HEIGHT, WIDTH), 5, np.float32)
    settings = {"depth": "z/*.npy", "depth_is": "ray", "focal": 4.0, "resize_maps": True}
    sample = one(root, "z/0.npy", lambda path: np.save(path, distance), **settings)
    assert float(sample.maps["depth"][0, 0, 0]) == pytest.approx(5 / math.sqrt(1 + 2.75**2 + 2**2))


@pytest.mark.parametrize(
    ("write", "settings", "complaint"),
    [
        (PIL.Image.new("L", (12, 9), 9).save, {}, "depth has 8 bits.*; save it with 16 bits"),
        (PIL.Image.new("RGB", (12, 9), 9).save, {}, r"depth is \[9, 12, 3\], not \[H, W\]; save one channel"),
        (lambda path: png16(path, MILLIMETRES), {"unit": None}, ".* whole numbers.*; set `unit`"),
        (lambda path: png16(path, MILLIMETRES * 0), {}, ".* no measured pixel; leave"),
        (lambda path: png16(path, MILLIMETRES), {"unit": 1000.0, "farthest": 50}, ".* from 1000 to .*; correct `unit`"),
        (lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), {}, "damaged"),
        (lambda path: path.unlink(), {}, "no such file"),
    ],
)
def test_depth_that_cannot_be_meant_is_refused_with_its_name(root, write, settings, complaint):
    write(root / "depth/0.png")
    with pytest.raises(DataError, match=rf"depth/0\.png: {complaint}"):
        pairs(**settings).read(root, "0")


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros((3, 4, 3), np.float32), "no vector of about length 1; save unit vectors"),
        (np.zeros((3, 4), np.float32), r"is \[3, 4\], not \[H, W, 3\]; save three channels"),
        (np.zeros((3, 4, 3), np.int64), "holds int64; save floats"),
        (np.zeros((3, 4, 3), complex), r"holds complex128 \[3, 4, 3\], which is no map; save"),
        (np.zeros((2, 3, 4, 3), np.float32), r"holds float32 \[2, 3, 4, 3\], which is no map; save"),
    ],
)
def test_normals_that_are_none_are_refused(root, array, complaint):
    with pytest.raises(DataError, match=rf"n/0\.npy: .*{complaint}"):
        one(root, "n/0.npy", lambda path: np.save(path, array), normals="n/*.npy")


def test_normals_in_floats_from_0_to_1_are_refused(root):
    """(0.6, 0, 0.8) and (0, -0.6, 0.8) as a picture has them."""
    encoded = np.tile(np.array([[0.8, 0.5, 0.9], [0.5, 0.2, 0.9]], np.float32), (HEIGHT, WIDTH // 2, 1))
    with pytest.raises(DataError, match=r"n/0\.npy: normals holds floats from 0 to 1, .*; save 2 n - 1"):
        one(root, "n/0.npy", lambda path: np.save(path, encoded), normals="n/*.npy")
    sample = one(root, "n/0.npy", lambda path: np.save(path, encoded * 2 - 1), normals="n/*.npy")
    assert sample.maps["normals"][:, 0, 1].tolist() == pytest.approx([0, -0.6, 0.8])


def test_albedo_in_floats_up_to_255_is_refused(root):
    albedo = np.full((HEIGHT, WIDTH, 3), 128, np.float32)
    with pytest.raises(DataError, match=r"a/0\.npy: albedo is above 1 for the most part, .*; divide it"):
        one(root, "a/0.npy", lambda path: np.save(path, albedo), albedo="a/*.npy")


@pytest.mark.parametrize("ending", ["png", "npy", "exr", "tif"])
def test_an_empty_map_is_called_empty(root, ending):
    with pytest.raises(DataError, match=rf"e/0\.{ending}: the file is empty \(0 bytes\); copy it again, or leave"):
        one(root, f"e/0.{ending}", lambda path: path.touch(), depth=f"e/*.{ending}", unit=1)


def test_what_is_no_openexr_file_is_said_without_a_temporary_name(root):
    with pytest.raises(DataError, match=r"e/0\.exr: damaged \(not an OpenEXR file\); "):
        one(root, "e/0.exr", lambda path: path.write_bytes(bytes(400)), depth="e/*.exr")


def test_what_is_missing_is_named(root):
    with pytest.raises(DataError, match=r"no photo is called rgb/\*\.png; correct `image`"):
        pairs(image="rgb/*.png").scan(root, "train")
    (root / "depth/1.png").unlink()
    with pytest.raises(DataError, match=r"rgb/1\.jpg has no depth depth/1\.png; add"):
        pairs().scan(root, "train")
    (root / "depth/2.png").unlink()
    with pytest.raises(DataError, match=r"rgb/1\.jpg has no depth depth/1\.png, nor have 1 others theirs"):
        pairs().scan(root, "train")
    with pytest.raises(DataError, match="no photo is called"):
        pairs().scan(root / "none", "train")
    with pytest.raises(DataError, match="is a file; give the folder"):
        pairs().scan(root / "rgb/0.jpg", "train")
    (root / "rgb/0.jpg").write_bytes(b"")
    with pytest.raises(ImageError, match="empty"):
        pairs().read(root, "0")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"image": "rgb/0.jpg"}, "image: rgb/0.jpg"),
        ({"image": "rgb/*.txt"}, "image: .* one of"),
        ({"image": "rgb/*_*.jpg"}, "image: .* one at most"),
        ({"image": "/rgb/*.jpg"}, "image: .* below the root"),
        ({"depth": "../*.png"}, "depth: .* below the root"),
        ({"depth": "*/depth/*.png"}, r"depth: .* with 1 `\*`"),
        ({"image": "a/*.png", "depth": "a/*.png"}, "depth: .* another pattern"),
        ({"unit": 0}, "unit"),
        ({"unit": math.nan}, "unit"),
        ({"unit": math.inf}, "unit: inf cannot be used; it must be above 0 and finite"),
        ({"focal": math.inf}, "focal"),
        ({"depth_is": "ray"}, "focal: None .* by rays"),
        ({"farthest": 1e-4}, "farthest"),
        ({"axes": "+x +y"}, "axes"),
        ({"axes": "+x +y -x"}, "axes"),
        ({"test_every": -1}, "test_every"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, complaint):
    with pytest.raises(ConfigError, match=complaint):
        pairs(**settings)


def test_settings_survive_a_recipe():
    content = {"dataset": "pairs", "root": "rooms", "depth": "d/*.exr", "lists": {"train": "a.txt"}, "invalid": 0}
    source = decode(Source, content)
    assert decode(Source, encode(source)) == source


def test_the_identity_follows_files_and_settings(root):
    before = pairs().identity(root, "0")
    assert before == pairs().identity(root, "0")
    assert before != pairs(unit=0.01).identity(root, "0")
    os.utime(root / "depth/0.png", (1, 1))
    assert before != pairs().identity(root, "0")


def tiff(**settings):
    stream = io.BytesIO()
    tifffile.imwrite(stream, METRES, **settings)
    return stream.getvalue()


def with_tag(content, code, value):
    """The first directory with another number for a tag (TIFF 6.0: code, type, count, value)."""
    place = content.index(struct.pack("<H", code), struct.unpack("<I", content[4:8])[0])
    kind = struct.unpack("<H", content[place + 2 : place + 4])[0]
    return content[: place + 8] + struct.pack("<HH" if kind == 3 else "<I", *value) + content[place + 12 :]


WIDTH_TAG, STRIP_OFFSETS, STRIP_BYTES, TILE_WIDTH_TAG = 256, 273, 279, 322


@pytest.mark.parametrize(
    "content",
    [
        with_tag(tiff(), WIDTH_TAG, (1 << 30,)),
        with_tag(tiff(tile=(16, 16)), TILE_WIDTH_TAG, (1 << 30,)),
        tiff()[:-8],
        tiff(compression="zlib")[:-8],
        b"II*\0",
        b"",
    ],
)
def test_a_tiff_that_promises_too_much_is_refused(content):
    with pytest.raises(DataError, match="x: damaged"):
        _decode.tiff(content, "x")


def test_the_compressions_of_a_tiff_that_are_read():
    for compression in (None, "lzw", "zlib", "packbits", "zstd"):
        assert np.array_equal(_decode.tiff(tiff(compression=compression), "x"), METRES, equal_nan=True)
    with pytest.raises(DataError, match=r"compression .* is not read here"):
        _decode.tiff(tiff(compression="lerc"), "x")


@pytest.mark.parametrize("settings", [{}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}])
def test_a_damaged_tiff_is_read_or_refused(settings):
    for number, content in enumerate(damaged_bytes(tiff(**settings), 60)):
        survives(lambda content=content: _decode.tiff(content, "x"), (DataError,), f"variant {number}")


def test_a_strip_that_unpacks_to_more_than_its_rows_is_refused():
    """432 bytes of rows are stated, 16 MB are packed."""
    packed_rows = zlib.compress(bytes(16 << 20))
    content = tiff(compression="zlib")
    place = len(content)
    content = with_tag(with_tag(content, STRIP_OFFSETS, (place,)), STRIP_BYTES, (len(packed_rows),))
    with pytest.raises(DataError, match="x: damaged"):
        _decode.tiff(content + packed_rows, "x")
