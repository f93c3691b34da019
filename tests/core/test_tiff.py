"""Of a TIFF the full picture is read, whatever page it is on and however its samples are stored."""

import numpy as np
import PIL.Image
import pytest
import tifffile

from marigold.core.errors import ImageError
from marigold.core.images import read_photo, to_photo
from toys.icc import SRGB, as_srgb, rgb_profile

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (40, 60, 4), dtype=np.uint16)
SMALL = RGB[::5, ::5]


def read(path):
    photo = read_photo(path)
    return photo.pixels.permute(1, 2, 0).numpy(), photo.notes


def pages(path, *pictures):
    """A TIFF of pictures, each with what tifffile is told about it."""
    with tifffile.TiffWriter(path) as tiff:
        for picture, told in pictures:
            tiff.write(picture, **{"photometric": "rgb" if picture.ndim == 3 else "minisblack", **told})
    return path


LAYOUTS = {
    "reduced first": [(SMALL, {"subfiletype": 1}), (RGB, {"subfiletype": 0})],
    "thumbnail without a mark": [(SMALL, {}), (RGB, {})],
    "thumbnail last": [(RGB, {}), (SMALL, {})],
    "smaller copy first": [(RGB[:24, :36], {}), (RGB, {})],
    "below a preview": [(SMALL, {"subfiletype": 1, "subifds": 1}), (RGB, {"subfiletype": 0})],
    "JPEG below a preview": [(SMALL, {"subfiletype": 1, "subifds": 1}), (RGB, {"compression": "jpeg"})],
    "pyramid": [(RGB, {"subifds": 2}), (RGB[::2, ::2], {"subfiletype": 1}), (RGB[::4, ::4], {"subfiletype": 1})],
    "overviews": [(RGB, {}), (RGB[::2, ::2], {"subfiletype": 1}), (RGB[::4, ::4], {"subfiletype": 1})],
    "mask first": [(RGB[..., 0] > 9, {"subfiletype": 4}), (RGB, {})],
    "large preview first": [(RGB[:30, :45], {"subfiletype": 1}), (RGB, {})],
    "JPEG preview first": [(SMALL, {"subfiletype": 1, "compression": "jpeg"}), (RGB, {})],
    "JPEG picture second": [(SMALL, {"subfiletype": 1}), (RGB, {"compression": "jpeg"})],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_picture_of_full_resolution_is_read(tmp_path, layout):
    image, notes = read(pages(tmp_path / "a.tif", *LAYOUTS[layout]))
    lossy = any(told.get("compression") and len(picture) == 40 for picture, told in LAYOUTS[layout])
    assert image.shape == (40, 60, 3) and notes == ()
    assert np.abs(image - RGB / 255).mean() < (0.2 if lossy else 1e-6)


def test_of_several_full_pictures_the_first_is_read_with_a_note(tmp_path):
    image, notes = read(pages(tmp_path / "a.tif", (RGB, {}), (255 - RGB, {}), (RGB[:30], {})))
    np.testing.assert_allclose(image, RGB / 255, atol=1e-6)
    assert len(notes) == 1 and "several pictures" in notes[0]


def test_a_picture_below_a_preview_is_turned_and_coloured_as_the_preview_says(tmp_path):
    turned = {"extratags": [(274, "H", 1, 6, True)], "iccprofile": rgb_profile(SRGB, 1)}
    layout = (SMALL, {"subfiletype": 1, "subifds": 1, **turned}), (RGB, {})
    image, _ = read(pages(tmp_path / "a.tif", *layout))
    np.testing.assert_allclose(image, np.rot90(as_srgb(RGB / 255), -1), atol=0.003)


SENSOR = (DEEP[..., 0], {"photometric": 32803, "subfiletype": 0})
RAW = {
    "a.tif": [(SMALL, {"subfiletype": 1, "subifds": 1}), SENSOR],
    "b.tif": [(RGB, {}), SENSOR],
    "c.tif": [(DEEP[..., :3], {"photometric": 34892})],
    "d.tif": [(RGB, {"extratags": [(50706, 1, 4, b"\1\4\0\0", True)]})],
    "e.NEF": [(SMALL, {"subfiletype": 1, "subifds": 1}), (DEEP[..., 0], {})],
}


@pytest.mark.parametrize("name", RAW)
def test_raw_data_of_a_camera_is_refused(tmp_path, name):
    with pytest.raises(ImageError, match=r"raw .*of a camera.*; develop it"):
        read_photo(pages(tmp_path / name, *RAW[name]))


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32])
def test_signed_samples_are_refused(tmp_path, kind):
    tifffile.imwrite(tmp_path / "a.tif", RGB.astype(kind), photometric="rgb")
    with pytest.raises(ImageError, match=r"a\.tif: signed .*; save it with unsigned"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("stored", ["assocalpha", "unassalpha"])
def test_alpha_counts_once(tmp_path, kind, channels, stored):
    full = 1 if kind == np.float32 else np.iinfo(kind).max
    colour, alpha = DEEP[..., : channels - 1] / 65535, 0.1 + 0.9 * DEEP[..., 3:] / 65535
    samples = np.concatenate([colour * alpha if stored == "assocalpha" else colour, alpha], -1) * full
    samples = samples.astype(kind) if full == 1 else np.rint(samples).astype(kind)
    shape = "rgb" if channels == 4 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric=shape, extrasamples=[stored], planarconfig="contig")
    expected = np.broadcast_to(colour * alpha + 1 - alpha, (40, 60, 3))
    np.testing.assert_allclose(read(tmp_path / "a.tif")[0], expected, atol=3 / full if full > 1 else 1e-6)


