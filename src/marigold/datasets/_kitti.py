"""The windows of KITTI's photos that are scored: the benchmark crop and those of Eigen et al. and Garg et al."""

from dataclasses import replace
from typing import Literal

import torch

from marigold.core.errors import DataError
from marigold.core.sample import Sample

HEIGHT, WIDTH = 352, 1216
"""The benchmark crop."""
Window = Literal["eigen", "garg", "none"]
WINDOWS = {
    "eigen": (0.3324324, 0.91351351, 0.0359477, 0.96405229),
    "garg": (0.40810811, 0.99189189, 0.03594771, 0.96405229),
}
"""Top, bottom, left and right as shares of the height and width, of which the whole part counts.

Eigen, Puhrsch and Fergus 2014, and Garg et al. 2016, in the digits of the published evaluation of Marigold.
"""


def benchmark_crop(sample: Sample) -> Sample:
    """The window of KITTI's benchmark: the lowest 352 rows, and 1216 columns from int((W - 1216) / 2) on.

    Raises `DataError` for a sample that is smaller.
    """
    height, width = sample.image.shape[-2:]
    if height < HEIGHT or width < WIDTH:
        raise DataError(f"{sample.key}: {width} x {height}, the crop {WIDTH} x {HEIGHT}; set `crop: false`")
    return sample.cropped(height - HEIGHT, (width - WIDTH) // 2, HEIGHT, WIDTH)


def only_within(sample: Sample, window: Window) -> Sample:
    """The sample with truth that is valid only inside a window of its own size; `none` leaves all of it."""
    if window not in WINDOWS:
        return sample
    height, width = sample.image.shape[-2:]
    top, bottom, left, right = WINDOWS[window]
    inside = torch.zeros(1, height, width, dtype=torch.bool)
    inside[:, int(top * height) : int(bottom * height), int(left * width) : int(right * width)] = True
    return replace(sample, valid={name: valid & inside for name, valid in sample.valid.items()})
