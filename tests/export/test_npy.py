"""NumPy files hold every number."""

import numpy as np

from marigold.export.base import Maps
from marigold.export.npy import Npy
from marigold.modalities.normals import Normals


def test_maps_and_uncertainty_come_back_to_the_bit(tmp_path):
    normals = np.random.default_rng(0).normal(size=(4, 5, 3)).astype(np.float32)
    uncertainty = np.random.default_rng(1).random((4, 5), np.float32)
    files = Npy().write(Maps(Normals(), {"normals": normals}, uncertainty), tmp_path, "a")
    assert [file.name for file in files] == ["a_normals.npy", "a_normals_uncertainty.npy"]
    for file, expected in zip(files, (normals, uncertainty), strict=True):
        np.testing.assert_array_equal(np.load(file), expected)
        assert np.load(file).dtype == np.float32
