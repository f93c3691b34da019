"""What test processes need to know before torch and Triton are imported; those that tests start inherit it.

One thread each: two that share two cores would wait for each other at every small operation. Where there is no GPU,
Triton's kernels are interpreted on the processor.
"""

import os

GPUS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""Of NVIDIA, of AMD, and of either under Windows."""


def pytest_configure() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
    if not any(map(os.path.exists, GPUS)):
        os.environ.setdefault("TRITON_INTERPRET", "1")
