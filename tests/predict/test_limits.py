"""What a prediction may be asked for: numbers with bounds, and no more memory than there is."""

import time

import numpy as np
import pytest
import torch

from marigold.accel.runtime import Runtime
from marigold.checkpoints import store
from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import Convention
from marigold.compat.base import WorkingSize
from marigold.core import memory
from marigold.core.device import memory_is_full
from marigold.core.errors import CheckpointError, ConfigError, DeviceMemoryError
from marigold.core.limits import SETTINGS
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.modalities.lighting import Lighting
from marigold.predict import predictor as predictors
from marigold.predict.estimate import least_bytes
from marigold.predict.predictor import Predictor, load
from marigold.predict.settings import Request
from toys.identity import Identity
from toys.peers import peers

PHOTO = np.zeros((16, 24, 3), np.uint8)


def identity(**card) -> Predictor:
    defaults = {"steps": 1, "resolution": 0, "ensemble": 1}
    return Predictor(Estimator(Identity(), Depth(), Card("identity", "depth", defaults={**defaults, **card})))


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("number", [10**9 * 10**10, 10**400, -1, -(10**400), 1.0, float("nan"), "4", [], True])
def test_numbers_beyond_all_use_are_refused_by_name(name, number):
    with pytest.raises(ConfigError, match=f"^{name}: "):
        Request(**{name: number})


@pytest.mark.parametrize(("name", "number"), [("ensemble", 10**8), ("steps", 10**9), ("resolution", 10**7)])
def test_a_card_made_in_python_is_held_to_the_same(name, number):
    with pytest.raises(ConfigError, match=f"^{name}: {number} is too large"):
        identity(**{name: number}).predict(PHOTO)


def test_whole_numbers_of_numpy_are_plain_ones_afterwards():
    assert type(Request(steps=np.int64(2)).steps) is int


@pytest.mark.parametrize("steps", [1001, 5000])
@pytest.mark.parametrize("scheduler", ["DDIMScheduler", "LCMScheduler"])
def test_more_steps_than_there_are_times_are_refused_before_any_noise_is_drawn(monkeypatch, scheduler, steps):
    predictor, _ = peers("depth", scheduler=scheduler)
    monkeypatch.setattr(torch, "randn", lambda *_, **__: pytest.fail("noise was drawn"))
    with pytest.raises(ConfigError, match=f"^steps: {steps}"):
        predictor.predict(PHOTO, steps=steps, resolution=16)


@pytest.mark.parametrize("resolution", [13_000, 1_000_000])
def test_a_resolution_that_no_memory_holds_is_refused_at_once(monkeypatch, resolution):
    monkeypatch.setattr(memory, "available_bytes", lambda: 8 << 30)
    began = time.monotonic()
    with pytest.raises(DeviceMemoryError, match=r"^resolution: .* pixels"):
        load("depth", device="cpu").predict(PHOTO, resolution=resolution)
    assert time.monotonic() - began < 30


def test_the_estimate_is_of_values_decoder_and_result(monkeypatch):
    """One float32 for each pixel and member; members are joined, and aligned in three steps; the photo's map twice."""
    asked = []
    monkeypatch.setattr("marigold.predict.estimate.require_memory", lambda needed, *_: asked.append(needed))
    predictor = identity()
    predictor.predict(PHOTO, ensemble=50)
    predictor.predict(PHOTO, ensemble=1, match_input=False)
    predictor.predict(PHOTO, ensemble=1, resolution=4)
    pixels = 16 * 24
    assert asked == [(1 + 1 + 3) * 50 * 4 * pixels, (1 + 3) * 4 * pixels, 2 * 4 * pixels]


def test_a_decoder_is_estimated_by_its_channels_at_full_size():
    backbone = load("lighting", device="cpu", precision="fp32").estimator.backbone
    assert backbone.working_bytes(100, 200) == 3 * 100 * 200 * 64 * 3 * 4


def test_an_ensemble_that_memory_does_not_hold_is_refused_with_the_estimate(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**6)
    words = r"24 x 16 pixels .* ensemble of 10000, needs about 0\.1 GB of memory, .*smaller ensemble"
    with pytest.raises(DeviceMemoryError, match=words):
        identity().predict(PHOTO, ensemble=10_000)
    identity().predict(PHOTO, ensemble=4)


