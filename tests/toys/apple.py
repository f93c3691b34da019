"""Apple's GPU, played by the processor: the device `mps` with its rules about number types and about other devices.

Its tensors are held by tensors on the CPU that compute for them, operation by operation. As on the real device, none is
float64 or complex128, and an operation takes no tensor from elsewhere but a single number.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

from marigold.accel.offload import stage

MPS, META = torch.device("mps", 0), torch.device("meta")
UNKNOWN = (torch.float64, torch.complex128)
BETWEEN_DEVICES = ("_to_copy", "copy_", "_local_scalar_dense")
"""Operations that read a tensor on one device and write one on another."""


class OnDevice(torch.Tensor):
    """A tensor on the device; to torch's own core, which is built without that device, it is one on `meta`."""

    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            layout=held.layout,
            device=META,
        )

    def __init__(self, held):
        self.held = held

    @property
    def device(self):
        return MPS

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return computed(func, args, kwargs or {})


class _Device(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return computed(func, args, kwargs or {})


class _Named(TorchFunctionMode):
    """Calls the device by the name that torch's own core takes."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        args, kwargs = tree_map(_for_core, (args, kwargs or {}))
        if func is torch.Tensor.new_tensor:
            func, args, kwargs = torch.tensor, args[1:], {"dtype": args[0].dtype, "device": args[0].device, **kwargs}
        if func is torch.Tensor.tolist and isinstance(args[0], OnDevice):
            return args[0].held.tolist()
        if func not in (torch.tensor, torch.as_tensor) or kwargs.get("device") not in (META, MPS):
            return func(*args, **kwargs)
        return func(*args, **{**kwargs, "device": "cpu"}).to(META)  # on `meta` the core drops the numbers


def _for_core(one):
    named = isinstance(one, str | torch.device) and str(one).partition(":")[0] == "mps"
    return META if named else one


def computed(func, args, kwargs):
    """What an operation gives, where its device is: the one that it is asked for, or that of what it takes."""
    taken = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, torch.Tensor)]
    mine = [one for one in taken if isinstance(one, OnDevice)]
    name = func.overloadpacket.__name__
    if mine and name not in BETWEEN_DEVICES and any(one.ndim for one in taken if not isinstance(one, OnDevice)):
        raise RuntimeError(f"{func}: expected all tensors to be on the same device, mps:0")
    asked = kwargs.get("device")
    there = asked == META if asked is not None else isinstance(args[0], OnDevice) if name == "copy_" else mine
    found = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    known = {id(one.held): one for one in mine}
    return tree_map(lambda one: _placed(one, known, func), found) if there else found


def _held(one):
    if isinstance(one, OnDevice):
        return one.held
    return torch.device("cpu") if isinstance(one, torch.device) and one == META else one


def _placed(one, known, func):
    """A result as a tensor on the device; one that an operation has written into is itself."""
    if not isinstance(one, torch.Tensor):
        return one
    if one.dtype in UNKNOWN:
        raise TypeError(f"{func}: the MPS framework does not support {one.dtype}; use float32 instead")
    with torch.inference_mode(False):  # so that it can be a view of a tensor that was made outside that mode
        return known[id(one)] if id(one) in known else OnDevice(one)


@contextmanager
def apple_gpu(monkeypatch) -> Iterator[None]:
    """Inside the block there is such a device."""
    monkeypatch.setattr(torch.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.mps, "empty_cache", lambda: None)
    # A module's conversion makes tensors anew; written into those that are there, the CPU's would stay behind.
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with _Device(), _Named():
            yield
            stage(MPS).clear()  # for the next one, the device is empty
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)
