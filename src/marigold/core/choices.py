"""Choices that a person makes by name, below everything that follows them; importing this loads no torch."""

from typing import Literal

Resampling = Literal["bilinear", "bicubic", "area", "nearest", "nearest-exact"]
"""Ways to another size, as in `torch.nn.functional.interpolate`."""

Reduction = Literal["median", "mean", "closest"]
"""How the members of an ensemble become one; `closest` is the member closest to the mean direction."""

Compile = Literal["auto", "on", "off"]
"""Whether kernels are compiled for the device: `on` before the first photo, `auto` once that repays itself."""

Offload = Literal["auto", "off", "stage"]
"""Whether networks take turns on a device and wait in the computer's memory: `auto` where it does not hold them all."""
