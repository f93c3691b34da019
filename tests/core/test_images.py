"""Photos of every kind are read upright in their true colours; bad files are refused with a remedy."""

import io
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import tifffile
import torch
from PIL import ImageCms

from marigold.core import memory
from marigold.core.console import printable
from marigold.core.errors import ImageError
from marigold.core.images import read_image, read_photo, to_image, to_photo

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (12, 20, 4), dtype=np.uint16)


def as_array(image):
    return image.permute(1, 2, 0).numpy()


def png(samples, color_type, filters=(0, 1, 2, 3, 4), header_size=None):
    """A 16-bit PNG written by hand: its rows take turns through the five filters of the standard."""
    height, width, channels = samples.shape
    pixel = channels * 2
    rows = samples.astype(">u2").reshape(height, -1).view(np.uint8).reshape(height, width * pixel).astype(int)
    packed, above = b"", np.zeros(width * pixel, int)
    for index, row in enumerate(rows):
        kind = filters[index % len(filters)]
        left = np.concatenate([np.zeros(pixel, int), row[:-pixel]])
        corner = np.concatenate([np.zeros(pixel, int), above[:-pixel]])
        guess = [0, left, above, (left + above) // 2, paeth(left, above, corner)][kind]
        packed += bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    return png_file(header_size or (width, height), 16, color_type, zlib.compress(packed))


def paeth(left, above, corner):
    guess = left + above - corner
    distance = np.stack([abs(guess - left), abs(guess - above), abs(guess - corner)])
    return np.choose(distance.argmin(0), [left, above, corner])


def png_file(size, depth, color_type, content):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", *size, depth, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "bmp"])
def test_a_lossless_photo_is_read_to_the_bit(tmp_path, ending):
    PIL.Image.fromarray(RGB).save(tmp_path / f"a.{ending}", **({"lossless": True} if ending == "webp" else {}))
    image = read_image(tmp_path / f"a.{ending}")
    assert image.shape == (3, 12, 20) and image.dtype == torch.float32
    np.testing.assert_array_equal(as_array(image), RGB.astype(np.float32) / np.float32(255))


def test_a_jpeg_is_read_as_pillow_decodes_it(tmp_path):
    PIL.Image.fromarray(RGB).save(tmp_path / "a.jpg", quality=90)
    expected = np.asarray(PIL.Image.open(tmp_path / "a.jpg")) / 255
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.jpg")), expected, atol=1e-7)


def test_a_grey_photo_has_three_equal_channels(tmp_path):
    PIL.Image.fromarray(RGB[..., 0]).save(tmp_path / "a.png")
    image = as_array(read_image(tmp_path / "a.png"))
    np.testing.assert_allclose(image, np.repeat(RGB[..., :1] / 255, 3, axis=2), atol=1e-7)


def test_a_one_bit_photo_is_black_and_white(tmp_path):
    bits = RGB[..., 0] > 127
    PIL.Image.fromarray(bits).save(tmp_path / "a.png")
    np.testing.assert_array_equal(as_array(read_image(tmp_path / "a.png"))[..., 1], bits.astype(np.float32))


def test_a_palette_photo_has_the_palette_s_colours(tmp_path):
    picture = PIL.Image.new("P", (20, 12), 1)
    picture.putpalette([0, 0, 0, 255, 51, 0, 0, 102, 204])
    picture.putpixel((3, 2), 2)
    picture.save(tmp_path / "a.png")
    image = as_array(read_image(tmp_path / "a.png"))
    np.testing.assert_allclose(image[0, 0], [1, 0.2, 0], atol=1e-7)
    np.testing.assert_allclose(image[2, 3], [0, 0.4, 0.8], atol=1e-7)


@pytest.mark.parametrize("ending", ["jpg", "tif"])
def test_a_cmyk_photo_has_its_printed_colours(tmp_path, ending):
    PIL.Image.new("CMYK", (16, 16), (255, 0, 0, 0)).save(tmp_path / f"a.{ending}")
    np.testing.assert_allclose(as_array(read_image(tmp_path / f"a.{ending}"))[8, 8], [0, 1, 1], atol=0.02)


def test_transparent_parts_show_white(tmp_path):
    rgba = np.full((12, 20, 4), [255, 0, 51, 0], np.uint8)
    rgba[0, 0, 3], rgba[0, 1, 3] = 255, 51
    PIL.Image.fromarray(rgba).save(tmp_path / "a.png")
    image = as_array(read_image(tmp_path / "a.png"))
    np.testing.assert_allclose(image[0, :3], [[1, 0, 0.2], [1, 0.8, 0.84], [1, 1, 1]], atol=1e-6)


def test_grey_with_alpha_and_transparent_palettes_show_white(tmp_path):
    PIL.Image.new("LA", (16, 16), (0, 51)).save(tmp_path / "grey.png")
    np.testing.assert_allclose(as_array(read_image(tmp_path / "grey.png"))[4, 4], [0.8, 0.8, 0.8], atol=1e-6)
    picture = PIL.Image.new("P", (16, 16), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((1, 1), 1)
    picture.save(tmp_path / "palette.png", transparency=0)
    image = as_array(read_image(tmp_path / "palette.png"))
    np.testing.assert_allclose([image[0, 0], image[1, 1]], [[1, 1, 1], [1, 0, 0]])


@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (2, 3)])
def test_a_16_bit_png_keeps_every_bit(tmp_path, color_type, channels):
    (tmp_path / "a.png").write_bytes(png(DEEP[..., :channels], color_type))
    expected = np.broadcast_to(DEEP[..., :channels].astype(np.float32) / np.float32(65535), (12, 20, 3))
    np.testing.assert_array_equal(as_array(read_image(tmp_path / "a.png")), expected)


