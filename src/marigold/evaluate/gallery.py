"""Pictures of one scored sample for a report: photo, truth, prediction, error, and uncertainty against error."""

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from marigold.core import pictures
from marigold.core.colour import NEUTRAL_GREY, colormap
from marigold.core.sample import Sample
from marigold.evaluate.answers import Answer
from marigold.measure.alignment import Protocol
from marigold.measure.quantiles import masked_quantiles
from marigold.modalities.base import Modality

WIDEST = 512
"""Pixels of a picture's longer side."""
ERRORS, UNCERTAINTIES = "inferno", "viridis"
"""Colour maps; both grow brighter throughout, so that they are read without colour, too."""
BINS, FEWEST = 16, 8
"""Bins of pixels of like uncertainty, with at least so many pixels each."""
_ENDS = (0.02, 0.98)
"""Between these quantiles lie the colours of uncertainty."""
_MOST_ERROR = 0.98
"""From this quantile on, errors have the last colour."""
_QUALITY = 88

Error = Callable[[Tensor, Sample, Protocol], Tensor]
"""Values [C, H, W], a sample and a protocol to the error of every pixel, [1, H, W]."""


@dataclass(frozen=True)
class ColourBar:
    """What the colours of a picture mean."""

    name: str
    """The colour map."""
    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True)
class Picture:
    """A picture in itself, with its caption."""

    caption: str
    address: str
    """A `data:` address that holds it whole."""
    width: int
    height: int
    bar: ColourBar | None = None


@dataclass(frozen=True)
class Bin:
    """Pixels of like uncertainty: means, and the quantiles 0.1 and 0.9 of their error."""

    uncertainty: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Shown:
    """One sample of a set."""

    title: str
    """Why it is shown, such as `worst`."""
    key: str
    of: str
    """The set's name, as in the summary."""
    pictures: tuple[Picture, ...]
    columns: int = 3
    """Pictures that stand in one row."""
    bins: tuple[Bin, ...] = ()
    """Error by uncertainty; none where nothing is said of it."""


def shown(
    answer: Answer,
    sample: Sample,
    modality: Modality,
    protocol: Protocol,
    title: str,
    *,
    of: str,
    error: Error,
    unit: str = "",
) -> Shown:
    """The pictures of one answer: truth and prediction in the same colours, and the error in `unit`.

    Pixels without truth are grey there and in the error. Depth is aligned by the protocol first.
    """
    prediction, truth, valid = (each.cpu() for each in modality.comparable(answer.values, sample, protocol))
    wrong = error(answer.values, sample, protocol).float().cpu()
    everywhere = torch.ones_like(valid)
    found, real = _coloured(modality, prediction, everywhere), _coloured(modality, truth, valid)
    photo = pictures.to_bytes(_shrunk(sample.image.cpu(), everywhere)[0].permute(1, 2, 0).numpy())
    known = valid & wrong.isfinite()
    truths, answers = (
        [_picture(f"{what} of {name}" if len(made) > 1 else what, made[name]) for name in modality.outputs]
        for what, made in (("truth", real), ("prediction", found))
    )
    errors = _scalar("error", wrong, known, ERRORS, (0.0, _MOST_ERROR), unit)
    # one output: photo, truth, prediction, then the rest; several: each truth stands above its prediction
    together = [*answers, errors] if len(answers) == 1 else [errors, *answers]
    sheet, columns = (_picture("photo", photo), *truths, *together), max(3, 1 + len(answers))
    if answer.uncertainty is None:
        return Shown(title, sample.key, of, sheet, columns + (len(answers) == 1))
    unsure = answer.uncertainty.float().cpu()
    sheet += (_scalar("uncertainty", unsure, unsure.isfinite(), UNCERTAINTIES, _ENDS, ""),)
    return Shown(title, sample.key, of, sheet, columns, bins(unsure, wrong, known & unsure.isfinite()))


