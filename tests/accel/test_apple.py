"""On Apple's GPU, which knows no double precision, inference computes in what the device has."""

import copy
from functools import cache

import numpy as np
import pytest
import torch

from marigold import checkpoint
from marigold.accel.plan import GPU_PIXELS, Plan
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor, available
from toys.apple import MPS, apple_gpu

PHOTO = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
EVERY = {"ensemble": 3, "tta": "flip-scale", "interval": 0.8}
REQUESTS = {
    "one member": {"ensemble": 1},
    "merged by the mean": {"ensemble": 3, "tta": "none", "reduction": "mean"},
    "at the working size": {"ensemble": 1, "match_input": False, "resample_input": "bicubic"},
    "by area, with published times": {"ensemble": 1, "sizing": "area", "spacing": "published", "steps": 3},
}


@pytest.fixture
def device(monkeypatch):
    """Such a device, and a function that predicts on it with a bundled checkpoint."""
    estimators = {name: bundled(name) for name in available()}
    with apple_gpu(monkeypatch):
        yield lambda name, dtype=torch.float32: Predictor(estimators[name], Plan(MPS, dtype, GPU_PIXELS))


def bundled(name):
    return copy.deepcopy(_opened(name))


@cache
def _opened(name):
    return checkpoint.open(name)


def predict(predictor, **settings):
    return predictor.predict(PHOTO, **{"resolution": 32, "steps": 1, **settings})


@pytest.mark.parametrize("make", [torch.Tensor.double, lambda x: x.to(torch.complex128), lambda x: x + torch.ones(2)])
def test_the_device_knows_no_double_precision_and_no_tensors_from_elsewhere(monkeypatch, make):
    elsewhere = torch.ones(2)
    with apple_gpu(monkeypatch), pytest.raises((TypeError, RuntimeError), match=r"does not support|same device"):
        make(elsewhere.to("mps"))


def check_both(device, name, settings):
    """A prediction runs on the device, and gives there what it gives on the processor."""
    found, expected = predict(device(name), **settings), predict(Predictor(bundled(name)), **settings)
    assert found.report["settings"]["device"] == "mps:0"
    assert len(found.bounds) == len(expected.bounds)
    for output, map_ in expected.maps.items():
        np.testing.assert_allclose(found.maps[output], map_, atol=1e-3)


@pytest.mark.parametrize("name", available())
def test_no_modality_makes_double_precision_on_the_device(device, name):
    check_both(device, name, EVERY)


@pytest.mark.parametrize("settings", REQUESTS.values(), ids=REQUESTS)
def test_no_setting_makes_double_precision_on_the_device(device, settings):
    check_both(device, "depth", settings)


@pytest.mark.parametrize("compat", ["diffusers", "published"])
@pytest.mark.parametrize("name", ["depth", "normals"])
def test_merging_as_others_do_runs_on_the_device(device, name, compat):
    """The search for scales and shifts ends where rounding says, so that maps of two devices are not close."""
    found = predict(device(name), ensemble=3, compat=compat)
    assert np.isfinite(found.maps[name]).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_runs_on_the_device(device, dtype):
    assert np.isfinite(predict(device("depth", dtype), ensemble=1).maps["depth"]).all()


def test_overflow_in_half_precision_falls_back_to_single_on_the_device(device):
    predictor = device("depth", torch.float16)
    predictor.estimator.backbone.unet.conv_out.weight.mul_(1e4)
    found = predict(predictor, ensemble=1)
    assert "fp16 overflowed; computed in fp32" in found.report["notes"]


def test_several_modalities_share_their_encodings_on_the_device(device):
    found = MultiPredictor([device("depth"), device("normals")]).predict(PHOTO, Request(resolution=32, steps=1))
    assert set(found) == {"depth", "normals"}
