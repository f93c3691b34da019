"""Devices and precisions by name."""

import pytest
import torch

from marigold.accel.precision import precision_name, resolve_device, resolve_dtype
from marigold.core.errors import ConfigError

CPU = torch.device("cpu")


def test_auto_takes_a_gpu_only_where_there_is_one(monkeypatch):
    monkeypatch.setattr(torch.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device("auto") == CPU
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device("auto") == torch.device("cuda")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("gpu", "no device is called `gpu`"),
        ("meta", "`meta` is not supported"),
        ("cuda:99", "`cuda:99` is not available"),
    ],
)
def test_a_device_that_cannot_be_used_is_refused(name, problem):
    with pytest.raises(ConfigError, match=f"device: {problem}.*; use auto"):
        resolve_device(name)


@pytest.mark.parametrize("fast", [True, False])
def test_auto_takes_bfloat16_only_where_it_is_fast(monkeypatch, fast):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: fast)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert resolve_dtype("auto", CPU) == (torch.bfloat16 if fast else torch.float32)


@pytest.mark.parametrize(
    ("capability", "dtype"), [((7, 5), torch.float32), ((8, 0), torch.bfloat16), ((9, 0), torch.bfloat16)]
)
def test_auto_on_a_gpu_goes_by_its_generation(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_dtype("auto", torch.device("cuda")) == dtype


def test_a_precision_is_known_by_name():
    assert resolve_dtype("bf16", CPU) == torch.bfloat16
    assert resolve_dtype("fp16", torch.device("cuda")) == torch.float16
    assert precision_name(torch.float16) == "fp16"
    with pytest.raises(ConfigError, match="no precision is called `int8`"):
        resolve_dtype("int8", CPU)


def test_half_precision_is_refused_on_a_cpu_without_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_fp16_supported", lambda: False)
    with pytest.raises(ConfigError, match="hundreds of times slower"):
        resolve_dtype("fp16", CPU)
