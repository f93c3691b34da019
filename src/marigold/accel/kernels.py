"""Which operations the rebuilt layers compute by: torch's own, or kernels that are compiled for the device.

Compiling takes seconds and pays over many photos. Kernels are kept on disk by Triton; a mark beside the user's other
files that can be computed again says that those of a network are there, so that the next start takes them at once.
"""

import hashlib
import threading
from contextlib import suppress
from pathlib import Path

import torch

from marigold.backbones.base import Backbone
from marigold.backbones.fused.ops import Ops, using
from marigold.core.distribution import VERSION
from marigold.core.errors import OutputError, reason
from marigold.core.files import cache_folder, make_folder, whole_file

REPAYS = 100
"""Photos of full size that repay compiling, about: 8 s, against 0.07 s for each (`bench/results/engine.md`)."""
_CELLS = 16
"""The side, in latent cells, of what the networks rehearse on: even at the smallest of a U-Net's four sizes."""


def available(device: torch.device) -> bool:
    """Whether kernels can be compiled for a device."""
    if device.type != "cuda":
        return False
    try:
        import triton  # noqa: F401
    except ImportError:
        return False
    return True


class Compiler:
    """Compiles the kernels of a backbone's networks, at once or beside other work."""

    def __init__(self, backbone: Backbone, device: torch.device) -> None:
        self._backbone, self._device = backbone, device
        self._made: Ops | None = None
        self._thread: threading.Thread | None = None
        self._mark = cache_folder() / "kernels" / _digest(backbone, device)
        self.error = ""
        """Why nothing could be compiled; empty where nothing has failed."""

    @property
    def is_kept(self) -> bool:
        """Whether an earlier start has left the kernels on disk."""
        return self._mark.is_file()

    def ready(self) -> Ops | None:
        """The compiled operations, once they are there."""
        return self._made

    def start(self) -> None:
        """Compiles in a thread beside other work, unless that has begun or failed."""
        if self._thread is None and not self.error:
            self._thread = threading.Thread(target=self.finish, name="compiler", daemon=True)
            self._thread.start()

    def finish(self) -> Ops | None:
        """Compiles now; None where that fails, and then `error` says why."""
        try:
            self._made = self._made or compiled(self._backbone, self._device)
        except Exception as error:  # of Triton, the C compiler that it calls, or the driver
            self.error = f"{type(error).__name__}: {reason(error)}".splitlines()[0]
            return None
        _leave(self._mark)
        return self._made


@torch.inference_mode()
def compiled(backbone: Backbone, device: torch.device) -> Ops:
    """Compiled operations, by running every network of the backbone once on something small."""
    from marigold.backbones.fused.kernels import Kernels

    kernels = Kernels()
    with using(kernels), torch.cuda.device(device), torch.cuda.stream(torch.cuda.Stream(device)):
        _rehearse(backbone, device)
        torch.cuda.current_stream().synchronize()
    return kernels


def _rehearse(backbone: Backbone, device: torch.device) -> None:
    side, latent = _CELLS * backbone.stride, torch.zeros(1, backbone.latent_channels, _CELLS, _CELLS, device=device)
    if any(weights.numel() for weights in backbone.autoencoder.parameters()):  # and not another backbone's
        latent = backbone.encode(torch.zeros(1, 3, side, side, device=device))
        backbone.decode(latent)
    condition = latent.repeat(1, backbone.conditions, 1, 1) if backbone.conditions else None
    # As a tensor: what is known of a time as a number is shared with what runs beside this.
    time = torch.ones(1, dtype=torch.long, device=device)
    backbone.network(latent.float().repeat(1, backbone.targets, 1, 1), time, condition)


def _digest(backbone: Backbone, device: torch.device) -> str:
    """What compiled kernels depend on: versions, the device, and the shapes and types of the weights."""
    weights = {(str(tuple(tensor.shape)), str(tensor.dtype)) for tensor in backbone.state_dict().values()}
    known = (VERSION, torch.__version__, torch.cuda.get_device_name(device), sorted(weights))
    return hashlib.sha256(repr(known).encode()).hexdigest()[:32]


def _leave(mark: Path) -> None:
    with suppress(OutputError):
        make_folder(mark.parent)
        with whole_file(mark) as file:
            file.write(VERSION.encode())
