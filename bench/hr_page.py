"""What `hr.py` found, as a page of tables with a sentence for each, made of the numbers; and maps to look at."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from marigold.core.colour import colormap
from marigold.core.contact_sheet import grid, labelled
from marigold.core.sample import Sample
from marigold.measure.alignment import STANDARD
from marigold.measure.refinement import CELLS
from marigold.modalities.base import Modality

RESULT = Path(__file__).parent / "results" / "hr.json"
PICTURE = Path(__file__).parents[1] / "docs" / "images" / "hr.jpg"
ROWS = 4
"""Scenes in the picture."""
TILE = 320
"""Pixels of a crop's side in the picture."""
PART = 4
"""A crop's side is this part of a scene's."""

COLUMNS = {
    "abs_rel": "AbsRel",
    "boundary_f1": "boundary F1",
    "dbe_accuracy": "DBE accuracy, px",
    "dbe_completeness": "DBE completeness, px",
    "see_3": "SEE 3, m",
    "see_5": "SEE 5, m",
    "see_7": "SEE 7, m",
    "layout": "change of layout",
    "seconds": "s a photo",
}
HIGHER = ("boundary_f1",)
SHARPNESS = ("boundary_f1", "dbe_accuracy", "dbe_completeness", "see_3", "see_5", "see_7")


def plain(size: int) -> str:
    """What the page calls the plain checkpoint at a working size."""
    return f"plain at {size}"


def refined(size: int, steps: int) -> str:
    """What the page calls a refined map on a canvas of this size."""
    return f"refined at {size}, {steps} step{'s' if steps > 1 else ''}"


# ---- the page ----


def write(result: dict[str, Any], file: Path) -> None:
    """Writes the page, and shows it."""
    text = page(result)
    file.write_text(text + "\n", encoding="utf-8")
    print(text)


def page(result: dict[str, Any]) -> str:
    """All sizes, one after the other."""
    asked = result["asked"]
    about = asked["refiner"]
    parts = [
        "# Refined maps beside plain ones",
        f"Refiner `{about['name']}` {about['revision']} ({about['recipe']}; {about['note']}; "
        f"{about['seconds_of_training'] / 60:.0f} minutes of training in all). {result['device']}, torch "
        f"{result['torch']}, fp32. Held-out rendered scenes are the truth; one member. Edges are those of aligned "
        "depth at the scene's own size; the change of layout is that from the plain map at its working size, averaged "
        f"to {CELLS} cells a side, relative to how much that varies.",
    ]
    sizes = sorted({row["size"] for row in result["rows"]})
    for size in sizes:
        rows = [row for row in result["rows"] if row["size"] == size]
        count = len({row["key"] for row in rows})
        head = f"## {count} scene{'s' if count > 1 else ''} of {size} pixels a side"
        parts += [head, table(rows), *sentences(rows), *seam_sentences(rows)]
    return "\n\n".join(parts)


def names_of(rows: list[dict[str, Any]]) -> list[str]:
    """The ways in their order."""
    return list(dict.fromkeys(row["way"] for row in rows))


def mean(rows: list[dict[str, Any]], way: str, column: str) -> float:
    """The mean over the scenes where a way has this number; NaN where it has none."""
    found = [row[column] for row in rows if row["way"] == way and row.get(column) is not None]
    return statistics.fmean(found) if found else math.nan


