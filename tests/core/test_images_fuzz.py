"""Damaged photos of every format are read or refused on one line: no other error, no warning, no word on a stream."""

import io

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

from marigold.core.errors import ImageError
from marigold.core.images import read_photo
from toys.icc import SRGB, rgb_profile
from toys.mutations import damaged_bytes, survives

Y, X = np.mgrid[0:16, 0:16]
RGB = np.stack([X * 16, Y * 16, 255 - X * 9], -1).astype(np.uint8)
DEEP = RGB.astype(np.uint16) * 257
EACH = 20


def pillow(form, mode="RGB", **options):
    content = io.BytesIO()
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    PIL.Image.fromarray(RGB).convert(mode).save(content, form, exif=exif, **options)
    return content.getvalue()


def tiff(samples, **options):
    content = io.BytesIO()
    with tifffile.TiffWriter(content, bigtiff=options.pop("bigtiff", False)) as file:
        file.write(samples, photometric="rgb", **options)
    return content.getvalue()


PROFILE = rgb_profile(SRGB, 1)
VALID = {
    "jpeg": lambda: pillow("JPEG", icc_profile=PROFILE),
    "jpeg progressive": lambda: pillow("JPEG", progressive=True),
    "jpeg inks": lambda: pillow("JPEG", "CMYK"),
    "png": lambda: pillow("PNG", icc_profile=PROFILE),
    "png palette": lambda: pillow("PNG", "P", transparency=3),
    "png 16": lambda: imagecodecs.png_encode(DEEP),
    "webp": lambda: pillow("WEBP", icc_profile=PROFILE),
    "webp lossless": lambda: pillow("WEBP", "RGBA", lossless=True),
    "avif": lambda: pillow("AVIF", speed=10),
    "bmp": lambda: pillow("BMP"),
    "bmp palette": lambda: pillow("BMP", "P"),
    "gif": lambda: pillow("GIF", "P"),
    "jp2": lambda: pillow("JPEG2000"),
    "j2k": lambda: pillow("JPEG2000", no_jp2=True),
    "ppm": lambda: pillow("PPM"),
    "ppm in words": lambda: b"P3 16 16 255\n" + " ".join(map(str, RGB.ravel())).encode(),
    "tiff": lambda: tiff(RGB),
    "tiff 16": lambda: tiff(DEEP, compression="zlib", predictor=True),
    "tiff lzw": lambda: tiff(RGB, compression="lzw", rowsperstrip=4),
    "tiff packbits": lambda: tiff(RGB, compression="packbits"),
    "tiff tiles": lambda: tiff(np.tile(RGB, (2, 2, 1)), compression="zlib", tile=(16, 16)),
    "tiff float": lambda: tiff((RGB / 255).astype(np.float32)),
    "tiff jpeg": lambda: tiff(RGB, compression="jpeg"),
    "tiff webp": lambda: tiff(RGB, compression="webp"),
    "tiff fax": lambda: pillow("TIFF", "1", compression="group4"),
    "big tiff": lambda: tiff(DEEP, bigtiff=True),
    "tiff planes": lambda: tiff(np.moveaxis(DEEP, -1, 0), planarconfig="separate"),
    "tiff profile": lambda: tiff(RGB, iccprofile=PROFILE, extratags=[(274, "H", 1, 6, True)]),
}


@pytest.mark.parametrize("form", VALID)
def test_a_damaged_photo_is_read_or_refused_on_one_line(tmp_path, capfd, form):
    valid = VALID[form]()
    path = tmp_path / "a"
    path.write_bytes(valid)
    assert read_photo(path).pixels.shape[0] == 3
    read = 0
    for number, content in enumerate(damaged_bytes(valid, EACH)):
        path.write_bytes(content)
        read += survives(lambda: read_photo(path), (ImageError,), f"{form}, variant {number}")
    assert read < EACH  # something was damaged enough
    assert capfd.readouterr() == ("", "")


def test_enough_is_tried():
    assert len(VALID) * EACH >= 300
