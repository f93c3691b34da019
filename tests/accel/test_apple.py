"""On Apple's GPU, which knows no double precision, inference computes in what the device has."""

import copy

import numpy as np
import pytest
import torch

from marigold import checkpoint
from marigold.accel.plan import GPU_PIXELS, Plan
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor, available
from toys.apple import MPS, apple_gpu
from toys.peers import toy

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
    """Such a device, and a function that makes a predictor on it of an estimator that was made before."""
    with apple_gpu(monkeypatch):
        yield lambda estimator, dtype=torch.float32: Predictor(estimator, Plan(MPS, dtype, GPU_PIXELS))


@pytest.fixture
def estimator(request):
    """An estimator of a modality, with small networks; made ahead of the device."""
    return toy(getattr(request, "param", "depth"))


@pytest.fixture
def bundled(request):
    """A bundled checkpoint."""
    return checkpoint.open(request.param)


def predict(predictor, **settings):
    return predictor.predict(PHOTO, **{"resolution": 32, "steps": 1, **settings})


@pytest.mark.parametrize("make", [torch.Tensor.double, lambda x: x.to(torch.complex128), lambda x: x + torch.ones(2)])
def test_the_device_knows_no_double_precision_and_no_tensors_from_elsewhere(monkeypatch, make):
    elsewhere = torch.ones(2)
    with apple_gpu(monkeypatch), pytest.raises((TypeError, RuntimeError), match=r"does not support|same device"):
        make(elsewhere.to("mps"))


def check_both(device, estimator, settings):
    """A prediction runs on the device, and gives there what it gives on the processor."""
    expected = predict(Predictor(copy.deepcopy(estimator)), **settings)
    found = predict(device(estimator), **settings)
    assert found.report["settings"]["device"] == "mps:0"
    assert len(found.bounds) == len(expected.bounds)
    for output, map_ in expected.maps.items():
        np.testing.assert_allclose(found.maps[output], map_, atol=1e-3)


@pytest.mark.parametrize("bundled", available(), indirect=True)
def test_no_modality_makes_double_precision_on_the_device(bundled, device):
    check_both(device, bundled, EVERY)


@pytest.mark.parametrize("settings", REQUESTS.values(), ids=REQUESTS)
def test_no_setting_makes_double_precision_on_the_device(estimator, device, settings):
    check_both(device, estimator, settings)


@pytest.mark.parametrize("compat", ["diffusers", "published"])
@pytest.mark.parametrize("estimator", ["depth", "normals"], indirect=True)
def test_merging_as_others_do_runs_on_the_device(estimator, device, compat):
    """The search for scales and shifts ends where rounding says, so that maps of two devices are not close."""
    found = predict(device(estimator), ensemble=3, compat=compat)
    assert all(np.isfinite(map_).all() for map_ in found.maps.values())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_runs_on_the_device(estimator, device, dtype):
    assert np.isfinite(predict(device(estimator, dtype), ensemble=1).maps["depth"]).all()


def test_overflow_in_half_precision_falls_back_to_single_on_the_device(estimator, device):
    predictor = device(estimator, torch.float16)
    predictor.estimator.backbone.unet.conv_out.weight.mul_(2e5)
    found = predict(predictor, ensemble=1)
    assert "fp16 overflowed; computed in fp32" in found.report["notes"]


@pytest.mark.parametrize("estimator", ["normals"], indirect=True)
def test_several_modalities_share_their_encodings_on_the_device(estimator, request):
    other = toy("depth")
    device = request.getfixturevalue("device")
    found = MultiPredictor([device(other), device(estimator)]).predict(PHOTO, Request(resolution=32, steps=1))
    assert set(found) == {"depth", "normals"}
