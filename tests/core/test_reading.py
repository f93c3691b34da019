"""What is no file is refused at once, whatever is to be read."""

import os
import socket
from pathlib import Path

import pytest

from marigold.core.errors import DataError
from marigold.core.reading import open_file, read_bytes


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.close()


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _pipe_behind_a_link(path: Path) -> None:
    os.mkfifo(path.with_name("pipe"))
    path.symlink_to(path.with_name("pipe"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_pipe, "a pipe, not a file; save"),
        (_pipe_behind_a_link, "a pipe, not a file; save"),
        (_socket, "a socket, not a file; name"),
        (_loop, r"cannot be read \(too many levels of symbolic links\); look"),
        (Path.mkdir, "a folder, not a file; name"),
        (lambda path: path.symlink_to("/dev/zero"), "a device, not a file; name"),
        (lambda path: path.symlink_to("nowhere"), "no such file; look"),
    ],
)
def test_what_is_no_file_is_refused_at_once(tmp_path, make, words):
    make(tmp_path / "it")
    with pytest.raises(DataError, match=f"it: {words}"):
        open_file(tmp_path / "it", DataError, "look")


@pytest.mark.parametrize("name", ["a\0b", "x" * 300])
def test_a_name_that_no_file_can_have_is_refused(tmp_path, name):
    with pytest.raises(DataError, match=r"cannot be read .*; look"):
        open_file(tmp_path / name, DataError, "look")


def test_more_than_the_limit_is_not_read(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * (2 << 20))
    assert len(read_bytes(tmp_path / "a", DataError, "look", most=2 << 20)) == 2 << 20
    with pytest.raises(DataError, match="a: more than 1 MB, which no file of its kind has; look"):
        read_bytes(tmp_path / "a", DataError, "look", most=1 << 20)


def test_a_pipe_that_takes_a_file_s_place_is_closed_again(tmp_path, monkeypatch):
    path, opened = tmp_path / "a", os.open
    path.write_bytes(b"a")
    handles = []

    def instead(name, flags):
        os.remove(path)
        os.mkfifo(path)
        handles.append(opened(name, flags))
        return handles[-1]

    monkeypatch.setattr(os, "open", instead)
    with pytest.raises(DataError, match="a pipe, not a file"):
        open_file(path, DataError, "look")
    with pytest.raises(OSError):
        os.fstat(handles[0])
