"""A contact sheet of samples of a data set: each in a row of the target images that its fields make."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from marigold.core.contact_sheet import WHITE, grid, labelled
from marigold.core.files import whole_file
from marigold.core.find import implementation, names
from marigold.core.pictures import to_bytes
from marigold.core.sample import Sample
from marigold.data import border
from marigold.datasets.base import Dataset
from marigold.modalities.base import Modality

_GAP = 8
_HEIGHT = 160
"""Of a picture, in pixels."""


def write(path: Path, dataset: Dataset, root: Path, keys: Sequence[str]) -> Path:
    """Writes the sheet as JPEG, and returns its path. Raises `DataError`, and `OutputError`."""
    fields = border.card(dataset, root).fields
    modalities = [implementation(Modality, name)() for name in names(Modality)]
    chosen = sorted((one for one in modalities if set(one.needs) <= set(fields)), key=lambda one: len(one.needs))
    every = [pictures(border.read(dataset, root, key), chosen) for key in keys]
    rows = [list(some.values()) for some in every]
    rows[-1] = [labelled(picture, name) for picture, name in zip(rows[-1], every[-1], strict=True)]
    sheet = np.pad(grid(rows, gap=_GAP), ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=WHITE)
    with whole_file(path) as file:
        Image.fromarray(sheet).save(file, format="JPEG", quality=90)
    return path


def pictures(sample: Sample, modalities: Sequence[Modality]) -> dict[str, np.ndarray]:
    """The target images that modalities make of a sample, as small RGB pictures by name; the first of a name counts."""
    found: dict[str, np.ndarray] = {}
    for modality in modalities:
        pixels, _ = modality.encode(sample)
        targets = zip(modality.targets, pixels, strict=True)
        found |= {name: _small((x + 1) / 2) for name, x in targets if name not in found}
    return found


def _small(image: Tensor) -> np.ndarray:
    """A picture [3, H, W] in 0 to 1 at the height of the sheet, [H, W, 3] uint8."""
    levels = to_bytes(image.permute(1, 2, 0).cpu().numpy())
    width = max(1, round(_HEIGHT * levels.shape[1] / levels.shape[0]))
    return np.asarray(Image.fromarray(levels).resize((width, _HEIGHT), Image.Resampling.LANCZOS))