@pytest.mark.parametrize(("color_type", "channels"), [(4, 2), (6, 4)])
def test_a_16_bit_png_with_alpha_shows_white_through(tmp_path, color_type, channels):
    samples = DEEP[..., :channels]
    (tmp_path / "a.png").write_bytes(png(samples, color_type))
    colour, alpha = samples[..., :-1] / 65535, samples[..., -1:] / 65535
    expected = np.broadcast_to(colour * alpha + 1 - alpha, (12, 20, 3))
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.png")), expected, atol=1e-6)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_16_bit_tiff_keeps_every_bit(tmp_path, compression, planar):
    colour = DEEP[..., :3]
    stored = np.moveaxis(colour, -1, 0) if planar == "separate" else colour
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, compression=compression)
    expected = colour.astype(np.float32) / np.float32(65535)
    np.testing.assert_array_equal(as_array(read_image(tmp_path / "a.tif")), expected)


def test_a_grey_16_bit_tiff_with_lzw_keeps_every_bit(tmp_path):
    PIL.Image.fromarray(DEEP[..., 0]).save(tmp_path / "a.tif", compression="tiff_lzw")
    image = as_array(read_image(tmp_path / "a.tif"))[..., 0]
    np.testing.assert_array_equal(image, DEEP[..., 0].astype(np.float32) / np.float32(65535))


def with_chunk(content, kind, body):
    return (
        content[:33]
        + struct.pack(">I", len(body))
        + kind
        + body
        + struct.pack(">I", zlib.crc32(kind + body))
        + content[33:]
    )


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize(("color_type", "channels"), [(0, 1), (2, 3), (6, 4)])
def test_a_png_that_states_its_bits_but_is_not_scaled_to_16_fills_the_range(tmp_path, bits, color_type, channels):
    samples = DEEP[..., :channels] >> 16 - bits
    samples[..., 3:] = 2**bits - 1
    (tmp_path / "a.png").write_bytes(with_chunk(png(samples, color_type), b"sBIT", bytes([bits] * channels)))
    photo = read_photo(tmp_path / "a.png")
    expected = np.broadcast_to(samples[..., :3] / (2**bits - 1), (12, 20, 3))
    np.testing.assert_allclose(as_array(photo.pixels), expected, atol=1e-6)
    assert photo.notes == ()


@pytest.mark.parametrize("scaled", [lambda dark: dark << 4 | dark >> 8, lambda dark: dark << 4])
@pytest.mark.parametrize("dark", [0, 1])
def test_a_png_that_states_its_bits_and_is_scaled_stays_as_it_is(tmp_path, scaled, dark):
    samples = scaled(DEEP[..., :3] >> (8 if dark else 4)).astype(np.uint16)
    (tmp_path / "a.png").write_bytes(with_chunk(png(samples, 2), b"sBIT", bytes([12] * 3)))
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_allclose(as_array(photo.pixels), samples / 65535, atol=1e-6)
    assert len(photo.notes) == dark


