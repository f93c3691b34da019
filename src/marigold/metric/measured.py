"""Predicted depth brought to known distances: metres, with their uncertainty, and what to say of the fit."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from marigold.core.errors import ConfigError, ImageError
from marigold.core.find import name_of
from marigold.export.base import outputs
from marigold.metric.fit import Fit, fit
from marigold.metric.points import Points
from marigold.predict.prediction import Prediction

QUANTITIES = {1.0: "depth", 0.0: "log depth", -1.0: "disparity", -0.5: "square root of disparity"}
"""What a map is fitted in, by the power of depth."""
NAMED = 10
"""Outliers that a report names by their pixels."""
MANY = 0.3
"""A larger share of outliers is worth a note."""


def measured(prediction: Prediction, points: Points) -> Prediction:
    """The prediction with its depth in the points' unit; what it says besides depth stays.

    The uncertainty becomes one standard deviation in that unit; where there is neither an ensemble nor a third point it
    is None. The report gets a section `known_distances`. Raises `ConfigError` for a modality without depth, and
    `ImageError` for points outside the photo, fewer than two, or that tell no scale and shift.
    """
    found = fitted(prediction, points)
    (name,) = outputs(prediction.modality, "metric")
    values = prediction.maps[name]
    rows, columns = points.pixels(values.shape, _photo_size(prediction))
    metres = found.metres(values)
    if not np.isfinite(metres).all():
        raise ImageError(f"{points.origin}: the distances make depths that no number holds; check their unit")
    ends = {end: found.metres(limits) for end, limits in prediction.bounds.get(name, {}).items()}
    report = _report(found, points, metres[rows, columns])
    notes = [*prediction.report.get("notes", []), *points.notes, *_notes(found, points)]
    return replace(
        prediction,
        maps={**prediction.maps, name: metres},
        uncertainty=found.uncertainty(values, prediction.uncertainty),
        bounds={**prediction.bounds, name: ends} if ends else prediction.bounds,
        measured="metric" if points.metric else "up to scale",
        report={**prediction.report, "notes": notes, "known_distances": report},
    )


def fitted(prediction: Prediction, points: Points) -> Fit:
    """The scale and shift of a prediction's depth by known distances. Raises what `measured` raises."""
    names = outputs(prediction.modality, "metric")
    if len(names) != 1:
        raise ConfigError(f"known distances: `{name_of(prediction.modality)}` gives no depth; predict depth with them")
    if prediction.measured is not None:
        raise ConfigError("known distances: the depth is measured already; predict the photo again for other points")
    values, photo = prediction.maps[names[0]], _photo_size(prediction)
    points.inside(photo[1], photo[0])
    rows, columns = points.pixels(values.shape, photo)
    return fit(
        values[rows, columns],
        points.depth,
        prediction.modality.curve,
        shifted=prediction.modality.ambiguity.shift,
        where=points.origin,
    )


def _photo_size(prediction: Prediction) -> tuple[int, int]:
    """Height and width of the photo that the points count pixels of."""
    size = prediction.report["photo_size"]
    return size["height"], size["width"]


def _report(found: Fit, points: Points, metres: np.ndarray) -> Mapping[str, Any]:
    """The fit in numbers: outliers by pixel, and the residuals of the points that agree."""
    wrong = np.flatnonzero(~found.inlier)
    away = np.abs(metres - points.depth)
    kept, share = away[found.inlier], (away / points.depth)[found.inlier]
    worst = wrong[np.argsort(-away[wrong], kind="stable")][:NAMED]
    return {
        "source": points.origin,
        "unit": "metre" if points.metric else "unit of the model",
        "points": len(points.depth),
        "outliers": len(wrong),
        "worst_outliers": [
            {
                "x": round(float(points.x[one]), 2),
                "y": round(float(points.y[one]), 2),
                "known": float(f"{points.depth[one]:.6g}"),
                "predicted": float(f"{metres[one]:.6g}"),
            }
            for one in worst
        ],
        "fitted_in": QUANTITIES[found.curve.power],
        "scale": found.scale,
        "shift": found.shift,
        "residual": {
            "median": float(np.median(kept)),
            "root_mean_square": float(np.sqrt(np.mean(kept**2))),
            "median_relative": float(np.median(share)),
        },
    }


def _notes(found: Fit, points: Points) -> list[str]:
    count, wrong = len(found.inlier), int((~found.inlier).sum())
    notes = []
    if wrong > MANY * count:
        notes.append(f"{wrong} of {count} known distances disagree with the others; see known_distances in the report")
    if found.deviation is None:
        notes.append("2 known distances fit any map; give more to learn how far the metres may be off")
    return notes
