"""The picture in a file of any format that is read, whose size is known to be acceptable before it is decoded."""

from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import PIL.Image

from marigold.core import foreign, profiles
from marigold.core.headers import boxed_profile, check_header
from marigold.core.pillow import from_pillow, label, silence_libtiff, stated_profile
from marigold.core.png import Chunks, read_chunks
from marigold.core.raster import Raster, check_content, check_memory, check_size, in_bits

KNOWN = "JPEG, PNG, WebP, TIFF, AVIF, BMP, GIF, JPEG 2000 or PPM"
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP", "DIB", "GIF", "JPEG2000", "PPM")
_HEAD = 1 << 16
"""Bytes at the start of a file in which its boxes and marks are looked for."""


def decode(file: BinaryIO, path: Path) -> Raster:
    """The picture in a file. Raises `ImageError` where it is refused, and errors of any type for damaged files."""
    head = file.read(_HEAD)
    file.seek(0)
    foreign.refuse(path, head)
    return _decode_tiff(file) if head.startswith(foreign.TIFF) else _decode_other(file, head)


def _decode_tiff(file: BinaryIO) -> Raster:
    from marigold.core import tiff
    from marigold.core.directories import check_directories

    check_directories(file)
    with tiff.opened(file) as pages:
        page, notes = tiff.full_picture(pages)
        check_size(page.imagewidth, page.imagelength)
        check_content(page.imagewidth, page.imagelength, file)
        tiff.check(page)
        if not tiff.is_for_pillow(page):
            return replace(tiff.raster(page), notes=notes)
        number = page.index
    silence_libtiff()
    file.seek(0)
    with PIL.Image.open(file, formats=("TIFF",)) as image:
        image.seek(number)
        check_size(image.width, image.height)
        return replace(from_pillow(image), notes=notes)


def _decode_other(file: BinaryIO, head: bytes) -> Raster:
    check_header(file, head)
    chunks = read_chunks(file)
    plain = chunks.without_words(file)
    with PIL.Image.open(plain, formats=FORMATS) as image:
        check_size(image.width, image.height)
        check_content(image.width, image.height, file)
        deep = chunks.get(b"IHDR", b"")[8:9] == bytes([16])
        raster = _deep_png(plain, image, chunks) if deep else from_pillow(image)
        code = chunks.get(b"cICP", b"")
        profile = profiles.coded(*code[:2]) if len(code) == 4 else chunks.profile(file) or raster.profile
        animated = getattr(image, "is_animated", False) and image.format != "MPO"
        notes = ("the file is an animation, whose first picture is taken",) if animated else ()
        return replace(raster, profile=profile or boxed_profile(file, head), notes=notes)


def _deep_png(file: BinaryIO, image: PIL.Image.Image, chunks: Chunks) -> Raster:
    """A PNG with 16 bits, of which Pillow would keep 8 in colours."""
    check_memory(image.width, image.height, 2 * len(image.getbands()) + 2)
    orientation = label(image)[0] if chunks.keys() & {b"eXIf", b"iTXt", b"zTXt"} else 1
    file.seek(0)
    samples = imagecodecs.png_decode(file.read())
    bits = max(chunks.get(b"sBIT", b"\x10"))
    # By the standard samples of fewer bits are scaled up, which leaves the low bits 0 or 1 while the high ones are 0.
    if bits < 16 and not samples.max() >> bits and (samples & (1 << 16 - bits) - 1).max() > 1:
        samples = in_bits(samples, bits)
    return Raster(samples, stated_profile(image), orientation=orientation)