def test_a_channel_of_unknown_meaning_is_no_alpha(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="rgb", extrasamples=["unspecified"])
    np.testing.assert_allclose(read(tmp_path / "a.tif")[0], DEEP[..., :3] / 65535, atol=1e-6)


def test_five_bands_are_no_photo(tmp_path):
    bands = np.concatenate([DEEP, DEEP[..., :1]], -1)
    tifffile.imwrite(tmp_path / "a.tif", bands, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ImageError, match="5 channels of unknown meaning; save"):
        read_photo(tmp_path / "a.tif")


TWELVE = DEEP[..., :3] >> 4


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_samples_of_fewer_bits_use_the_range_that_the_file_states(tmp_path, bits):
    samples = DEEP[..., :3] >> 16 - bits
    expected = samples / (2**bits - 1)
    stated = [(281, "H", 3, (2**bits - 1,) * 3, True)]
    tifffile.imwrite(tmp_path / "stated.tif", samples, photometric="rgb", extratags=stated)
    image, notes = read(tmp_path / "stated.tif")
    np.testing.assert_allclose(image, expected, atol=1e-6)
    assert notes == ()


def test_packed_samples_of_12_bits_fill_the_range(tmp_path):
    """A strip by hand: 12 bits a sample, big end first, as TIFF 6.0 packs them."""
    samples = TWELVE[..., 0]
    words = "".join(f"{value:012b}" for value in samples.flat)
    strip = int(words, 2).to_bytes(len(words) // 8)
    entries = [(256, 3, 60), (257, 3, 40), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 200)]
    entries += [(277, 3, 1), (278, 3, 40), (279, 4, len(strip))]
    table = b"".join(
        tag.to_bytes(2, "little") + kind.to_bytes(2, "little") + (1).to_bytes(4, "little") + value.to_bytes(4, "little")
        for tag, kind, value in entries
    )
    head = b"II*\0" + (8).to_bytes(4, "little") + len(entries).to_bytes(2, "little") + table + bytes(4)
    (tmp_path / "a.tif").write_bytes(head.ljust(200, b"\0") + strip)
    image, notes = read(tmp_path / "a.tif")
    np.testing.assert_allclose(image[..., 1], samples / 4095, atol=1e-6)
    assert notes == ()


def test_samples_of_fewer_bits_without_a_stated_range_have_a_note(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", TWELVE, photometric="rgb")
    image, notes = read(tmp_path / "a.tif")
    np.testing.assert_allclose(image, TWELVE / 65535, atol=1e-6)
    assert len(notes) == 1 and "12 bits, multiply them by 16" in notes[0]


def test_a_largest_sample_that_is_counted_rather_than_stated_scales_nothing(tmp_path):
    samples = DEEP[..., :3] // 16 + 100
    stated = [(281, "H", 3, (int(samples.max()),) * 3, True)]
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extratags=stated)
    np.testing.assert_allclose(read(tmp_path / "a.tif")[0], samples / 65535, atol=1e-6)


@pytest.mark.parametrize(("bits", "factor"), [(8, 256), (10, 64), (12, 16), (14, 4)])
@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_an_array_of_camera_values_has_a_note(bits, factor, shape):
    samples = np.full(shape, 2**bits - 1, np.uint16)
    samples[:20] //= 3
    (note,) = to_photo(samples).notes
    assert f"end at {2**bits - 1} of 65535" in note and f"multiply them by {factor} " in note


