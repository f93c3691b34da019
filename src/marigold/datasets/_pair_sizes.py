"""Maps at the size of their photos: as they are, brought there by their field's rule, or refused with what to do."""

from torch import Tensor

from marigold.core.errors import DataError
from marigold.core.sample import resize_field, shrink_mask
from marigold.datasets._physical import Masked

_TOLERANCE = 0.01
"""How far a map's aspect ratio may be from its photo's, as a fraction: 640 x 480 beside 1296 x 968 is 0.004."""


def sized(name: str, where: str, values: Tensor, valid: Tensor, size: tuple[int, int], resize: bool) -> Masked:
    """Values [C, h, w] and mask [1, h, w] at the photo's size (height, width), which they may be brought to.

    Raises `DataError` where they are not of that size and may not be brought to it, or show another part of the view.
    """
    (height, width), (own_height, own_width) = size, values.shape[-2:]
    if (own_height, own_width) == size:
        return values, valid
    told = f"{where}: {name} is {own_width} x {own_height}, its photo {width} x {height}"
    if abs(own_width * height / (own_height * width) - 1) <= _TOLERANCE:
        if not resize:
            raise DataError(f"{told}; set `resize_maps: true` to bring maps to the size of their photos")
        return resize_field(name, values[None], height, width)[0], shrink_mask(valid[None], height, width)[0]
    if (own_width, own_height) == size:
        raise DataError(f"{told}, once it is turned upright as its EXIF data say, if any; turn the map likewise")
    raise DataError(f"{told}, which is another aspect ratio; cut both to the same view")
