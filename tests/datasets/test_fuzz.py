"""Damaged data sets: every one is read, or refused by an error that names the file."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch

from marigold.core.errors import DataError
from marigold.core.sample import Camera, Sample
from marigold.datasets.base import DatasetCard
from marigold.datasets.folder import Folder, write_index, write_sample
from toys.mutations import as_text, damaged_bytes, damaged_values, survives

SIZE = (9, 10)
FIELDS = ("depth", "normals")


@pytest.fixture
def root(tmp_path):
    write_index(tmp_path, DatasetCard(FIELDS, (), "CC0-1.0", "random numbers", (0.1, 80.0)), {"seed": 0})
    generator = torch.Generator().manual_seed(0)
    maps = {
        "depth": torch.rand(1, *SIZE, generator=generator) + 1,
        "normals": torch.rand(3, *SIZE, generator=generator),
    }
    valid = dict.fromkeys(maps, torch.ones(1, *SIZE, dtype=torch.bool))
    image = torch.rand(3, *SIZE, generator=generator)
    write_sample(tmp_path, Sample("test/a", image, maps, valid, Camera(10.0, 10.0, 5.0, 4.5)))
    return tmp_path


def read(root):
    for key in Folder().scan(root, "test"):
        sample = Folder().read(root, key)
        assert sample.image.shape == (3, *SIZE)
        assert all(values.shape[-2:] == SIZE and values.dtype == torch.float32 for values in sample.maps.values())


def attempts(root, file, variants):
    """How many of the variants of a file are read; the others are refused by its name."""
    read(root)
    good = 0
    for number, content in enumerate(variants):
        file.write_bytes(content)
        good += survives(lambda: read(root), (DataError,), f"{file.name}, variant {number}")
    return good


def test_an_index_of_wrong_values(root):
    file = root / "dataset.json"
    variants = [as_text(value) for value in damaged_values(json.loads(file.read_bytes()), 120)]
    assert attempts(root, file, variants) < 80


def test_an_index_of_wrong_bytes(root):
    file = root / "dataset.json"
    assert attempts(root, file, damaged_bytes(file.read_bytes(), 60)) < 40


def test_maps_of_wrong_bytes(root):
    # Most of a small archive is names and checksums, and what is damaged there is not read.
    file = root / "test/a/maps.npz"
    assert attempts(root, file, damaged_bytes(file.read_bytes(), 160)) < 80


def test_maps_whose_arrays_have_wrong_bytes(root):
    # Archives that are whole, so that the damage lies in the arrays' headers and numbers.
    file = root / "test/a/maps.npz"
    with zipfile.ZipFile(file) as archive:
        arrays = {name: archive.read(name) for name in archive.namelist()}

    def variants():
        for number, head in enumerate(damaged_bytes(arrays["depth.npy"][:128], 120, seed=1)):
            name = ("depth.npy", "depth.valid.npy", "camera.npy")[number % 3]
            yield archived({**arrays, name: head + arrays[name][128:]})

    assert attempts(root, file, variants()) < 60


def test_a_photo_of_wrong_bytes(root):
    file = root / "test/a/image.png"
    assert attempts(root, file, damaged_bytes(file.read_bytes(), 60)) < 40


def archived(arrays):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in arrays.items():
            archive.writestr(name, content)
    return made.getvalue()


@pytest.mark.parametrize("kind", ["<i8", "<f16", "|O", "<c8", "<U2", "|S4", "<M8[s]", "|V4", "|b1", "[('x', '<f4')]"])
@pytest.mark.parametrize("name", ["depth", "depth.valid", "camera"])
def test_an_array_of_another_type_is_refused_unread(root, name, kind):
    file = root / "test/a/maps.npz"
    with zipfile.ZipFile(file) as archive:
        arrays = {part: archive.read(part) for part in archive.namelist()}
    head = io.BytesIO()
    shape = np.load(io.BytesIO(arrays[f"{name}.npy"])).shape
    described = [("x", "<f4")] if kind.startswith("[") else kind
    np.lib.format.write_array_header_1_0(head, {"descr": described, "fortran_order": False, "shape": shape})
    file.write_bytes(archived({**arrays, f"{name}.npy": head.getvalue() + bytes(10_000)}))
    if (name, kind) != ("depth.valid", "|b1"):
        with pytest.raises(DataError, match=rf"maps\.npz: damaged \({name} "):
            read(root)
