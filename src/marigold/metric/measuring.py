"""The known distances and cameras of a run's photos, found photo by photo and put to use."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from marigold.core.errors import ConfigError, ImageError
from marigold.core.reading import open_file
from marigold.core.view import View
from marigold.export.base import Options, outputs
from marigold.metric import cameras
from marigold.metric.asked import Asked
from marigold.metric.cloud import Cloud
from marigold.metric.colmap import Model, Posed, read_model
from marigold.metric.completion import Completion
from marigold.metric.measured import measured
from marigold.metric.points import Points
from marigold.metric.sources import read_map, read_table
from marigold.modalities.base import Modality
from marigold.predict.prediction import Prediction

_NAME_ONE = "give the file of known distances of this photo"


@dataclass(frozen=True)
class Reference:
    """What is known of one photo."""

    points: Points | None = None
    view: View | None = None
    posed: Posed | None = None


class Measuring:
    """What is known of a run's photos. Its methods may be called from several threads."""

    def __init__(
        self,
        asked: Asked,
        photos: Sequence[Path],
        *,
        exif: bool = True,
        cut: float = Options.cut,
        detail: int = Options.detail,
        completion: Completion | None = None,
    ) -> None:
        """`completion` is what `asked.complete` takes; `exif`: whether cameras come from EXIF data where none is
        stated; `cut` and `detail` are as in `Relief`.

        Raises `ConfigError` for one file of distances for several photos.
        """
        self.asked, self._exif = asked, exif
        self._completion = completion if asked.complete else None
        if asked.complete and completion is None:
            raise ConfigError("complete: nothing samples depth here; give a `Completion`")
        for path in (asked.known, asked.known_depth):
            if path is not None and len(photos) > 1 and not path.is_dir():
                raise ConfigError(
                    f"{path}: is one file for {len(photos)} photos; give a folder of files called like the photos"
                )
        several = len(photos) > 1
        self.cloud = Cloud(self.model, asked.unit, cut, detail) if asked.colmap is not None and several else None

    @cached_property
    def model(self) -> Model:
        """The COLMAP model. Raises `ImageError`."""
        if self.asked.colmap is None:
            raise ConfigError("colmap: no model is given; give its folder with --colmap")
        return read_model(self.asked.colmap)

    def check(self, modalities: Sequence[Modality]) -> None:
        """Raises `ConfigError` where distances are known and nothing that is predicted is depth."""
        if self.asked.distances and not any(outputs(modality, "metric") for modality in modalities):
            raise ConfigError("known distances: no depth is predicted; add depth, or leave the distances out")

    def stated(self, photo: Path) -> dict[str, Any]:
        """What a photo's results depend on beside photo and settings; nothing where nothing is asked for."""
        if not self.asked.anything:
            return {}
        files = [path for path in (self.asked.known, self.asked.known_depth) if path is not None]
        files = [_of_photo(path, photo) for path in files]
        if self.asked.colmap is not None:
            files += sorted(path for path in self.asked.colmap.glob("*") if path.suffix in (".bin", ".txt"))
        camera = self.asked.camera
        if camera is not None and Path(camera).expanduser().is_file():
            files.append(Path(camera).expanduser())
        asked = {"scale": self.asked.known_scale, "unit": self.asked.unit, "camera": camera}
        if self.asked.complete:
            asked["complete"] = True
        return {"known": {**asked, "files": [_hash(path) for path in files]}}

    def read(self, photo: Path, size: tuple[int, int]) -> Reference:
        """What is known of a photo of this size (height, width). Raises `ImageError`, `ConfigError`, `DataError`."""
        posed = self.model.photo(photo) if self.asked.colmap is not None else None
        view = self._view(photo, size, posed)
        return Reference(self._points(photo, size, view, posed), view, posed)

    def applied(self, predictions: Mapping[str, Prediction], reference: Reference) -> dict[str, Prediction]:
        """A photo's predictions by modality, with depth brought to its known distances, and its camera."""
        found = {}
        for name, prediction in predictions.items():
            one = replace(prediction, view=reference.view, report={**prediction.report, **_camera(reference.view)})
            if reference.points is not None and outputs(one.modality, "metric"):
                bring = measured if self._completion is None else self._completion.completed
                one = bring(one, reference.points)
                if self.cloud is not None and reference.posed is not None:
                    self.cloud.add(one, reference.posed)
            found[name] = one
        return found

    def _view(self, photo: Path, size: tuple[int, int], posed: Posed | None) -> View | None:
        if self.asked.camera is not None:
            return cameras.stated(self.asked.camera, photo, size)
        if posed is not None:
            return self.model.view(posed)
        return cameras.of_photo(photo, size) if self._exif else None

    def _points(self, photo: Path, size: tuple[int, int], view: View | None, posed: Posed | None) -> Points | None:
        asked, points = self.asked, None
        if asked.known is not None:
            points = read_table(_of_photo(asked.known, photo))
        elif asked.known_depth is not None:
            path = _of_photo(asked.known_depth, photo)
            points = read_map(path, size, per_metre=asked.known_scale, view=view)
        elif posed is not None:
            points = self.model.known(posed, size, unit=asked.unit)
        return points and points.inside(size[1], size[0])


def _of_photo(path: Path, photo: Path) -> Path:
    """The file of a photo: the path itself or, of a folder, what is called like the photo. Raises `ImageError`."""
    if not path.is_dir():
        return path
    found = sorted(file for file in path.iterdir() if file.stem == photo.stem and file.is_file())
    if len(found) != 1:
        many = "several files" if found else "no file"
        raise ImageError(f"{path}: has {many} called like {photo.name}; {_NAME_ONE}")
    return found[0]


def _camera(view: View | None) -> dict[str, Any]:
    return {} if view is None else {"camera": {"model": "pinhole", "numbers": view.words()}}


def _hash(path: Path) -> str:
    with open_file(path, ImageError, _NAME_ONE) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
