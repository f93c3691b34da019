"""One thread per test process: two that share two cores would wait for each other at every small operation."""

import os


def pytest_configure() -> None:
    """Before torch is imported; processes that tests start inherit it."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault("OMP_NUM_THREADS", "1")
