"""Reads photos as upright sRGB tensors, whatever their file holds, and writes maps and pictures.

JPEG, PNG, WebP, TIFF and BMP; 8 and 16 bits; grey, colour, palette, CMYK, alpha. A photo is turned as its EXIF
orientation says, converted to sRGB by its colour profile (8-bit photos), and laid on white where it is transparent. Of
an animation or a document of several pages the first picture counts. A file whose header promises more than
`MAX_PIXELS` is refused before anything is decoded.
"""

import io
from os import PathLike
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL.Image
import torch
from PIL import ImageCms
from torch import Tensor

from marigold.core import deep_images
from marigold.core.errors import ImageError
from marigold.core.files import whole_file

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
"""Endings of the files that count as photos in a folder."""
MAX_PIXELS = 178_000_000
"""A little less than where Pillow itself takes a file for a decompression bomb."""
MIN_SIDE = 8

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
_ORIENTATION = 0x0112
_PNG_COMPRESSION = 3
_WHITE = {np.dtype(np.uint8): np.float32(255), np.dtype(np.uint16): np.float32(65535)}


def read_image(path: str | PathLike[str]) -> Tensor:
    """The photo in a file, upright: [3, H, W] float32 sRGB, 0 to 1. Raises `ImageError`."""
    path = Path(path)
    with _opened(path) as file:
        try:
            array = _decode(file)
        except ImageError as error:
            raise ImageError(f"{path}: {error}") from error
        except PIL.Image.DecompressionBombError as error:
            raise ImageError(f"{path}: {_too_large()}") from error
        except PIL.UnidentifiedImageError as error:
            known = "JPEG, PNG, WebP, TIFF or BMP"
            raise ImageError(f"{path}: not an image that can be read ({known}); convert it to PNG or JPEG") from error
        except Exception as error:  # decoders meet hostile bytes with errors of every type
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ImageError(f"{path}: damaged or cut short ({reason}); copy or download it again") from error
    return _as_tensor(array)


def to_image(image: Tensor | np.ndarray | PIL.Image.Image) -> Tensor:
    """A photo in memory as [3, H, W] float32 sRGB, 0 to 1.

    Takes a PIL image of any mode, a NumPy array [H, W] or [H, W, C] (uint8, uint16, or float in 0 to 1) or a tensor
    [3, H, W] or [1, H, W] (likewise); a tensor that is the result already is returned itself. Raises `ImageError`.
    """
    if isinstance(image, PIL.Image.Image):
        _check_size(image.width, image.height)
        array = _upright(_from_pillow(image), _orientation(image))
    elif isinstance(image, np.ndarray):
        array = _from_array(image)
    elif isinstance(image, Tensor):
        if image.ndim != 3 or image.shape[0] not in (1, 3):
            raise ImageError(f"a tensor of shape {list(image.shape)} is no photo; give [3, H, W]")
        if _is_ready(image):
            return image
        tensor = image.detach().permute(1, 2, 0).cpu()
        array = _from_array((tensor.float() if tensor.is_floating_point() else tensor).numpy())
    else:
        raise ImageError(f"a {type(image).__name__} is no photo; give a path, a PIL image, a NumPy array or a tensor")
    return _as_tensor(array)


def write_npy(path: str | Path, values: np.ndarray) -> None:
    """Writes an array as it is. Raises `OutputError`, as the other writers do."""
    with whole_file(path) as file:
        np.save(file, values, allow_pickle=False)


def write_png8(path: str | Path, picture: np.ndarray) -> None:
    """Writes a picture [H, W] or [H, W, 3], uint8."""
    _write_png(path, np.ascontiguousarray(picture, dtype=np.uint8))


def write_png16(path: str | Path, values: np.ndarray) -> None:
    """Writes values [H, W] in 0 to 1 as 16-bit grey, rounded; what lies outside is clipped."""
    levels = np.clip(values, 0, 1) * 65535
    _write_png(path, np.rint(levels, out=levels).astype(np.uint16))


def _is_ready(image: Tensor) -> bool:
    """Whether a tensor is what `to_image` gives, found without copying it."""
    plain = image.device.type == "cpu" and image.dtype == torch.float32 and not image.requires_grad
    if not plain or len(image) != 3 or min(image.shape[-2:]) < MIN_SIDE or image[0].numel() > MAX_PIXELS:
        return False
    low, high = image.aminmax()
    return bool(low >= 0 and high <= 1)  # neither holds for NaN


def _write_png(path: str | Path, picture: np.ndarray) -> None:
    with whole_file(path) as file:
        PIL.Image.fromarray(picture).save(file, format="PNG", compress_level=_PNG_COMPRESSION)


