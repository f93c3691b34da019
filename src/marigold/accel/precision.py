"""In which precision to compute."""

from typing import Literal

import torch

from marigold.core.device import resolve_device as resolve_device
from marigold.core.errors import ConfigError
from marigold.core.plain import word

Precision = Literal["auto", "fp32", "bf16", "fp16"]

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_AMPERE = (8, 0)
"""The first generation of NVIDIA GPUs that multiplies bfloat16 matrices in hardware."""


def resolve_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The number type for a precision; `auto` is bfloat16 where the device multiplies it fast, float32 elsewhere.

    Raises `ConfigError` for half precision on a CPU without it, where one photo would take hours.
    """
    if precision == "auto":
        return torch.bfloat16 if _has_fast_bfloat16(device) else torch.float32
    if not isinstance(precision, str) or precision not in DTYPES:
        raise ConfigError(f"precision: no precision is called `{word(precision)}`; use auto, {', '.join(DTYPES)}")
    if precision == "fp16" and device.type == "cpu" and not torch.cpu._is_amx_fp16_supported():
        raise ConfigError(
            "precision: this CPU computes fp16 hundreds of times slower than fp32; use auto, bf16 or fp32"
        )
    return DTYPES[precision]


def precision_name(dtype: torch.dtype) -> str:
    """The precision that a number type is called by: `fp32`, `bf16` or `fp16`."""
    return next(name for name, value in DTYPES.items() if value == dtype)


def _has_fast_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= _AMPERE
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