def test_a_16_bit_colour_may_stand_for_transparent(tmp_path):
    samples = DEEP[..., :3].copy()
    samples[3, 4] = 1000, 2000, 3000
    key = struct.pack(">HHH", 1000, 2000, 3000)
    (tmp_path / "a.png").write_bytes(with_chunk(png(samples, 2), b"tRNS", key))
    expected = samples / 65535
    expected[3, 4] = 1
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.png")), expected, atol=1e-6)


def test_a_16_bit_png_is_turned_as_its_exif_says(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    content = with_chunk(png(DEEP[..., :3], 2), b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "a.png").write_bytes(content)
    expected = np.rot90(DEEP[..., :3], -1) / 65535
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.png")), expected, atol=1e-6)


def test_a_16_bit_tiff_where_zero_is_white_is_inverted(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP[..., 0], photometric="miniswhite")
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.tif"))[..., 0], 1 - DEEP[..., 0] / 65535, atol=1e-6)


def test_a_16_bit_cmyk_tiff_has_its_printed_colours(tmp_path):
    ink = np.zeros((16, 16, 4), np.uint16)
    ink[..., 0], ink[..., 3] = 65535, 13107  # full cyan, a fifth of black
    tifffile.imwrite(tmp_path / "a.tif", ink, photometric="separated")
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.tif"))[3, 3], [0, 0.8, 0.8], atol=1e-5)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_a_photo_is_turned_as_its_exif_says(tmp_path, ending, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    picture = PIL.Image.fromarray(np.kron(RGB[:3, :4], np.ones((8, 8, 1), np.uint8)))
    picture.save(tmp_path / f"a.{ending}", exif=exif, **({"quality": 100} if ending == "jpg" else {}))
    turns = PIL.Image.Transpose
    undo = [None, None, turns.FLIP_LEFT_RIGHT, turns.ROTATE_180, turns.FLIP_TOP_BOTTOM]
    undo += [turns.TRANSPOSE, turns.ROTATE_270, turns.TRANSVERSE, turns.ROTATE_90]
    expected = picture if undo[orientation] is None else picture.transpose(undo[orientation])
    image = as_array(read_image(tmp_path / f"a.{ending}"))
    assert image.shape[:2] == (expected.height, expected.width)
    assert abs(image - np.asarray(expected) / 255).mean() < (0.1 if ending == "jpg" else 1e-6)


def test_a_16_bit_tiff_is_turned_too(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DEEP[..., :3], photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    expected = np.rot90(DEEP[..., :3], -1) / 65535
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.tif")), expected, atol=1e-6)


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_a_profile_with_red_and_green_exchanged_is_converted_to_srgb(tmp_path):
    exchanged = srgb_profile().replace(b"rXYZ", b"wait").replace(b"gXYZ", b"rXYZ").replace(b"wait", b"gXYZ")
    exchanged = exchanged.replace(
        "sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be")
    )  # red primary <-> green primary
    picture = PIL.Image.new("RGB", (16, 16), (255, 0, 0))
    picture.save(tmp_path / "a.png", icc_profile=exchanged)
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.png"))[4, 4], [0, 1, 0], atol=0.01)
    picture.putalpha(51)
    picture.save(tmp_path / "alpha.png", icc_profile=exchanged)
    np.testing.assert_allclose(as_array(read_image(tmp_path / "alpha.png"))[4, 4], [0.8, 1, 0.8], atol=0.01)


def test_an_srgb_profile_changes_nothing(tmp_path):
    PIL.Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=srgb_profile())
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.png")), RGB / 255, atol=1e-7)


def test_a_damaged_colour_profile_counts_as_srgb(tmp_path):
    PIL.Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=b"no profile")
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.png")), RGB / 255, atol=1e-7)


