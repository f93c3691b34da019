"""A lock is held by one living process, and says which."""

import multiprocessing
import os
import signal
import time

import pytest

from marigold.core.errors import OutputError
from marigold.core.locks import locked


def _hold(path, ready):
    with locked(path, "it is in use"):
        ready.set()
        time.sleep(60)


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock `tmp_path / "lock"`."""
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(target=_hold, args=(tmp_path / "lock", ready))
    process.start()
    assert ready.wait(60)
    yield process
    process.kill()
    process.join()


def test_the_other_process_is_named(tmp_path, other):
    with (
        pytest.raises(OutputError, match=f"^it is in use by process {other.pid} on .*; wait until it ends, or stop it"),
        locked(tmp_path / "lock", "it is in use"),
    ):
        pass


def test_a_dead_process_holds_no_lock(tmp_path, other):
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    with locked(tmp_path / "lock", "it is in use"):
        assert (tmp_path / "lock").read_text().startswith(f"process {os.getpid()} on ")
    assert not (tmp_path / "lock").exists()


def test_one_process_cannot_hold_a_lock_twice(tmp_path):
    lock, words = tmp_path / "lock", f"by process {os.getpid()}"
    with locked(lock, "it"), pytest.raises(OutputError, match=words), locked(lock, "it", wait=0.1):
        pass


def test_a_lock_is_no_way_to_write_elsewhere(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "lock").symlink_to(tmp_path / "mine")
    with pytest.raises(OutputError, match="lock: cannot be locked"), locked(tmp_path / "lock", "it is in use"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"
