"""Reads photos as upright sRGB tensors, whatever their file holds.

JPEG, PNG, WebP, TIFF, AVIF, BMP, GIF, JPEG 2000 and PPM; 8 and 16 bits; grey, colour, palette, CMYK, alpha. A photo is
turned as its EXIF orientation says, converted to sRGB by its colour profile or what else its file states, and laid on
white where it is transparent. Of an animation or a document of several pages the first picture counts. A file whose
header promises more than `MAX_PIXELS` is refused before anything is decoded.
"""

from collections.abc import Mapping
from dataclasses import replace
from io import BufferedReader
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
import PIL.Image
import torch
from torch import Tensor

from marigold.core import foreign, profiles
from marigold.core.errors import ImageError
from marigold.core.files import reason
from marigold.core.png import read_chunks
from marigold.core.raster import MAX_PIXELS, MIN_SIDE, Photo, Raster, check_size, develop, in_bits, too_large

_ENDINGS = "jpg jpeg jpe jfif mpo png apng webp tif tiff avif bmp dib gif jp2 j2k j2c jpc jpf jpx pbm pgm ppm pnm"
SUFFIXES = tuple(f".{ending}" for ending in _ENDINGS.split())
"""Endings of the files that count as photos in a folder."""

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP", "DIB", "GIF", "JPEG2000", "PPM")
_KNOWN = "JPEG, PNG, WebP, TIFF, AVIF, BMP, GIF, JPEG 2000 or PPM"
_ORIENTATION = 0x0112
_EXIF, _INTEROPERABILITY = 0x8769, 0xA005
_LAB_STEPS = np.array([100 / 255, 1, 1])
_HEAD = 1 << 16
"""Bytes at the start of a file in which its boxes and marks are looked for."""


def read_photo(path: str | PathLike[str]) -> Photo:
    """The photo in a file, and what to know about how it was read. Raises `ImageError`."""
    foreign.refuse_address(path)
    path = Path(path)
    with open_photo(path) as file:
        try:
            return develop(_decode(file, path))
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from error
        except PIL.Image.DecompressionBombError as error:
            raise ImageError(f"{path}: {too_large()}") from error
        except PIL.UnidentifiedImageError as error:
            raise ImageError(f"{path}: not an image that can be read ({_KNOWN}); convert it to PNG or JPEG") from error
        except Exception as error:  # decoders meet hostile bytes with errors of every type
            what = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(f"{path}: damaged or cut short ({what}); copy or download it again") from error


def read_image(path: str | PathLike[str]) -> Tensor:
    """The photo in a file, upright: [3, H, W] float32 sRGB, 0 to 1. Raises `ImageError`."""
    return read_photo(path).pixels


def to_photo(image: str | PathLike[str] | PIL.Image.Image | np.ndarray | Tensor | Photo) -> Photo:
    """A photo in a file or in memory; one that has been read already is returned itself.

    Takes what `read_photo` and `to_image` take. Raises `ImageError`.
    """
    if isinstance(image, Photo):
        return image
    if isinstance(image, str | PathLike):
        return read_photo(image)
    if isinstance(image, PIL.Image.Image):
        check_size(image.width, image.height)
        return develop(_from_pillow(image))
    if isinstance(image, np.ndarray):
        return develop(Raster(image))
    if not isinstance(image, Tensor):
        raise ImageError(f"a {type(image).__name__} is no photo; give a path, a PIL image, a NumPy array or a tensor")
    if image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ImageError(f"a tensor of shape {list(image.shape)} is no photo; give [3, H, W]")
    if _is_ready(image):
        return Photo(image)
    tensor = image.detach().permute(1, 2, 0).cpu()
    return develop(Raster((tensor.float() if tensor.is_floating_point() else tensor).numpy()))


def to_image(image: Tensor | np.ndarray | PIL.Image.Image) -> Tensor:
    """A photo in memory as [3, H, W] float32 sRGB, 0 to 1.

    Takes a PIL image of any mode, a NumPy array [H, W] or [H, W, C] (uint8, uint16, or float in 0 to 1) or a tensor
    [3, H, W] or [1, H, W] (likewise); a tensor that is the result already is returned itself. Raises `ImageError`.
    """
    return to_photo(image).pixels


def _is_ready(image: Tensor) -> bool:
    """Whether a tensor is what `to_image` gives, found without copying it."""
    plain = image.device.type == "cpu" and image.dtype == torch.float32 and not image.requires_grad
    if not plain or len(image) != 3 or min(image.shape[-2:]) < MIN_SIDE or image[0].numel() > MAX_PIXELS:
        return False
    low, high = image.aminmax()
    return bool(low >= 0 and high <= 1)  # neither holds for NaN


def open_photo(path: Path) -> BufferedReader:
    """The file of a photo, which holds something. Raises `ImageError`."""
    try:
        file = path.open("rb")
        empty = path.stat().st_size == 0
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: a folder, not an image; name a file in it") from error
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({reason(error)}); check the path and its permissions") from error
    if empty:
        file.close()
        raise ImageError(f"{path}: the file is empty (0 bytes); copy or download it again")
    return file