@pytest.mark.parametrize(
    "photo",
    [
        RGB,
        RGB.astype(np.uint16) * 257,
        RGB / 255,
        (RGB / 255).astype(np.float32),
        PIL.Image.fromarray(RGB),
        torch.from_numpy(RGB).permute(2, 0, 1),
        torch.from_numpy(RGB).permute(2, 0, 1).double() / 255,
    ],
    ids=["uint8", "uint16", "float64", "float32", "pillow", "byte tensor", "float tensor"],
)
def test_a_photo_in_memory_is_the_same_in_every_form(photo):
    image = to_image(photo)
    assert image.shape == (3, 12, 20) and image.dtype == torch.float32
    np.testing.assert_allclose(as_array(image), RGB / 255, atol=1e-6)


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (RGB.astype(np.float32), "divide by 255"),
        (RGB.astype(np.int64), "no known range"),
        (np.full((12, 20, 3), np.nan), "NaN or infinite; replace them"),
        (RGB.transpose(2, 0, 1), r"shape \[3, 12, 20\]"),
        (np.zeros((2, 12, 20, 3), np.uint8), r"\[2, 12, 20, 3\]"),
        (torch.zeros(12, 20, 3), r"\[12, 20, 3\]"),
        (np.zeros((1, 1, 3), np.uint8), "1 x 1 pixels, less than the minimum"),
        ([[0]], "list"),
    ],
)
def test_what_is_no_photo_in_memory_is_refused(photo, message):
    with pytest.raises(ImageError, match=message):
        to_image(photo)