def test_members_that_are_the_same_take_no_memory(monkeypatch):
    predictor, _ = peers("depth")
    monkeypatch.setattr(predictor.estimator, "card", Card("toy", "depth", convention=Convention("zeros", 999)))
    monkeypatch.setattr(memory, "available_bytes", lambda: 2 * 10**6)
    found = predictor.predict(PHOTO, ensemble=10_000, resolution=16, steps=1)
    assert "the checkpoint starts from nothing random, so that all members are the same; took one" in str(found.report)


FULL = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    RuntimeError("MPS backend out of memory"),
    RuntimeError("not enough memory: you tried to allocate 68719476736 bytes."),
    RuntimeError("unable to mmap 99 bytes from file <x>: Cannot allocate memory (12)"),
    RuntimeError("std::bad_alloc"),
]


@pytest.mark.parametrize("error", FULL, ids=range(len(FULL)))
@pytest.mark.parametrize("where", ["encode", "network", "decode", "ensemble"])
def test_full_memory_is_a_message_wherever_it_happens(monkeypatch, error, where):
    predictor = identity()

    def full(*_, **__):
        raise error

    owner = Depth if where == "ensemble" else Identity
    monkeypatch.setattr(owner, where, full)
    with pytest.raises(DeviceMemoryError, match="choose"):
        predictor.predict(PHOTO)


@pytest.mark.parametrize("error", FULL, ids=range(len(FULL)))
def test_full_memory_is_a_message_where_weights_are_loaded(monkeypatch, error):
    def full(*_, **__):
        raise error

    monkeypatch.setattr(store, "open", full)
    with pytest.raises(CheckpointError, match="depth: its weights do not fit into cpu; use a smaller checkpoint"):
        predictors.load("depth", device="cpu")


def test_other_errors_are_not_taken_for_full_memory():
    assert not memory_is_full(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_the_networks_pass_on_that_memory_is_full(monkeypatch):
    predictor, _ = peers("depth")

    def full(*_, **__):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(predictor.estimator.backbone.vae, "decode", full)
    with pytest.raises(DeviceMemoryError, match=r"^resolution: 24 x 16 pixels do not fit into cpu"):
        predictor.predict(PHOTO, resolution=24, steps=1)


NOISES = [5, "noise", None.__class__, object(), [[1, 2], [3]], np.array(1.0), np.array(["a"])]


@pytest.mark.parametrize("noise", NOISES, ids=range(len(NOISES)))
def test_noise_that_is_no_array_of_numbers_is_refused(noise):
    with pytest.raises(ConfigError, match=r"^noise: "):
        identity().predict(PHOTO, noise=noise)


@pytest.mark.parametrize("kind", ["meta", "sparse", "complex"])
def test_noise_without_real_values_is_refused(kind):
    noise = torch.zeros(1, 48, 4, 6, device="meta" if kind == "meta" else "cpu")
    noise = noise.to_sparse() if kind == "sparse" else noise.to(torch.complex64) if kind == "complex" else noise
    with pytest.raises(ConfigError, match="is no array of numbers"):
        identity().predict(PHOTO, noise=noise)


@pytest.mark.parametrize("shape", [(8, 4000), (4000, 8), (9, 13)])
@pytest.mark.parametrize("resolution", [0, 1, 7, 31, 64])
def test_photos_of_any_shape_are_worked_at_any_small_resolution(shape, resolution):
    predictor, _ = peers("depth")
    found = predictor.predict(
        np.zeros((*shape, 3), np.uint8), resolution=resolution, steps=1, match_input=resolution > 7
    )
    assert np.isfinite(found.maps["depth"]).all()
    assert resolution <= 7 or found.maps["depth"].shape == shape


def test_a_large_photo_of_many_channels_counts_at_its_own_size():
    """Nine float32 for each pixel of the photo, as they are computed and as they are given out."""
    runtime = Runtime(Estimator(Identity(), Lighting(), Card("identity", "lighting")))
    settings = Request(resolution=8).settings({})
    assert least_bytes(runtime, settings, [WorkingSize(4, 8, 4)], 1, (100, 200)) == 2 * 9 * 100 * 200 * 4