def _decode(file: BinaryIO, path: Path) -> Raster:
    """The picture in a file, whose size is known to be acceptable before it is decoded."""
    head = file.read(_HEAD)
    file.seek(0)
    foreign.refuse(path, head)
    return _decode_tiff(file) if head.startswith(foreign.TIFF) else _decode_other(file, head)


def _decode_tiff(file: BinaryIO) -> Raster:
    import tifffile

    from marigold.core import tiff

    with tifffile.TiffFile(file) as pages:
        page, notes = tiff.full_picture(pages)
        check_size(page.imagewidth, page.imagelength)
        if not tiff.is_for_pillow(page):
            return replace(tiff.raster(page), notes=notes)
        number = page.index
    file.seek(0)
    with PIL.Image.open(file, formats=("TIFF",)) as image:
        image.seek(number)
        return replace(_from_pillow(image), notes=notes)


def _decode_other(file: BinaryIO, head: bytes) -> Raster:
    chunks = read_chunks(file)
    file.seek(0)
    with PIL.Image.open(file, formats=_FORMATS) as image:
        check_size(image.width, image.height)
        deep = chunks.get(b"IHDR", b"")[8:9] == bytes([16])
        raster = _deep_png(file, image, chunks) if deep else _from_pillow(image)
        code = chunks.get(b"cICP", b"")
        profile = profiles.coded(*code[:2]) if len(code) == 4 else raster.profile or _boxed_profile(head)
        animated = getattr(image, "is_animated", False) and image.format != "MPO"
        notes = ("the file is an animation, whose first picture is taken",) if animated else ()
        return replace(raster, profile=profile, notes=notes)


def _deep_png(file: BinaryIO, image: PIL.Image.Image, chunks: Mapping[bytes, bytes]) -> Raster:
    """A PNG with 16 bits, of which Pillow would keep 8 in colours."""
    orientation = _exif(image)[0] if chunks.keys() & {b"eXIf", b"iTXt", b"zTXt"} else 1
    file.seek(0)
    samples = imagecodecs.png_decode(file.read())
    bits = max(chunks.get(b"sBIT", b"\x10"))
    # By the standard samples of fewer bits are scaled up, which leaves the low bits 0 or 1 while the high ones are 0.
    if bits < 16 and not samples.max() >> bits and (samples & (1 << 16 - bits) - 1).max() > 1:
        samples = in_bits(samples, bits)
    return Raster(samples, _profile(image), orientation=orientation)


def _from_pillow(image: PIL.Image.Image) -> Raster:
    """Any mode of Pillow."""
    profile = _profile(image)
    inks = image.mode == "CMYK"
    if image.mode.startswith("I;16") or image.mode == "F":
        samples = np.asarray(image)
    elif image.mode == "I":
        samples = _sixteen_bits(np.asarray(image))
    elif image.mode == "LAB":
        samples, profile = profiles.lab_to_srgb(np.asarray(image) * _LAB_STEPS - (0, 128, 128)), None
    else:
        plain = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
        image_mode = plain + "A" if image.has_transparency_data else "CMYK" if inks else plain
        samples = np.asarray(image.convert(image_mode))
    return Raster(samples, profile, inks, _exif(image)[0])


def _profile(image: PIL.Image.Image) -> bytes | profiles.Stated | None:
    """What an image says of its colours; None means sRGB."""
    found = image.info
    if profile := found.get("icc_profile"):
        return profile
    if "srgb" in found:
        return None
    if found.keys() & {"gamma", "chromaticity"}:
        return profiles.Stated(found.get("chromaticity", profiles.BT709), found.get("gamma"))
    return profiles.ADOBE_RGB if _exif(image)[1] else None


def _boxed_profile(head: bytes) -> bytes | profiles.Stated | None:
    """What the first `colr` box of an AVIF or JPEG 2000 file says of its colours."""
    place = head.find(b"colr")
    if place < 4 or head[4:8] not in (b"ftyp", b"jP  "):
        return None
    content = head[place + 4 : place - 4 + int.from_bytes(head[place - 4 : place])]
    if content.startswith(b"nclx"):
        return profiles.coded(int.from_bytes(content[4:6]), int.from_bytes(content[6:8]))
    return content[3:] if content.startswith(b"\2") else None


def _sixteen_bits(array: np.ndarray) -> np.ndarray:
    if array.min() < 0 or array.max() > 65535:
        raise ImageError("32-bit integer values outside 0 to 65535; save it with 8 or 16 bits")
    return array.astype(np.uint16)


def _exif(image: PIL.Image.Image) -> tuple[int, bool]:
    """The orientation, and whether a camera says that its colours are Adobe RGB (DCF 2.0: index R03)."""
    try:
        exif = image.getexif()
        space, index = exif.get_ifd(_EXIF).get(0xA001), exif.get_ifd(_INTEROPERABILITY).get(1)
        return exif.get(_ORIENTATION, 1), (space, index) == (0xFFFF, "R03")
    except Exception:  # a damaged label is no reason to refuse a photo whose pixels are whole
        return 1, False
