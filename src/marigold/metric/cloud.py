"""Several photos' depth as one point cloud, in the axes of the COLMAP model that places the photos."""

from pathlib import Path
from threading import Lock

import numpy as np

from marigold.core.errors import ImageError
from marigold.export._surface import GREY, Lens, surface
from marigold.export.base import outputs
from marigold.export.ply import write_points
from marigold.metric.colmap import Model, Posed
from marigold.predict.prediction import Prediction

AXES = "those of the COLMAP model"


class Cloud:
    """Points of all photos; `add` may be called from several threads."""

    def __init__(self, model: Model, unit: float | None, cut: float, detail: int) -> None:
        """`unit`: metres of the model's unit; None keeps the unit. `cut` and `detail` as of `surface`."""
        self._model, self._unit, self._cut, self._detail = model, unit, cut, detail
        self._lock = Lock()
        self._points: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    @property
    def photos(self) -> int:
        """How many photos have been added."""
        return len(self._points)

    def add(self, prediction: Prediction, posed: Posed) -> None:
        """The points of a photo whose depth is in the model's unit or, with `unit`, in metres."""
        (name,) = outputs(prediction.modality, "metric")
        depth = prediction.maps[name]
        lens = Lens(0, 0, 1, prediction.view or self._model.view(posed))
        found = surface(depth, lens, cut=self._cut, detail=self._detail)
        # [N, 3] x right, y up, z towards the viewer => x right, y down, z forward => world
        camera = found.points.astype(np.float64) * (1, -1, -1)
        world = (camera - posed.translation * (self._unit or 1)) @ posed.rotation
        photo = prediction.photo
        grey = np.full((len(world), 3), GREY, np.uint8)
        with self._lock:
            self._points[posed.name] = (world, grey if photo is None else photo[found.rows, found.columns])

    def write(self, file: Path) -> Path:
        """Writes the cloud as binary PLY. Raises `OutputError`, and `ImageError` where there is nothing to write."""
        parts = [self._points[name] for name in sorted(self._points)]
        if not any(len(points) for points, _ in parts):
            raise ImageError(f"{file}: no photo has given a point; see what is said of the photos")
        points, colours = (np.concatenate(both) for both in zip(*parts, strict=True))
        unit = "metre" if self._unit else "the model's, right up to scale"
        facts = {"axes": AXES, "unit": unit, "photos": " ".join(sorted(self._points))}
        write_points(file, points, colours, facts)
        return file
