"""Colours of every depth and mode come out as the sRGB that their file means."""

import struct
import zlib

import numpy as np
import PIL.Image
import pytest
import tifffile

from marigold.core.images import read_photo, to_image, to_photo
from toys.icc import ADOBE, PROPHOTO, SRGB, as_srgb, cmyk_profile, grey_profile, rgb_profile, srgb_of, srgb_of_lab

Y, X = np.mgrid[0:16, 0:24]
VALUES = np.stack([0.2 + X / 40, 0.25 + Y / 30, 0.6 - X / 80], -1)
"""Soft colours, well inside of sRGB whatever their primaries are."""
ALPHA = 0.25 + X / 40
GAMMAS = {
    "sRGB IEC61966-2.1": (SRGB, 1),
    "Linear Rec709": (SRGB, 1),
    "Adobe": (ADOBE, 563 / 256),
    "wide": (PROPHOTO, 1.8),
}


def levels(values, depth):
    return np.rint(values * (2**depth - 1)).astype(f"u{depth // 8}")


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(samples, *chunks):
    """A PNG of samples [H, W, C], uint8 or uint16, with chunks (kind, content) before the pixels."""
    height, width, channels = samples.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    head = struct.pack(">IIBBBBB", width, height, samples.itemsize * 8, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(samples.dtype.newbyteorder(">")).tobytes() for row in samples)
    parts = [(b"IHDR", head), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def write(path, samples, profile):
    """As a PNG by hand, a TIFF by tifffile, or by Pillow."""
    if path.suffix == ".png":
        path.write_bytes(png(samples, (b"iCCP", b"x\0\0" + zlib.compress(profile))))
    elif path.suffix == ".tif":
        channels = samples.shape[-1]
        extra = ["unassalpha"] if channels in (2, 4) else None
        kind = "rgb" if channels > 2 else "minisblack"
        shaped = samples if channels > 1 else samples[..., 0]
        planar = "contig" if channels > 1 else None
        tifffile.imwrite(path, shaped, photometric=kind, extrasamples=extra, iccprofile=profile, planarconfig=planar)
    else:
        PIL.Image.fromarray(samples).save(path, icc_profile=profile, lossless=True)
    return path


def read(path):
    photo = read_photo(path)
    assert photo.notes == ()
    return photo.pixels.permute(1, 2, 0).numpy()


FILES = [("a.png", 8), ("a.png", 16), ("a.tif", 8), ("a.tif", 16), ("a.webp", 8)]


@pytest.mark.parametrize(("name", "depth"), FILES)
@pytest.mark.parametrize("profile", GAMMAS)
def test_a_profile_means_what_it_does_whatever_its_name(tmp_path, name, depth, profile):
    stored = levels(VALUES, depth)
    path = write(tmp_path / name, stored, rgb_profile(*GAMMAS[profile], profile))
    expected = srgb_of(stored / (2**depth - 1), *GAMMAS[profile])
    np.testing.assert_allclose(read(path), expected, atol=0.003)


@pytest.mark.parametrize(("name", "depth"), FILES)
def test_the_profile_of_a_transparent_photo_counts_before_it_is_laid_on_white(tmp_path, name, depth):
    stored = levels(np.concatenate([VALUES, ALPHA[..., None]], -1), depth)
    path = write(tmp_path / name, stored, rgb_profile(SRGB, 1))
    shares = stored / (2**depth - 1)
    expected = as_srgb(shares[..., :3]) * shares[..., 3:] + 1 - shares[..., 3:]
    np.testing.assert_allclose(read(path), expected, atol=0.003)


@pytest.mark.parametrize(("name", "depth"), FILES[:4])
@pytest.mark.parametrize("profile", [grey_profile(1), rgb_profile(SRGB, 1)], ids=["grey", "rgb"])
@pytest.mark.parametrize("transparent", [False, True])
def test_grey_has_profiles_too(tmp_path, name, depth, profile, transparent):
    stored = levels(np.stack([VALUES[..., 0], ALPHA], -1)[..., : 1 + transparent], depth)
    share = stored / (2**depth - 1)
    alpha = share[..., 1:] if transparent else 1
    expected = np.repeat(as_srgb(share[..., :1]) * alpha + 1 - alpha, 3, axis=-1)
    np.testing.assert_allclose(read(write(tmp_path / name, stored, profile)), expected, atol=0.002)


def test_a_float_tiff_has_a_profile_too(tmp_path):
    path = write(tmp_path / "a.tif", VALUES.astype(np.float32), rgb_profile(SRGB, 1))
    np.testing.assert_allclose(read(path), as_srgb(VALUES), atol=0.001)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P"])
def test_a_picture_in_memory_is_converted_like_a_file(mode):
    picture = PIL.Image.new("RGB", (16, 16), (51, 51, 51)).convert(mode)
    picture.info["icc_profile"] = grey_profile(1) if mode.startswith("L") else rgb_profile(SRGB, 1)
    np.testing.assert_allclose(to_image(picture).numpy(), as_srgb(51 / 255), atol=0.002)


INKS = np.array([[22.0, 15, -9], [16, -20, 3], [5, 5, 6], [57, 0, 0]])
"""What each full ink takes from the L*, a* and b* of white paper; all of them together leave black."""
CORNERS = (100.0, 0, 0) - np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), -1) @ INKS


