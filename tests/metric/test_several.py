"""Two views of one tilted plane, rendered here, become one point cloud that lies on it."""

import numpy as np
import PIL.Image
import pytest

from marigold.folders.batch import predict_photos
from marigold.metric.asked import Asked
from marigold.metric.measuring import Measuring
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor
from toys.identity import identity_estimator

HEIGHT, WIDTH, FOCAL = 32, 48, 40.0
NORMAL, OFFSET = np.array([0.3, -0.5, 1.0]), 6.0  # the plane is normal @ point = offset, in world axes
POSES = {"left": (0.0, np.array([0.5, 0.0, 0.0])), "right": (0.25, np.array([-0.8, 0.2, 0.4]))}
"""The angle about the y axis, and the translation, of world to camera."""


def rotation(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def depth(name):
    """Planar depth [H, W]: where the rays through the pixels' centres meet the plane."""
    angle, move = POSES[name]
    turn = rotation(angle)
    x, y = np.meshgrid((np.arange(WIDTH) + 0.5 - WIDTH / 2) / FOCAL, (np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / FOCAL)
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ turn  # to world axes
    centre = -turn.T @ move
    return (OFFSET - NORMAL @ centre) / (rays @ NORMAL)


@pytest.fixture
def scene(tmp_path):
    """Photos that show each view's depth between its own ends, and a model of the points at every 37th pixel."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "cameras.txt").write_text(f"1 PINHOLE {WIDTH} {HEIGHT} {FOCAL} {FOCAL} {WIDTH / 2} {HEIGHT / 2}\n")
    photos, images, places = [], [], []
    for number, (name, (angle, move)) in enumerate(POSES.items(), 1):
        there = depth(name)
        share = (there - there.min()) / np.ptp(there)
        levels = np.rint(share * 65535).astype(np.uint16)
        photos.append(tmp_path / f"{name}.png")
        PIL.Image.fromarray(levels).save(photos[-1])
        seen = []
        for index in range(5, HEIGHT * WIDTH, 37):
            row, column = divmod(index, WIDTH)
            z = there[row, column]
            at = np.array([(column + 0.5 - WIDTH / 2) / FOCAL * z, (row + 0.5 - HEIGHT / 2) / FOCAL * z, z])
            places.append(rotation(angle).T @ (at - move))
            seen.append(f"{column + 0.5} {row + 0.5} {len(places)}")
        pose = [np.cos(angle / 2), 0, np.sin(angle / 2), 0, *move]
        images.append(f"{number} {' '.join(map(repr, map(float, pose)))} 1 {name}.png\n{' '.join(seen)}\n")
    (model / "images.txt").write_text("".join(images))
    (model / "points3D.txt").write_text(
        "".join(f"{i} {x!r} {y!r} {z!r} 0 0 0 0\n" for i, (x, y, z) in enumerate(np.array(places).tolist(), 1))
    )
    return photos, model


@pytest.mark.parametrize(("unit", "suffix"), [(None, "scaled"), (0.1, "metres")])
def test_maps_of_one_place_come_to_one_scale_and_one_cloud(scene, tmp_path, unit, suffix):
    photos, model = scene
    measuring = Measuring(Asked(colmap=model, unit=unit), photos)
    predictors = MultiPredictor([Predictor(identity_estimator())])
    outcome = predict_photos(predictors, photos, Request(), tmp_path / "out", formats="npy", measuring=measuring)
    assert (outcome.done, outcome.failures) == (2, [])
    for photo in photos:
        found = np.load(tmp_path / "out" / f"{photo.stem}_depth_{suffix}.npy")
        assert found == pytest.approx(depth(photo.stem) * (unit or 1), rel=1e-3)
    content = measuring.cloud.write(tmp_path / "cloud.ply").read_bytes()
    head, _, body = content.partition(b"end_header\n")
    rows = np.frombuffer(body, np.dtype([("point", "<f4", 3), ("colour", "u1", 3)]))
    assert len(rows) == 2 * HEIGHT * WIDTH
    assert b"comment photos: left.png right.png" in head and (b"unit: metre" in head) == (unit is not None)
    assert rows["point"] @ NORMAL == pytest.approx(np.full(len(rows), OFFSET * (unit or 1)), rel=2e-3)