def table(rows: list[dict[str, Any]]) -> str:
    """A line for every way."""
    lines = [["", *COLUMNS.values()], ["---", *["---:"] * len(COLUMNS)]]
    for way in names_of(rows):
        lines.append([way, *(f"{mean(rows, way, column):.3g}" for column in COLUMNS)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sentences(rows: list[dict[str, Any]]) -> list[str]:
    """Which refined map has the sharpest edges, beside every plain one, and on how many scenes."""
    plains = [way for way in names_of(rows) if way.startswith("plain")]
    others = [way for way in names_of(rows) if not way.startswith("plain")]
    if not others:
        return []
    best = max(others, key=lambda way: mean(rows, way, "boundary_f1"))
    found = [f"{best.capitalize()} has the highest boundary F1 of the refined maps."]
    for other in plains:
        parts = [compared(rows, best, other, column) for column in SHARPNESS]
        found.append(f"Beside {other}: {'; '.join(filter(None, parts))}.")
    return [" ".join(found)]


def compared(rows: list[dict[str, Any]], way: str, other: str, column: str) -> str:
    """The ratio of two ways, and on how many scenes the first is better; empty where nothing can be compared."""
    one, two = ({row["key"]: row[column] for row in rows if row["way"] == w and column in row} for w in (way, other))
    keys = one.keys() & two.keys()
    below = statistics.fmean(two[key] for key in keys) if keys else 0.0
    if not below:
        return ""
    better = sum((one[key] > two[key]) if column in HIGHER else (one[key] < two[key]) for key in keys)
    ratio = statistics.fmean(one[key] for key in keys) / below
    return f"{COLUMNS[column].partition(',')[0]} {ratio:.2f} times, better on {better} of {len(keys)} scenes"


def seam_sentences(rows: list[dict[str, Any]]) -> list[str]:
    """The seams of every refined map beside what the truth has at the same places."""
    lines = []
    for way in names_of(rows):
        seam, truth = mean(rows, way, "seam"), mean(rows, way, "seam_truth")
        if math.isfinite(seam) and math.isfinite(truth):
            verdict = "no seam" if seam <= max(1.0, truth) else "above both"
            lines.append(f"| {way} | {seam:.3f} | {truth:.3f} | {verdict} |")
    if not lines:
        return []
    head = [
        "Steps between neighbouring pixels beside the borders of tiles, relative to those elsewhere, and the same of "
        "the truth at these places; a refined map has no seam where its figure is at most 1, or at most the truth's.",
        "",
        "| | refined map | truth | |",
        "|---|---:|---:|---|",
    ]
    return ["\n".join(head + lines)]


# ---- pictures ----


def draw(file: Path, modality: Modality, samples: Sequence[Sample], maps: Mapping[str, Sequence[Tensor]]) -> None:
    """A row for every scene: the part with the most edges, as photo, as every way gives it, and as truth.

    `maps` are values [1, h, w] of any size by the ways' names; all are brought to the scene's size and to the truth.
    """
    rows = []
    for number, sample in enumerate(samples):
        window, size = most_edges(sample), sample.image.shape[-2:]
        full = [modality.resize(some[number][None], *size)[0] for some in maps.values()]
        compared = [modality.comparable(values, sample, STANDARD) for values in full]
        truth, valid = (map_[0][window] for map_ in compared[0][1:])
        ends = truth[valid].aminmax()
        row = [enlarged(sample.image[:, *window].float())]
        row += [coloured(values[0][window], *ends) for values, _, _ in compared]
        rows.append([*row, coloured(truth, *ends)])
    names = ["photo", *maps, "truth"]
    rows[-1] = [labelled(one, name, gap=4) for one, name in zip(rows[-1], names, strict=True)]
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grid(rows, gap=6)).save(file, quality=92)


def most_edges(sample: Sample) -> tuple[slice, slice]:
    """The window of a scene in which its depth jumps most often."""
    depth = sample.maps["depth"][0].clamp(min=1e-6).log()
    jumps = (F.pad(depth.diff(dim=0).abs(), (0, 0, 0, 1)) > 0.1) | (F.pad(depth.diff(dim=1).abs(), (0, 1)) > 0.1)
    usable = jumps & sample.usable("depth")[0]
    side = min(depth.shape) // PART
    counts = F.avg_pool2d(usable.float()[None, None], side, stride=max(1, side // 4))[0, 0]
    row, column = divmod(int(counts.argmax()), counts.shape[1])
    top, left = row * max(1, side // 4), column * max(1, side // 4)
    return slice(top, top + side), slice(left, left + side)


def coloured(values: Tensor, low: Tensor, high: Tensor) -> np.ndarray:
    """A part of a map [h, w] in the colours of depth between two ends."""
    share = ((values - low) / (high - low).clamp(min=1e-6)).clamp(0, 1).float()
    return enlarged(torch.from_numpy(colormap(share.numpy())).permute(2, 0, 1).float() / 255)


def enlarged(image: Tensor) -> np.ndarray:
    """[3, h, w] in 0 to 1 as [TILE, TILE, 3] in eight bits, without smoothing where it grows."""
    grows = image.shape[-1] < TILE
    how: dict[str, Any] = {"mode": "nearest-exact"} if grows else {"mode": "bilinear", "antialias": True}
    large = F.interpolate(image[None], (TILE, TILE), **how)[0]
    return (large.permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()