@pytest.mark.parametrize("depth", [8, 16])
def test_inks_have_the_colours_of_their_profile(tmp_path, depth):
    shares = np.stack([X / 23, Y / 15, 1 - X / 23, Y / 30], -1)
    stored = levels(shares, depth)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, photometric="separated", iccprofile=cmyk_profile(CORNERS))
    expected = srgb_of_lab((100.0, 0, 0) - shares @ INKS)
    np.testing.assert_allclose(read(path), expected, atol=0.01)
    if depth == 8:
        picture = PIL.Image.frombytes("CMYK", (24, 16), stored.tobytes())
        picture.info["icc_profile"] = cmyk_profile(CORNERS)
        np.testing.assert_allclose(to_image(picture).permute(1, 2, 0).numpy(), expected, atol=0.01)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("depth", [8, 16])
def test_a_lab_tiff_has_its_colours(tmp_path, depth, signed):
    lab = np.stack([20.0 + 2 * X, 3.0 * Y - 20, 30.0 - 2 * X], -1)
    step = 1 if depth == 8 else 256
    full = 65535 if depth == 16 and signed else 255 * step
    ab = np.rint(lab[..., 1:] * step) % 2**depth if signed else (lab[..., 1:] + 128) * step
    stored = np.concatenate([np.rint(lab[..., :1] / 100 * full), ab], -1).astype(f"u{depth // 8}")
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="cielab" if signed else "icclab")
    np.testing.assert_allclose(read(tmp_path / "a.tif"), srgb_of_lab(lab), atol=0.01 if depth == 8 else 0.002)


def test_a_lab_picture_in_memory_has_its_colours():
    picture = PIL.Image.frombytes("LAB", (16, 16), bytes([128, 148, 98]) * 256)
    expected = srgb_of_lab(np.array([128 / 2.55, 20, -30]))
    np.testing.assert_allclose(to_image(picture)[:, 3, 3].numpy(), expected, atol=0.002)


def gama(gamma):
    return b"gAMA", struct.pack(">I", round(gamma * 100_000))


BT709, P3 = (
    (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000),
    (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000),
)
P3_XYZ = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]


def chrm(numbers):
    return b"cHRM", struct.pack(">8I", *numbers)


def srgb_light(values):
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def p3(values):
    return srgb_of(srgb_light(values), P3_XYZ, 1)


STATED = {
    "linear": ([gama(1)], as_srgb),
    "half": ([gama(0.5)], lambda values: as_srgb(values**2)),
    "as sRGB": ([gama(1 / 2.2)], lambda values: values),
    "linear and primaries": ([gama(1), chrm(BT709)], as_srgb),
    "primaries": ([gama(1 / 2.2), chrm(P3)], p3),
    "primaries alone": ([chrm(P3)], p3),
    "sRGB first": ([gama(1), chrm(P3), (b"sRGB", b"\0")], lambda values: values),
    "profile first": (
        [gama(1), (b"iCCP", b"x\0\0" + zlib.compress(rgb_profile(SRGB, 2)))],
        lambda values: as_srgb(values**2),
    ),
    "code first": ([(b"cICP", bytes([12, 13, 0, 1])), gama(1), (b"sRGB", b"\0")], p3),
    "linear code": ([(b"cICP", bytes([1, 8, 0, 1]))], as_srgb),
}


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("stated", STATED)
def test_a_png_means_the_colours_that_it_states(tmp_path, stated, depth):
    chunks, meaning = STATED[stated]
    stored = levels(VALUES, depth)
    (tmp_path / "a.png").write_bytes(png(stored, *chunks))
    np.testing.assert_allclose(read(tmp_path / "a.png"), meaning(stored / (2**depth - 1)), atol=0.003)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_grey_png_states_its_gamma_too(tmp_path, channels):
    stored = levels(np.stack([VALUES[..., 0], np.ones_like(ALPHA)], -1)[..., :channels], 16)
    (tmp_path / "a.png").write_bytes(png(stored, gama(1)))
    np.testing.assert_allclose(read(tmp_path / "a.png")[..., 1], as_srgb(VALUES[..., 0]), atol=0.001)


def test_an_avif_states_its_primaries_by_a_code(tmp_path):
    path = tmp_path / "a.avif"
    PIL.Image.new("RGB", (32, 32), (200, 120, 60)).save(path, quality=100, subsampling="4:4:4")
    content = bytearray(path.read_bytes())
    place = content.index(b"colrnclx") + 8
    content[place : place + 4] = bytes([0, 12, 0, 13])
    path.write_bytes(content)
    decoded = np.asarray(PIL.Image.open(path)) / 255
    np.testing.assert_allclose(read(path), p3(decoded), atol=0.003)