def _opened(path: Path) -> BinaryIO:
    try:
        file = path.open("rb")
        empty = path.stat().st_size == 0
    except FileNotFoundError as error:
        raise ImageError(f"{path}: no such file; check the path") from error
    except IsADirectoryError as error:
        raise ImageError(f"{path}: a folder, not an image; name a file in it") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImageError(f"{path}: cannot be read ({reason}); check the path and its permissions") from error
    if empty:
        file.close()
        raise ImageError(f"{path}: the file is empty (0 bytes); copy or download it again")
    return file


def _decode(file: BinaryIO) -> np.ndarray:
    """The picture in a file, upright: [H, W, 3]; uint8, uint16, or float32 in 0 to 1."""
    tiff = deep_images.tiff_header(file)
    if tiff is not None:
        _check_size(tiff.width, tiff.height)
        if tiff.deep:
            array, orientation = deep_images.read_tiff(file)
            return _upright(_from_array(array), orientation)
    deep_png = deep_images.is_deep_png(file)
    file.seek(0)
    with PIL.Image.open(file, formats=_FORMATS) as image:
        _check_size(image.width, image.height)
        array = _from_array(deep_images.read_png(file)) if deep_png else _from_pillow(image)
        return _upright(array, _orientation(image))


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width} x {height} pixels, {_too_large()}")
    if min(width, height) < MIN_SIDE:
        raise ImageError(
            f"{width} x {height} pixels, less than the minimum of {MIN_SIDE} x {MIN_SIDE}; use a larger image"
        )


def _too_large() -> str:
    return f"more than the limit of {MAX_PIXELS // 10**6} megapixels; scale it down first"


def _from_pillow(image: PIL.Image.Image) -> np.ndarray:
    """Any mode of Pillow as [H, W, 3], not yet upright."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I;16") or image.mode == "F":
        return _from_array(np.asarray(image))
    if image.mode == "I":
        return _from_array(_sixteen_bits(np.asarray(image)))
    if image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    return _from_array(np.asarray(_to_srgb(image, profile)))


def _sixteen_bits(array: np.ndarray) -> np.ndarray:
    if array.min() < 0 or array.max() > 65535:
        raise ImageError("32-bit integer values outside 0 to 65535; save it with 8 or 16 bits")
    return array.astype(np.uint16)


def _to_srgb(image: PIL.Image.Image, profile: bytes | None) -> PIL.Image.Image:
    """A picture in its profile's colours as sRGB; one without a usable profile counts as sRGB (or plain CMYK)."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" not in ImageCms.getProfileDescription(source).lower():
                mode = "RGBA" if image.mode == "RGBA" else "RGB"
                target = ImageCms.createProfile("sRGB")
                return ImageCms.profileToProfile(image, source, target, outputMode=mode) or image
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB") if image.mode == "CMYK" else image


def _from_array(array: np.ndarray) -> np.ndarray:
    """Samples [H, W] or [H, W, C], C = 1, 2 (grey and alpha), 3 or 4, as [H, W, 3] uint8, uint16 or float32."""
    array = array[..., None] if array.ndim == 2 else array
    if array.ndim != 3 or not 1 <= array.shape[-1] <= 4:
        raise ImageError(f"an array of shape {list(array.shape)} is no photo; give [H, W] or [H, W, 3]")
    _check_size(array.shape[1], array.shape[0])
    array = _of_known_range(array)
    if array.shape[-1] in (2, 4):
        samples = array.astype(np.float32) / _WHITE.get(array.dtype, np.float32(1))
        alpha = samples[..., -1:]
        array = samples[..., :-1] * alpha + (1 - alpha)
    return array if array.shape[-1] == 3 else np.repeat(array, 3, axis=2)


def _of_known_range(array: np.ndarray) -> np.ndarray:
    """Samples whose white is known: uint8, uint16, or float32 in 0 to 1."""
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == bool:
        return array.astype(np.float32)
    if array.dtype.kind != "f":
        raise ImageError(f"samples of type {array.dtype} have no known range; use uint8, uint16, or float in 0 to 1")
    if not np.isfinite(array).all():
        raise ImageError("float samples that are NaN or infinite; replace them with numbers in 0 to 1, such as 0")
    if array.min() < 0 or array.max() > 1:
        raise ImageError("float samples outside 0 to 1; scale them first (8-bit values: divide by 255)")
    return array.astype(np.float32)


def _as_tensor(array: np.ndarray) -> Tensor:
    """[H, W, 3] uint8, uint16 or float32 as a tensor [3, H, W] float32, 0 to 1, with memory of its own."""
    channels_first = torch.from_numpy(np.array(array.transpose(2, 0, 1), order="C"))
    return channels_first.float().div_(float(_WHITE.get(array.dtype, 1)))


def _orientation(image: PIL.Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a damaged label is no reason to refuse a photo whose pixels are whole
        return 1


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes the EXIF orientation 1 to 8 of [H, W, 3]: 5 to 8 exchange rows and columns, then rows or columns flip."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    rows = orientation in (3, 4, 7, 8)
    columns = orientation in (2, 3, 6, 7)
    return array[:: -1 if rows else 1, :: -1 if columns else 1]