def cut(content):
    return content[: len(content) // 2]


def saved(picture, kind):
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


NOISE = PIL.Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
BAD_FILES = {
    "empty.jpg": (b"", "empty"),
    "text.jpg": (b"hello, this is no picture\n" * 40, "not an image.*convert it to PNG"),
    "cut.jpg": (cut(saved(NOISE, "JPEG")), "cut short"),
    "cut.png": (cut(saved(NOISE, "PNG")), "cut short"),
    "cut.webp": (cut(saved(NOISE, "WEBP")), "cut short|not an image"),
    "cut.tif": (cut(saved(NOISE, "TIFF")), "cut short"),
    "cut16.png": (cut(png(DEEP[..., :3], 2)), "cut short"),
    "header.png": (saved(NOISE, "PNG")[:20], "cut short|not an image"),
    "dot.png": (saved(PIL.Image.new("RGB", (1, 1)), "PNG"), "1 x 1 pixels.*minimum of 8 x 8"),
    "bomb.png": (png_file((40_000, 40_000), 8, 2, b""), "limit of 178 megapixels; scale it down"),
    "bomb16.png": (png_file((40_000, 40_000), 16, 2, b""), "limit of 178 megapixels"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_by_name_with_a_remedy(tmp_path, name):
    content, message = BAD_FILES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=message) as caught:
        read_image(tmp_path / name)
    text = str(caught.value)
    assert name in text and ";" in text and "\n" not in text


def test_a_tiff_header_bomb_is_refused_before_decoding(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((8, 8), np.uint16))
    content = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            tag = tiff.pages.first.tags[name]
            content[tag.valueoffset : tag.valueoffset + tag.valuebytecount] = (40_000).to_bytes(
                tag.valuebytecount, "little"
            )
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(ImageError, match="40000 x 40000 pixels, more than the limit"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_float_tiff_that_is_not_all_numbers_is_refused_as_that(tmp_path, value):
    photo = np.full((12, 20, 3), 0.5, np.float32)
    photo[3, 4, 1] = value
    tifffile.imwrite(tmp_path / "a.tif", photo, photometric="rgb")
    with pytest.raises(ImageError, match=r"a\.tif: float samples that are NaN or infinite; replace them"):
        read_image(tmp_path / "a.tif")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere\.jpg: no such file; check the path"):
        read_image(tmp_path / "nowhere.jpg")
    with pytest.raises(ImageError, match="a folder, not a file"):
        read_image(tmp_path)


def test_a_photo_that_has_been_read_is_not_copied():
    photo = torch.rand(3, 9, 10)
    assert to_image(photo) is photo


@pytest.mark.parametrize(
    ("value", "message"),
    [(torch.nan, "NaN or infinite"), (torch.inf, "NaN or infinite"), (-0.1, "outside 0 to 1"), (1.1, "outside 0 to 1")],
)
def test_a_tensor_with_other_than_numbers_in_0_to_1_is_refused(value, message):
    photo = torch.rand(3, 9, 10)
    photo[1, 2, 3] = value
    with pytest.raises(ImageError, match=message):
        to_image(photo)


def lazily(content):
    return PIL.Image.open(io.BytesIO(content))


def closed(picture):
    picture.load()
    picture.close()
    return picture


class Spelled:
    """A path of another kind."""

    def __init__(self, name):
        self.name = name

    def __fspath__(self):
        return self.name


HOSTILE_VALUES = {
    "cut short": (lambda: lazily(cut(saved(NOISE, "JPEG"))), "JpegImageFile that cannot be used .*truncated"),
    "closed": (lambda: closed(lazily(saved(NOISE, "PNG"))), "cannot be used .*closed"),
    "no pixels": (lambda: PIL.Image.new("RGB", (0, 64)), "0 x 64 pixels, less than"),
    "meta": (lambda: torch.zeros(3, 9, 9, device="meta"), "meta .*tensor is no photo"),
    "sparse": (lambda: torch.zeros(3, 9, 9).to_sparse(), "sparse.*tensor is no photo"),
    "complex": (lambda: torch.zeros(3, 9, 9, dtype=torch.complex64), "complex tensor is no photo"),
    "int8": (lambda: torch.zeros(3, 9, 9, dtype=torch.int8), "int8 have no known range"),
    "int64": (lambda: torch.zeros(3, 9, 9, dtype=torch.int64), "int64 have no known range"),
    "bfloat16": (lambda: torch.full((3, 9, 9), torch.nan, dtype=torch.bfloat16), "NaN or infinite"),
    "endless tensor": (lambda: torch.zeros(1, 1, 1).expand(3, 10**6, 10**6), "more than the limit of 178 megapixels"),
    "endless array": (lambda: np.broadcast_to(np.uint8(0), (10**6, 10**6, 3)), "more than the limit of 178 megapixels"),
    "scalar": (lambda: np.array(0.5), r"shape \[\]"),
    "nothing": (lambda: np.zeros((0, 0)), "0 x 0 pixels, less than"),
    "masked": (lambda: np.ma.masked_array(np.zeros((9, 9)), np.ones((9, 9), bool)), "masked array"),
    **{
        kind: (lambda kind=kind: np.zeros((9, 9), kind), "have no known range")
        for kind in ("O", "U3", "S3", "V4", "M8[s]", "m8[s]", "c8", "u4")
    },
    "record": (lambda: np.zeros((9, 9), [("red", "u1")]), "have no known range"),
    "minus infinity": (lambda: np.full((9, 9), -np.inf), "NaN or infinite"),
    "bytes": (lambda: b"a.png", "a bytes is no photo"),
    "nothing at all": (lambda: None, "a NoneType is no photo"),
    "zero byte": (lambda: "a\0b.png", r"a\\x00b\.png: cannot be read"),
    "lone surrogate": (lambda: "a\ud800b.png", r"a\\ud800b\.png: cannot be read"),
    "long name": (lambda: "a" * 5000, "cannot be read"),
    "broken path": (lambda: Spelled(7), "a path that cannot be used"),
    "device": (lambda: "/dev/zero", "/dev/zero: a device, not a file"),
    "terminal": (lambda: "a\n\x1b[2J.png", r"a\\n\\x1b\[2J\.png: no such file"),
}


@pytest.mark.parametrize("name", HOSTILE_VALUES)
def test_whatever_is_no_photo_is_refused_on_one_line(name):
    make, message = HOSTILE_VALUES[name]
    with pytest.raises(ImageError, match=message) as caught:
        to_photo(make())
    assert printable(caught.value) == str(caught.value)


@pytest.mark.parametrize("kind", [np.float16, np.longdouble, ">f8", ">f4", ">u2", "<u2", "?"])
def test_numbers_of_every_precision_and_order_mean_the_same(kind):
    ones = np.zeros((9, 12, 3), kind)
    ones[2:, 3:] = 65535 if ones.dtype.kind == "u" else 1
    expected = np.zeros((3, 9, 12), np.float32)
    expected[:, 2:, 3:] = 1
    np.testing.assert_array_equal(to_image(ones).numpy(), expected)
    np.testing.assert_array_equal(to_image(ones[::-1, ::-1]).numpy(), expected[:, ::-1, ::-1])


def test_a_photo_of_several_strips_is_whole(tmp_path):
    deep = RNG.integers(0, 65536, (600, 900, 4), dtype=np.uint16)
    colour, alpha = deep[..., :3].astype(np.float32) / 65535, deep[..., 3:].astype(np.float32) / 65535
    expected = colour * alpha + (1 - alpha)
    np.testing.assert_allclose(as_array(to_image(deep)), expected, atol=1e-6)
    tifffile.imwrite(
        tmp_path / "a.tif", deep, photometric="rgb", extrasamples=["unassalpha"], extratags=[(274, 3, 1, 7, True)]
    )
    transverse = PIL.Image.Transpose.TRANSVERSE
    channel = np.asarray(PIL.Image.fromarray(np.ascontiguousarray(expected[..., 0])).transpose(transverse))
    np.testing.assert_allclose(as_array(read_image(tmp_path / "a.tif"))[..., 0], channel, atol=1e-6)


def test_a_photo_that_does_not_fit_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    PIL.Image.new("RGB", (2200, 2000)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").shape == (3, 2000, 2200)
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**7)
    monkeypatch.setattr(PIL.Image.Image, "load", None)
    with pytest.raises(ImageError, match=r"a\.png: a photo of 2200 x 2000 pixels needs about 0\.1 GB .* 0\.0 GB are a"):
        read_image(tmp_path / "a.png")


def test_memory_that_runs_out_is_a_message(tmp_path, monkeypatch):
    PIL.Image.new("RGB", (16, 16)).save(tmp_path / "a.png")

    def run_out(image):
        raise MemoryError

    monkeypatch.setattr("marigold.core.decode.from_pillow", run_out)
    with pytest.raises(ImageError, match=r"a\.png: it needs more memory than there is; scale it down first"):
        read_image(tmp_path / "a.png")


def test_a_file_longer_than_any_photo_is_refused_unread(tmp_path):
    for name, start, size in (("a.jpg", b"\xff\xd8\xff", 1 << 40), ("b.webp", b"RIFF", 3 << 30)):
        (tmp_path / name).write_bytes(start)
        os.truncate(tmp_path / name, size)
        with pytest.raises(ImageError, match="more than a photo"):
            read_image(tmp_path / name)


@pytest.mark.parametrize(
    ("before", "message"),
    [(b"\xff\xe1\0\x08Exif\0\0" * 100, "scans or 64 labels"), (b"\xff\xda\0\2" * 300, "256 scans")],
)
def test_a_jpeg_that_takes_too_long_is_refused(tmp_path, before, message):
    content = saved(NOISE, "JPEG")
    (tmp_path / "a.jpg").write_bytes(content[:2] + before + content[2:])
    with pytest.raises(ImageError, match=message):
        read_image(tmp_path / "a.jpg")


def test_a_header_without_an_end_is_refused(tmp_path):
    (tmp_path / "a.ppm").write_bytes(b"P6 #" + b"x" * 1_000_000)
    with pytest.raises(ImageError, match="a header without an end; save it again"):
        read_image(tmp_path / "a.ppm")


def test_warnings_of_decoders_stay_inside_in_all_threads(tmp_path, monkeypatch, recwarn):
    PIL.Image.new("L", (16, 16)).save(tmp_path / "a.png")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 200)  # Pillow warns of more
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(read_photo, [tmp_path / "a.png"] * 20))
    assert len(recwarn) == 0
    with pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", UserWarning, stacklevel=1)


@pytest.mark.parametrize("name", [b"caf\xe9.png", b"a\nb.png", b"\x1b[2J.png"])
def test_a_photo_may_be_called_by_any_bytes(tmp_path, name):
    path = Path(os.fsdecode(os.path.join(os.fsencode(tmp_path), name)))
    PIL.Image.fromarray(RGB).save(tmp_path / "plain.png")
    os.rename(tmp_path / "plain.png", path)
    np.testing.assert_array_equal(as_array(read_image(path)), RGB.astype(np.float32) / np.float32(255))
    np.testing.assert_array_equal(read_image(Spelled(os.fsencode(path))), read_image(path))


@pytest.mark.parametrize("orientation", [1, 6])
def test_photos_of_eight_bits_stay_in_bytes_and_count_as_floats(tmp_path, orientation):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    PIL.Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    upright = RGB if orientation == 1 else np.rot90(RGB, -1)
    photo = read_photo(tmp_path / "a.png")
    assert photo.levels.dtype == torch.uint8 and photo.size == upright.shape[:2]
    np.testing.assert_array_equal(as_array(photo.levels), upright)
    np.testing.assert_array_equal(as_array(photo.pixels), upright.astype(np.float32) / np.float32(255))
    assert read_photo(tmp_path / "a.png").pixels.is_contiguous()


def test_what_bytes_do_not_hold_stays_in_floats():
    transparent = np.dstack([RGB, np.full(RGB.shape[:2], 100, np.uint8)])
    for samples in (transparent, DEEP[..., :3], RGB.astype(np.float32) / 255):
        assert to_photo(samples).levels.dtype == torch.float32