@pytest.mark.parametrize("top", [0, 16384, 65535])
def test_black_and_bright_arrays_have_no_note(top):
    assert to_photo(np.full((40, 60, 3), top, np.uint16)).notes == ()


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_every_lossless_compression_keeps_every_bit(tmp_path, compression, kind):
    stored = DEEP[..., :3].astype(kind)
    predictor = compression in ("lzw", "zlib")
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", compression=compression, predictor=predictor)
    expected = stored.astype(np.float32) / np.float32(np.iinfo(kind).max)
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[0], expected)


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", None])
def test_a_cut_tiff_is_refused(tmp_path, compression):
    tifffile.imwrite(tmp_path / "a.tif", DEEP[..., :3], photometric="rgb", compression=compression, rowsperstrip=10)
    content = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(content[: len(content) * 9 // 10])
    with pytest.raises(ImageError, match=r"a\.tif: damaged or cut short \(.*\); copy"):
        read_photo(tmp_path / "a.tif")


def test_a_tiff_with_too_few_strips_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb", rowsperstrip=10)
    with tifffile.TiffFile(tmp_path / "a.tif", mode="r+") as tiff:
        tiff.pages.first.tags["RowsPerStrip"].overwrite(5)
    with pytest.raises(ImageError, match=r"damaged or cut short \(4 of 8 strips"):
        read_photo(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", ["group4", "group3", "tiff_ccitt", "packbits", "tiff_lzw", "raw"])
def test_one_bit_of_every_compression_is_black_and_white(tmp_path, compression):
    bits = RGB[..., 0] > 127
    PIL.Image.fromarray(bits).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read(tmp_path / "a.tif")[0][..., 1], bits)


@pytest.mark.parametrize("bits", [1, 8, 16])
def test_zero_may_be_white(tmp_path, bits):
    stored = RGB[..., 0] > 127 if bits == 1 else DEEP[..., 0].astype(f"u{bits // 8}")
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite")
    np.testing.assert_allclose(read(tmp_path / "a.tif")[0][..., 0], 1 - stored / (2**bits - 1), atol=1e-6)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_has_its_colours(tmp_path, bits):
    table = RNG.integers(0, 256, (3, 2**bits), dtype=np.uint16) * 257
    index = DEEP[..., 0] >> 16 - bits
    index = index.astype(f"u{bits // 8}")
    tifffile.imwrite(tmp_path / "a.tif", index, photometric="palette", colormap=table)
    np.testing.assert_allclose(read(tmp_path / "a.tif")[0], np.moveaxis(table[:, index], 0, -1) / 65535, atol=1e-6)


SMOOTH = np.stack(np.broadcast_arrays(np.arange(64) * 2, np.uint8(200), np.arange(64)[:, None] * 3), -1).astype(
    np.uint8
)


@pytest.mark.parametrize("mode", ["RGB", "YCbCr", "L"])
@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "raw"])
def test_jpeg_and_colour_differences_within_a_tiff_are_read(tmp_path, mode, compression):
    picture = PIL.Image.fromarray(SMOOTH).convert(mode)
    picture.save(tmp_path / "a.tif", compression=compression, **({"quality": 95} if compression == "jpeg" else {}))
    assert np.abs(read(tmp_path / "a.tif")[0] - np.asarray(picture.convert("RGB")) / 255).mean() < 0.01


def test_a_jpeg_within_a_tiff_in_the_usual_colour_differences_is_read(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", SMOOTH, photometric="rgb", compression="jpeg")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages.first.photometric == 6
    assert np.abs(read(tmp_path / "a.tif")[0] - SMOOTH / 255).mean() < 0.01


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_1_are_read_as_they_are(tmp_path, kind):
    values = (DEEP[..., :3] / 65535).astype(kind)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    np.testing.assert_allclose(read(tmp_path / "a.tif")[0], values, atol=1e-6)


def test_unlabelled_channels_in_threes_are_colours(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP[..., :3], photometric="minisblack", planarconfig="contig")
    np.testing.assert_allclose(read(tmp_path / "a.tif")[0], DEEP[..., :3] / 65535, atol=1e-6)


def test_the_pages_of_a_stack_are_pictures(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP[..., 0][None].repeat(3, 0), imagej=True)
    image, notes = read(tmp_path / "a.tif")
    np.testing.assert_allclose(image[..., 2], DEEP[..., 0] / 65535, atol=1e-6)
    assert "several pictures" in notes[0]
