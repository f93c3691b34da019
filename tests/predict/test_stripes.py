"""Photos whose activations memory does not hold are encoded and decoded in stripes, and the report says so."""

import copy
from functools import cache

import numpy as np
import pytest
import torch

from marigold import checkpoint
from marigold.accel import offload, runtime
from marigold.accel.plan import Plan
from marigold.accel.runtime import Runtime
from marigold.core import memory
from marigold.core.errors import DeviceMemoryError
from marigold.predict.predictor import Predictor
from toys.apple import MPS, apple_gpu

SIDES = (32, 48)
PHOTO = np.random.default_rng(0).integers(0, 256, (*SIDES, 3), dtype=np.uint8)


@cache
def _opened():
    return checkpoint.open("depth")


def predictor(plan=None):
    return Predictor(copy.deepcopy(_opened()), plan)


def predicted(made):
    found = made.predict(PHOTO, resolution=0, steps=1, ensemble=1)
    return found.maps["depth"], found.report["plan"]["autoencoder"], found.report["notes"]


def crowded(made, monkeypatch, most):
    """Memory is full whenever the decoder has more activations than these; the bounds that it was asked to keep to."""
    backbone, asked = made.estimator.backbone, []
    decode, bound = type(backbone).decode, type(backbone).bound

    def bounded(self, most_bytes, uncut=0):
        asked.append(most_bytes)
        bound(self, most_bytes)

    def full(self, latent):
        if asked[-1] > most:
            raise torch.OutOfMemoryError("no memory left")
        return decode(self, latent)

    monkeypatch.setattr(type(backbone), "bound", bounded)
    monkeypatch.setattr(type(backbone), "decode", full)
    return asked


def test_small_photos_are_computed_whole():
    made = predictor()
    assert predicted(made)[1:] == ("whole", [])


def test_what_a_cpu_is_to_hold_bounds_the_activations(monkeypatch):
    expected, *_ = predicted(predictor())
    monkeypatch.setattr(runtime, "CPU_ACTIVATIONS", 10**4)
    monkeypatch.setattr(runtime, "CPU_UNCUT", 0)
    found, how, notes = predicted(predictor())
    assert (how, notes) == ("stripes", [])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_photo_that_takes_little_is_not_cut_on_a_cpu(monkeypatch):
    monkeypatch.setattr(runtime, "CPU_ACTIVATIONS", 10**4)
    made = predictor()
    monkeypatch.setattr(runtime, "CPU_UNCUT", made.estimator.backbone.whole_bytes(*SIDES))
    assert predicted(made)[1] == "whole"
    monkeypatch.setattr(runtime, "CPU_UNCUT", made.estimator.backbone.whole_bytes(*SIDES) - 1)
    assert predicted(made)[1] == "stripes"


def test_where_memory_is_full_for_one_photo_its_activations_are_halved(monkeypatch):
    expected, *_ = predicted(predictor())
    monkeypatch.setattr(runtime, "_FEWEST", 1000)
    made = predictor()
    whole = made.estimator.backbone.whole_bytes(*SIDES)
    asked = crowded(made, monkeypatch, whole // 3)
    found, how, notes = predicted(made)
    assert asked == [runtime.CPU_ACTIVATIONS, whole // 2, whole // 4]
    assert (how, notes) == ("stripes", ["cpu had no memory for the whole image; encoded and decoded in stripes"])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert predicted(made)[1:] == ("stripes", []) and asked[3:] == [whole // 4]


def test_stripes_that_memory_does_not_hold_either_are_an_error(monkeypatch):
    monkeypatch.setattr(runtime, "_FEWEST", 1000)
    made = predictor()
    whole = made.estimator.backbone.whole_bytes(*SIDES)
    asked = crowded(made, monkeypatch, -1)
    with pytest.raises(DeviceMemoryError, match=r"^resolution: 48 x 32 pixels do not fit into cpu; choose less$"):
        predicted(made)
    assert asked == [runtime.CPU_ACTIVATIONS, *(whole >> times for times in range(1, len(asked)))]
    assert 1000 <= asked[-1] < 2000


@pytest.mark.parametrize("offloaded", [False, True])
def test_on_a_gpu_free_memory_is_the_bound_less_the_weights_that_are_to_come(monkeypatch, offloaded):
    asked = []
    with apple_gpu(monkeypatch):
        made = Runtime(copy.deepcopy(_opened()), Plan(MPS, offload=offloaded))
        monkeypatch.setattr(type(made.estimator.backbone), "bound", lambda self, most, uncut: asked.append(most))
        monkeypatch.setattr(runtime, "free_bytes", lambda device: 10**9)
        made.begin()
        monkeypatch.setattr(runtime, "free_bytes", lambda device: None)
        made.begin()
    coming = offload.weights_bytes(made.estimator.backbone.autoencoder) if offloaded else 0
    assert asked == [int(0.9 * (10**9 - coming)), None]


def test_activations_that_wait_in_the_computers_memory_are_counted_there(monkeypatch):
    with apple_gpu(monkeypatch):
        made = predictor(Plan(MPS))
        monkeypatch.setattr(runtime, "free_bytes", lambda device: 400_000)
        assert predicted(made)[1] == "stripes"
        backbone = made.estimator.backbone
        waiting = backbone.waiting_bytes(*SIDES)
        assert backbone.working_bytes(*SIDES) < 400_000 < waiting
        monkeypatch.setattr(memory, "available_bytes", lambda: waiting - 1)
        with pytest.raises(DeviceMemoryError, match=r"an ensemble of 1, needs about 0\.0 GB of memory, of which"):
            predicted(made)
