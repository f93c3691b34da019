"""Whether a photo's results are there already: made from the same photo, weights, settings and formats, and whole."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from marigold.accel.precision import precision_name
from marigold.checkpoints.calibration import Calibration
from marigold.core.find import name_of
from marigold.core.images import open_photo
from marigold.export._listing import content_of, files_of
from marigold.export.base import Format
from marigold.predict.interval import choose
from marigold.predict.provenance import Provenance
from marigold.predict.settings import Request


def sources(provenance: Provenance, request: Request, formats: Sequence[Format]) -> dict[str, Any]:
    """Everything but the photo that the files of one modality depend on, as it is stored in their report.

    The device is left out: it says where, not what. Raises `ConfigError` for an interval that cannot be given.
    """
    card, settings = provenance.card, request.settings(provenance.card.defaults, provenance.refiner)
    calibration = choose(card, settings).calibration
    intervals = {} if calibration is None else {"calibration": _hash(calibration)}
    return {
        "checkpoint": {"name": card.name, "revision": card.revision},
        "settings": {**settings.stated(), "precision": precision_name(provenance.dtype)},
        "formats": format_options([format_ for format_ in formats if format_.takes(provenance.modality)]),
        **intervals,
    }


def format_options(formats: Iterable[Format]) -> dict[str, dict[str, Any]]:
    """Formats by name, each with its options."""
    return {name_of(format_): asdict(format_) for format_ in formats}  # type: ignore[call-overload]


def photo_hash(photo: Path) -> str:
    """The SHA-256 hash of a photo's file. Raises `ImageError`."""
    with open_photo(photo) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def is_complete(report: Path, made_from: Mapping[str, Any]) -> bool:
    """Whether this report says that its files were made from exactly this, and all of them are there."""
    if content_of(report).get("made_from") != json.loads(json.dumps(made_from)):
        return False
    files = files_of(report)
    return bool(files) and all(os.path.isfile(report.parent / file) for file in files)


def _hash(calibration: Calibration) -> str:
    """A hash of what intervals are made by, which a card can get without other weights."""
    text = json.dumps(asdict(calibration), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