def chosen(rows: Sequence[Mapping[str, Any]], metric: str, higher_is_better: bool) -> dict[str, str]:
    """The keys of the best, the median and the worst sample by a metric, by these words; fewer of fewer samples.

    `rows` are those of `per_sample.csv`. Of equal samples the first in the order of keys counts as the better one.
    """
    known = [(value, str(row["key"])) for row in rows if (value := as_number(row.get(metric))) is not None]
    ordered = [key for _, key in sorted(known, key=lambda pair: (-pair[0] if higher_is_better else pair[0], pair[1]))]
    places = {"best": 0, "median": (len(ordered) - 1) // 2, "worst": len(ordered) - 1}
    names = ("best", "median", "worst") if len(ordered) > 2 else ("best", "worst")[: len(ordered)]
    return {name: ordered[places[name]] for name in names}


def as_number(value: object) -> float | None:
    """What stands in a row as a number, be it text from a CSV file; None where nothing counted."""
    if value in (None, "") or not isinstance(value, str | int | float):
        return None
    return number if math.isfinite(number := float(value)) else None


def bins(uncertainty: Tensor, error: Tensor, valid: Tensor) -> tuple[Bin, ...]:
    """The error by uncertainty: pixels in order of uncertainty, in at most `BINS` bins of equally many.

    All are [1, H, W], `valid` is bool.
    """
    order = uncertainty[valid].double().argsort(stable=True)
    unsure, wrong = uncertainty[valid].double()[order], error[valid].double()[order]
    count = min(BINS, len(order) // FEWEST)
    parts = zip(unsure.tensor_split(count), wrong.tensor_split(count), strict=True) if count else ()
    return tuple(Bin(float(one.mean()), float(other.mean()), *_spread(other)) for one, other in parts)


def _spread(error: Tensor) -> tuple[float, float]:
    low, high = masked_quantiles(error, torch.ones_like(error, dtype=torch.bool), (0.1, 0.9))
    return float(low), float(high)


def _shrunk(values: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Maps [C, H, W] and a mask [1, H, W] at the size of a picture, the mean over those pixels that are valid."""
    height, width = values.shape[-2:]
    factor = min(1.0, WIDEST / max(height, width))
    size = (max(1, round(height * factor)), max(1, round(width * factor)))
    share = F.interpolate(valid[None].float(), size, mode="area")[0]
    total = F.interpolate(torch.where(valid, values, 0.0)[None].float(), size, mode="area")[0]
    return total / torch.where(share > 0, share, 1.0), share > 0


def _coloured(modality: Modality, values: Tensor, valid: Tensor) -> dict[str, np.ndarray]:
    """Pictures [H, W, 3] uint8 by output, grey where nothing is valid."""
    small, known = _shrunk(values, valid)
    maps = {name: _array(map_) for name, map_ in modality.split(small).items()}
    seen = known[0].numpy()[..., None]
    return {name: np.where(seen, map_, np.uint8(NEUTRAL_GREY)) for name, map_ in modality.colorize(maps).items()}


def _array(map_: Tensor) -> np.ndarray:
    return map_[0].numpy() if len(map_) == 1 else map_.permute(1, 2, 0).numpy()


def _scalar(caption: str, values: Tensor, valid: Tensor, name: str, ends: tuple[float, float], unit: str) -> Picture:
    """A map [1, H, W] in the colours of a bar, from one of its quantiles to another; an end of 0 means the value 0."""
    low, high = (float(end) for end in masked_quantiles(values.flatten(), valid.flatten(), ends))
    low = low if ends[0] else 0.0
    small, known = _shrunk(values, valid)
    share = torch.where(known, (small - low) / max(high - low, 1e-12), torch.nan)
    return _picture(caption, colormap(share[0].numpy(), name), ColourBar(name, low, high, unit))


def _picture(caption: str, array: np.ndarray, bar: ColourBar | None = None) -> Picture:
    return Picture(caption, address(array), array.shape[1], array.shape[0], bar)


def address(array: np.ndarray, kind: str = "JPEG") -> str:
    """A picture [H, W, 3] uint8 as a `data:` address."""
    content = io.BytesIO()
    how = {"quality": _QUALITY, "subsampling": 0} if kind == "JPEG" else {}
    Image.fromarray(np.ascontiguousarray(array)).save(content, kind, **how)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"
