"""The public names, one place to see them all."""

import importlib
import subprocess
import sys

import pytest

import marigold

PUBLIC = [
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


def test_the_public_names_are_these():
    assert marigold.__all__ == PUBLIC
    assert set(PUBLIC) <= set(dir(marigold))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_what_its_home_defines(name):
    value = getattr(marigold, name)
    assert getattr(importlib.import_module(value.__module__), name) is value
    assert value.__doc__


def test_every_error_of_the_user_is_public_and_of_one_kind():
    from marigold.core import errors

    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(issubclass(kind, marigold.MarigoldError) for kind in kinds)
    assert {kind.__name__ for kind in kinds} <= set(PUBLIC)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute `nothing`"):
        _ = marigold.nothing


def test_importing_the_package_loads_no_torch():
    code = "import sys, marigold; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_is_that_of_the_project():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert marigold.__version__ == project["version"]


def test_doors_lead_to_what_they_name():
    from marigold import checkpoint
    from marigold.checkpoints import store
    from marigold.folders.batch import predict_photos
    from marigold.predict import batch

    assert (checkpoint.open, checkpoint.save, checkpoint.describe) == (store.open, store.save, store.describe)
    assert batch.predict_photos is predict_photos
