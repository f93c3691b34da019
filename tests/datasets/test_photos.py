"""Photographs as a data set: what is listed, and how many of them are kept."""

import os

import numpy as np
import PIL.Image
import pytest

from marigold.core.errors import DataError
from marigold.datasets import photos
from marigold.datasets.photos import Photos


def test_folders_and_names_of_any_bytes_do_not_stop_a_scan(tmp_path):
    (tmp_path / "folder.png").mkdir()
    for name in (b"b.png", b"caf\xe9.png", b"a.txt"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:
            file.write(b"x")
    assert [os.fsencode(key) for key in Photos().scan(tmp_path, "train")[:2]] == [b"b.png#0", b"caf\xe9.png#0"]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    def scandir(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"this folder cannot be listed \(permission denied\); check its permissions"):
        Photos().scan(tmp_path, "train")


def test_photos_are_kept_by_their_bytes(tmp_path, monkeypatch):
    for number in range(5):
        PIL.Image.fromarray(np.full((10, 10, 3), number, np.uint8)).save(tmp_path / f"{number}.png")
    read = []
    monkeypatch.setattr(photos, "CACHED", 3 * 300)
    monkeypatch.setattr(photos, "read_image", lambda path, real=photos.read_image: read.append(path.name) or real(path))
    cache = photos._Cache()
    for number in (0, 1, 2, 0, 3, 0, 1):
        assert int(cache.read(tmp_path / f"{number}.png").max()) == number
    assert read == ["0.png", "1.png", "2.png", "3.png", "1.png"]
    monkeypatch.setattr(photos, "CACHED", 299)
    assert int(cache.read(tmp_path / "4.png").max()) == 4 and len(cache._photos) == 0
