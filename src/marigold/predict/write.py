"""A prediction as files."""

import time
from pathlib import Path

import numpy as np

from marigold.core.files import make_folder, write_json
from marigold.core.find import name_of
from marigold.core.images import write_npy, write_png8, write_png16
from marigold.predict.prediction import Prediction

WHITE_QUANTILE = 0.95
"""White in an uncertainty picture is this quantile of the uncertainty."""


def save(prediction: Prediction, folder: Path, name: str) -> list[Path]:
    """Writes the files that `Prediction.save` describes and returns their paths; the report comes last."""
    start = time.perf_counter()
    make_folder(folder)
    modality = name_of(prediction.modality)
    report = dict(prediction.report)
    files = []
    for output, values in prediction.maps.items():
        files += _save_map(folder / f"{name}_{output}", values)
    for output, picture in prediction.colorize().items():
        files.append(folder / f"{name}_{output}_colored.png")
        write_png8(files[-1], picture)
    if prediction.uncertainty is not None:
        files += _save_uncertainty(folder / f"{name}_{modality}_uncertainty", prediction.uncertainty)
        report["uncertainty_white"] = _white(prediction.uncertainty)
    files.append(folder / f"{name}_{modality}.json")
    report["seconds"] = {**report.get("seconds", {}), "write": round(time.perf_counter() - start, 4)}
    report["files"] = [file.name for file in files]
    write_json(files[-1], report)
    return files


def _save_map(start: Path, values: np.ndarray) -> list[Path]:
    files = [start.with_name(f"{start.name}.npy")]
    write_npy(files[0], values)
    if values.ndim == 2 and values.min() >= 0 and values.max() <= 1:
        files.append(start.with_name(f"{start.name}_16bit.png"))
        write_png16(files[1], values)
    return files


def _save_uncertainty(start: Path, uncertainty: np.ndarray) -> list[Path]:
    """The values, and a grey picture of them that is white from a high quantile on."""
    files = [start.with_name(f"{start.name}{ending}") for ending in (".npy", ".png")]
    write_npy(files[0], uncertainty)
    grey = np.clip(uncertainty / max(_white(uncertainty), 1e-12), 0, 1)
    write_png8(files[1], np.rint(grey * 255).astype(np.uint8))
    return files


def _white(uncertainty: np.ndarray) -> float:
    return float(np.quantile(uncertainty, WHITE_QUANTILE))
