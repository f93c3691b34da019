"""The camera of a photo: as a person states it, or from the photo's EXIF data."""

import math
from contextlib import suppress
from pathlib import Path

import PIL.Image

from marigold.core.documents import read_json
from marigold.core.errors import ConfigError
from marigold.core.images import open_photo
from marigold.core.pillow import without_warnings
from marigold.core.view import View
from marigold.metric.colmap import read_model

DIAGONAL = math.hypot(36, 24)
"""Millimetres of the diagonal of 35 mm film, to which equivalent focal lengths refer (CIPA DCG-001)."""
_EXIF = 0x8769
_FOCAL, _FOCAL_35, _WIDTH, _RESOLUTION, _UNIT = 0x920A, 0xA405, 0xA002, 0xA20E, 0xA210
_MILLIMETRES = {2: 25.4, 3: 10.0, 4: 1.0}
"""Of a unit of the focal plane's resolution."""
_NUMBERS = ("fx", "fy", "cx", "cy")
_FORMS = "give fx,fy,cx,cy in pixels of the photo, a JSON file with these keys, or a COLMAP folder"
_NAMED = "give a JSON file with fx, fy, cx, cy, and width and height where they are not the photo's"


def stated(camera: str, photo: Path, size: tuple[int, int]) -> View:
    """The camera that a person states for a photo of this size (height, width).

    `fx,fy,cx,cy`; a JSON file with these keys, and with `width` and `height` where they are of another size; or the
    folder of a COLMAP model that the photo is in. Raises `ConfigError` and `ImageError`.
    """
    path = Path(camera).expanduser()
    if path.is_dir():
        model = read_model(path)
        return _checked(model.view(model.photo(photo)), size)
    if path.suffix.lower() == ".json":
        return _checked(_of_document(path, size), size)
    try:
        numbers = [float(number) for number in camera.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != len(_NUMBERS):
        raise ConfigError(f"camera: `{camera}` is no camera; {_FORMS}")
    fx, fy, cx, cy = numbers
    return _checked(View(fx, fy, cx, cy, size[1], size[0], "as stated"), size)


def _of_document(path: Path, size: tuple[int, int]) -> View:
    content = read_json(path, ConfigError, _NAMED)
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds no keys; {_NAMED}")
    content = {"width": size[1], "height": size[0], **content}
    wrong = [name for name in (*_NUMBERS, "width", "height") if type(content.get(name)) not in (int, float)]
    if wrong:
        raise ConfigError(f"{path}: `{wrong[0]}` is missing or no number; {_NAMED}")
    fx, fy, cx, cy = (float(content[name]) for name in _NUMBERS)
    return View(fx, fy, cx, cy, content["width"], content["height"], str(path))


def _checked(view: View, size: tuple[int, int]) -> View:
    numbers = (view.fx, view.fy, view.cx, view.cy, view.width, view.height)
    if not all(map(math.isfinite, numbers)) or min(view.fx, view.fy, view.width, view.height) <= 0:
        raise ConfigError(f"camera: {view.words()} cannot be; {_FORMS}, all focal lengths above 0")
    view.at(size[1], size[0])
    return view


def of_photo(photo: Path, size: tuple[int, int]) -> View | None:
    """The camera by a photo's EXIF data, its centre in the middle; None where they say nothing of it.

    The focal length in millimetres counts where the resolution of the focal plane is stated, otherwise the equivalent
    of 35 mm film, by the diagonal. `size` is (height, width) of the upright photo.
    """
    tags = _tags(photo)
    height, width = size
    focal, origin = _by_focal_plane(tags, max(size)), "EXIF focal length and resolution of the focal plane"
    if focal is None:
        focal, origin = _positive(tags.get(_FOCAL_35)), "EXIF focal length as of 35 mm film"
        focal = focal and focal * math.hypot(width, height) / DIAGONAL
    return View(focal, focal, width / 2, height / 2, width, height, origin) if focal else None


def _by_focal_plane(tags: dict[int, object], longest: int) -> float | None:
    """Pixels of the focal length in a photo with so many on its longest side."""
    focal, per_unit, width = (_positive(tags.get(tag)) for tag in (_FOCAL, _RESOLUTION, _WIDTH))
    unit = _MILLIMETRES.get(int(_positive(tags.get(_UNIT)) or 2))
    if not (focal and per_unit and width and unit):
        return None
    height = _positive(tags.get(_WIDTH + 1)) or width
    return focal * per_unit / unit * longest / max(width, height)


def _tags(photo: Path) -> dict[int, object]:
    """The EXIF data about the exposure; nothing where there are none that can be read."""
    try:
        with open_photo(photo) as file, without_warnings(), PIL.Image.open(file) as image:
            return dict(image.getexif().get_ifd(_EXIF))
    except Exception:  # of a damaged label, whatever a decoder raises of it
        return {}


def _positive(number: object) -> float | None:
    with suppress(TypeError, ValueError, ZeroDivisionError, OverflowError):
        found = float(number)  # type: ignore[arg-type]
        if math.isfinite(found) and found > 0:
            return found
    return None
