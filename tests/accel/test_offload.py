"""Networks that take turns on a device give what they give when all of them are there."""

import copy
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from marigold.accel import offload, runtime
from marigold.accel.offload import needed_bytes, suited
from marigold.accel.plan import GPU_PIXELS, Plan
from marigold.core.errors import ConfigError, DeviceMemoryError
from marigold.predict.predictor import Predictor, load
from toys.apple import MPS, OnDevice, apple_gpu
from toys.peers import toy

PHOTO = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
TURNS = Plan(MPS, torch.float32, GPU_PIXELS, offload=True)


@pytest.fixture
def estimator():
    return toy("depth")


@pytest.fixture
def device(monkeypatch, estimator) -> Iterator[None]:
    offload.stage.cache_clear()
    with apple_gpu(monkeypatch):
        yield
    offload.stage.cache_clear()


def maps(predictor):
    return predictor.predict(PHOTO, resolution=32, steps=2, ensemble=2, tta="none").maps["depth"]


def on_device(module) -> bool:
    (found,) = {isinstance(tensor, OnDevice) for tensor in module.state_dict().values()}
    return found


def test_networks_that_take_turns_give_the_same_to_the_bit(device, estimator):
    whole = maps(Predictor(copy.deepcopy(estimator), Plan(MPS, torch.float32, GPU_PIXELS)))
    turns = Predictor(estimator, TURNS)
    assert np.array_equal(maps(turns), whole)
    assert np.array_equal(maps(turns), whole)


def test_one_network_is_on_the_device_at_a_time_and_none_is_copied_back(device, estimator):
    predictor, seen = Predictor(estimator, TURNS), []
    unet, encoder, decoder = predictor.estimator.backbone.hot_parts()
    before = {name: tensor.data_ptr() for name, tensor in unet.state_dict().items()}
    for part in (unet, encoder, decoder):
        part.register_forward_pre_hook(lambda *_: seen.append([on_device(one) for one in (encoder, unet, decoder)]))
    predictor.predict(PHOTO, resolution=32, steps=2, ensemble=1)
    assert seen == [[True, False, False], [False, True, False], [False, True, False], [False, False, True]]
    assert {name: tensor.data_ptr() for name, tensor in unet.state_dict().items()} == before


def test_what_is_not_saved_with_a_network_comes_and_goes_with_it(device, estimator):
    unet, *_ = estimator.backbone.hot_parts()
    unet.mid_block.register_buffer("known", torch.ones(3), persistent=False)
    predictor, seen = Predictor(estimator, TURNS), []
    unet.register_forward_pre_hook(lambda *_: seen.append(isinstance(unet.mid_block.known, OnDevice)))
    maps(predictor)
    assert all(seen) and not isinstance(unet.mid_block.known, OnDevice)


def test_two_estimators_share_the_place_on_the_device(device, estimator):
    one, other = Predictor(copy.deepcopy(estimator), TURNS), Predictor(estimator, TURNS)
    maps(one)
    maps(other)
    parts = [part for predictor in (one, other) for part in predictor.estimator.backbone.hot_parts()]
    assert [on_device(part) for part in parts] == [False] * 5 + [True]


def test_turns_go_on_in_float32_after_an_overflow(device, estimator):
    estimator.backbone.unet.conv_out.weight.data.mul_(2e5)
    whole = maps(Predictor(copy.deepcopy(estimator).half(), Plan(MPS)))
    predictor = Predictor(estimator, Plan(MPS, torch.float16, offload=True))
    np.testing.assert_allclose(maps(predictor), whole, atol=1e-4)
    assert predictor.plan.offload and predictor.plan.dtype == torch.float32


@pytest.fixture
def gpu(monkeypatch):
    """A GPU with so much free memory."""

    def free(size):
        monkeypatch.setattr(offload, "free_bytes", lambda device: size)
        return Plan(torch.device("cuda"), torch.float32)

    return free


@pytest.mark.parametrize(("spare", "expected"), [(0, False), (-1, True)])
def test_networks_take_turns_where_the_device_does_not_hold_all(gpu, estimator, spare, expected):
    plan = gpu(needed_bytes(estimator) + spare)
    assert suited(plan, estimator, "auto").offload is expected
    assert suited(plan, estimator, "stage").offload
    assert not suited(plan, estimator, "off").offload


def test_a_device_that_does_not_say_what_is_free_holds_all(gpu, estimator):
    assert not suited(gpu(None), estimator, "auto").offload


def test_what_is_needed_is_weights_and_room_to_work_in(estimator):
    weights = sum(tensor.nbytes for tensor in (*estimator.parameters(), *estimator.buffers()))
    assert needed_bytes(estimator) == weights + 1.5 * estimator.backbone.working_bytes(288, 288)


def test_a_choice_that_there_is_not_is_refused(gpu, estimator):
    with pytest.raises(ConfigError, match=r"^offload: no choice is called `cpu`; use auto, off or stage"):
        suited(gpu(None), estimator, "cpu")


def test_turns_on_a_cpu_are_refused():
    with pytest.raises(ConfigError, match=r"^offload: on a CPU .*; leave it out"):
        load("depth", device="cpu", offload="stage")


def test_a_prediction_that_a_device_has_no_room_for_is_refused_with_the_figures(device, estimator, monkeypatch):
    monkeypatch.setattr(runtime, "free_bytes", lambda device: 10**3)
    words = r"38 x 27 pixels .* of 2 on mps:0, needs about .* of which 0\.0 GB .*; choose a"
    with pytest.raises(DeviceMemoryError, match=words):
        maps(Predictor(estimator, Plan(MPS)))


def test_a_network_needs_room_at_its_turn_and_leaves_it_afterwards(device, estimator, monkeypatch):
    predictor = Predictor(estimator, TURNS)
    held = [[*part.parameters(), *part.buffers()] for part in estimator.backbone.hot_parts()]
    largest, _, decoder = (sum(tensor.nbytes for tensor in tensors) for tensors in held)
    monkeypatch.setattr(runtime, "free_bytes", lambda device: largest - 1)
    with pytest.raises(DeviceMemoryError, match="on mps:0, needs about"):
        maps(predictor)
    monkeypatch.setattr(runtime, "free_bytes", lambda device: largest)
    maps(predictor)
    monkeypatch.setattr(runtime, "free_bytes", lambda device: largest - decoder)  # the decoder is still there
    maps(predictor)