def test_a_camera_says_adobe_rgb_in_its_exif(tmp_path):
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    PIL.Image.new("RGB", (16, 16), (60, 140, 90)).save(tmp_path / "a.jpg", quality=100, exif=exif)
    stored = np.asarray(PIL.Image.open(tmp_path / "a.jpg"))[4, 4] / 255
    np.testing.assert_allclose(read(tmp_path / "a.jpg")[4, 4], srgb_of(stored, ADOBE, 563 / 256), atol=0.003)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_png_says_adobe_rgb_in_its_exif_whatever_its_depth(tmp_path, depth):
    exif = PIL.Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = 0xFFFF
    exif.get_ifd(0x8769)[0xA005] = {1: "R03"}
    samples = levels(VALUES, depth)
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    (tmp_path / "a.png").write_bytes(png(samples, (b"eXIf", body)))
    wanted = srgb_of(samples / (2**depth - 1), ADOBE, 563 / 256)
    np.testing.assert_allclose(read(tmp_path / "a.png"), wanted, atol=0.003)


@pytest.mark.parametrize(
    ("profile", "reason"),
    [
        (b"no profile", "unknown colours"),
        (rgb_profile(SRGB, 1)[:200], "NULL"),
        (grey_profile(1), "it is for gray, not for 3 channels"),
        (cmyk_profile(CORNERS), "it is for cmyk, not for 3 channels"),
    ],
)
@pytest.mark.parametrize("depth", [8, 16])
def test_a_profile_that_cannot_be_used_is_ignored_with_a_note(tmp_path, profile, reason, depth):
    stored = levels(VALUES, depth)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", iccprofile=profile)
    photo = read_photo(tmp_path / "a.tif")
    np.testing.assert_allclose(photo.pixels.permute(1, 2, 0).numpy(), stored / (2**depth - 1), atol=1e-6)
    assert len(photo.notes) == 1 and "profile cannot be used" in photo.notes[0] and reason in photo.notes[0]


@pytest.mark.parametrize("chunks", [[(b"cICP", bytes([9, 16, 0, 1]))], [gama(0)]], ids=["HDR", "no gamma"])
def test_colours_that_have_no_profile_are_taken_for_srgb_with_a_note(tmp_path, chunks):
    (tmp_path / "a.png").write_bytes(png(levels(VALUES, 8), *chunks))
    photo = read_photo(tmp_path / "a.png")
    np.testing.assert_allclose(photo.pixels.permute(1, 2, 0).numpy(), levels(VALUES, 8) / 255, atol=1e-6)
    assert len(photo.notes) == 1 and "taken for sRGB" in photo.notes[0]


def test_a_photo_that_has_been_read_keeps_its_notes(tmp_path):
    photo = to_photo(PIL.Image.new("RGB", (16, 16)))
    assert to_photo(photo) is photo


def large_profile(size):
    """A profile with a table that means nothing at its end, which no packer makes smaller."""
    profile = bytearray(rgb_profile(SRGB, 1))
    profile += np.random.default_rng(0).bytes(size - len(profile))
    profile[:4] = struct.pack(">I", len(profile))
    return bytes(profile)


@pytest.mark.parametrize("name", ["a.png", "b.png", "a.jpg", "a.webp", "a.tif", "a.avif", "a.jp2"])
def test_a_profile_of_several_megabytes_is_used(tmp_path, name):
    profile, grey, path = large_profile(3 << 20), np.full((16, 16, 3), 102, np.uint8), tmp_path / name
    if name == "b.png":
        write(path, grey.astype(np.uint16) * 257, profile)
    elif name == "a.jp2":
        PIL.Image.fromarray(grey).save(path)
        content = path.read_bytes()
        box = struct.pack(">I", len(profile) + 11) + b"colr\2\0\0" + profile
        place, old = content.index(b"jp2h") - 4, content.index(b"colr") - 4
        size = int.from_bytes(content[old : old + 4])
        head = int.from_bytes(content[place : place + 4]) + len(box) - size
        content = content[:place] + head.to_bytes(4) + content[place + 4 : old] + box + content[old + size :]
        path.write_bytes(content)
    else:
        PIL.Image.fromarray(grey).save(path, icc_profile=profile, quality=100)
    np.testing.assert_allclose(read(path), as_srgb(102 / 255), atol=0.006)


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_profile_beyond_all_measure_is_ignored_with_a_note(tmp_path, name, monkeypatch):
    monkeypatch.setattr("marigold.core.profiles.MOST_OF_PROFILE", 1 << 20)
    monkeypatch.setattr("marigold.core.png.MOST_OF_PROFILE", 1 << 20)
    PIL.Image.new("RGB", (16, 16), (102, 102, 102)).save(tmp_path / name, icc_profile=large_profile(2 << 20))
    photo = read_photo(tmp_path / name)
    assert float(photo.pixels.max()) == float(np.float32(102) / np.float32(255))
    assert len(photo.notes) == 1 and "profile cannot be used (it has" in photo.notes[0]
