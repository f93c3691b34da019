"""Dense image analysis with repurposed image generators.

    import marigold

    predictor = marigold.load("depth")
    prediction = predictor.predict("photo.jpg")
    prediction.maps["depth"]    # NumPy [H, W], 0 near to 1 far
    prediction.save("output")

Every public name is listed here and imported on first use, so that `import marigold` itself loads no torch.
"""

import importlib
from typing import TYPE_CHECKING

from marigold.core.distribution import VERSION

if TYPE_CHECKING:
    from marigold.core.errors import (
        CheckpointError,
        ConfigError,
        DataError,
        DeviceMemoryError,
        ImageError,
        MarigoldError,
        MissingExtraError,
        MissingPredictionError,
        OutputError,
        ProcessError,
        RefusedSampleError,
        UnknownNameError,
    )
    from marigold.estimator import Estimator
    from marigold.predict.prediction import Prediction
    from marigold.predict.predictor import Predictor, load
    from marigold.predict.settings import Request

__version__ = VERSION

_HOMES = {
    "load": "marigold.predict.predictor",
    "Predictor": "marigold.predict.predictor",
    "Prediction": "marigold.predict.prediction",
    "Request": "marigold.predict.settings",
    "Estimator": "marigold.estimator",
    "MarigoldError": "marigold.core.errors",
    "CheckpointError": "marigold.core.errors",
    "ConfigError": "marigold.core.errors",
    "DataError": "marigold.core.errors",
    "DeviceMemoryError": "marigold.core.errors",
    "ImageError": "marigold.core.errors",
    "MissingExtraError": "marigold.core.errors",
    "MissingPredictionError": "marigold.core.errors",
    "OutputError": "marigold.core.errors",
    "ProcessError": "marigold.core.errors",
    "RefusedSampleError": "marigold.core.errors",
    "UnknownNameError": "marigold.core.errors",
}

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DeviceMemoryError",
    "Estimator",
    "ImageError",
    "MarigoldError",
    "MissingExtraError",
    "MissingPredictionError",
    "OutputError",
    "Prediction",
    "Predictor",
    "ProcessError",
    "RefusedSampleError",
    "Request",
    "UnknownNameError",
    "load",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module `marigold` has no attribute `{name}`")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
