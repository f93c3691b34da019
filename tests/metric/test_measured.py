"""From known distances to files in metres, by an estimator whose answer is the photo itself."""

import json
import struct

import numpy as np
import PIL.Image
import pytest
import tifffile

from marigold.checkpoints.card import Card
from marigold.core.errors import ConfigError
from marigold.folders.batch import predict_photos
from marigold.metric.asked import Asked
from marigold.metric.measured import measured
from marigold.metric.measuring import Measuring
from marigold.metric.points import Points
from marigold.modalities.normals import Normals
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor
from toys.identity import CARD, identity_estimator

HEIGHT, WIDTH = 16, 24
NEAR, EXTENT = 2.0, 5.0
ALL = "npy,png16,preview,exr,pbr,ply,glb"


def share():
    """The depth that the photo shows, [H, W] in 0 to 1, in steps of 1 / 255."""
    return np.rint(np.linspace(0.1, 0.9, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 255) / 255


def metres():
    return NEAR + EXTENT * share()


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "a.png"
    PIL.Image.fromarray(np.rint(np.repeat(share()[..., None], 3, 2) * 255).astype(np.uint8)).save(path)
    return path


def points(count=6, **changed):
    rows, columns = np.linspace(0, HEIGHT - 1, count).astype(int), np.linspace(2, WIDTH - 3, count).astype(int)
    depth = metres()[rows, columns]
    return Points(**{"x": columns + 0.0, "y": rows + 0.0, "depth": depth, "origin": "points.csv", **changed})


def write_table(path, found):
    path.write_text("".join(f"{x},{y},{z}\n" for x, y, z in zip(found.x, found.y, found.depth, strict=True)))
    return path


def run(photos, output, asked, formats="npy", predictors=None, **options):
    predictors = predictors or MultiPredictor([Predictor(identity_estimator())])
    measuring = Measuring(asked, photos)
    return predict_photos(predictors, photos, Request(), output, formats=formats, measuring=measuring, **options)


def test_depth_becomes_metres_with_its_report(photo):
    found = measured(Predictor(identity_estimator()).predict(photo), points())
    assert found.measured == "metric"
    assert found.maps["depth"] == pytest.approx(metres(), abs=1e-5)
    assert found.uncertainty is not None and found.uncertainty.max() < 1e-4
    report = found.report["known_distances"]
    assert (report["points"], report["outliers"], report["fitted_in"]) == (6, 0, "depth")
    assert (report["scale"], report["shift"]) == pytest.approx((EXTENT, NEAR), abs=1e-4)


def test_an_outlier_is_named_by_its_pixel(photo):
    there = points(12)
    depth = there.depth.copy()
    depth[4] = 60
    found = measured(Predictor(identity_estimator()).predict(photo), points(12, depth=depth))
    (worst,) = found.report["known_distances"]["worst_outliers"]
    assert (worst["x"], worst["y"], worst["known"]) == (there.x[4], there.y[4], 60)
    assert worst["predicted"] == pytest.approx(there.depth[4], abs=1e-3)
    assert found.maps["depth"] == pytest.approx(metres(), abs=1e-4)


def test_measured_depth_is_not_measured_again(photo):
    found = measured(Predictor(identity_estimator()).predict(photo), points())
    with pytest.raises(ConfigError, match="measured already"):
        measured(found, points())


def test_every_format_says_that_depth_is_in_metres(photo, tmp_path):
    table = write_table(tmp_path / "known.csv", points())
    outcome = run([photo], tmp_path / "out", Asked(known=table, camera="30,30,12,8"), ALL)
    assert (outcome.done, outcome.failures) == (1, [])
    out = tmp_path / "out"
    report = json.loads((out / "a_depth.json").read_text())
    assert report["depth"] == "metric" and report["known_distances"]["unit"] == "metre"
    assert np.load(out / "a_depth_metres.npy") == pytest.approx(metres(), abs=1e-5)
    with PIL.Image.open(out / "a_depth_metres_16bit.png") as picture:
        text, levels = picture.text, np.asarray(picture)
    assert text["Description"] == "planar depth in metres, 0 at the camera" and text["Depth"] == "metric"
    assert float(text["Scale"]) * levels / 65535 == pytest.approx(metres(), abs=1e-3)
    for name in ("a_depth.exr", "a_depth_metres.glb", "a_depth_metres.ply"):
        content = (out / name).read_bytes()
        assert b"metric" in content, name
    assert b"planar depth in metres" in (out / "a_depth.exr").read_bytes()
    content = (out / "a_depth_metres.ply").read_bytes()
    head, _, body = content.partition(b"end_header\n")
    assert b"comment camera: fx 30" in head and b"assumed" not in head
    x, y, z = struct.unpack_from("<3f", body)  # the first pixel: x = (0.5 - 12) / 30 * depth
    assert (x, y, z) == pytest.approx(
        (-11.5 / 30 * metres()[0, 0], 7.5 / 30 * metres()[0, 0], -metres()[0, 0]), rel=1e-4
    )


@pytest.mark.parametrize(("shift", "word"), [(True, "affine"), (False, "up to scale")])
def test_without_known_distances_files_say_how_much_is_known(photo, tmp_path, shift, word):
    from marigold.modalities.depth import Depth

    predictors = MultiPredictor([Predictor(identity_estimator(modality=Depth(shift_invariant=shift)))])
    run([photo], tmp_path / "out", Asked(), "npy,png16,ply", predictors)
    assert json.loads((tmp_path / "out" / "a_depth.json").read_text())["depth"] == word
    with PIL.Image.open(tmp_path / "out" / "a_depth_16bit.png") as picture:
        assert picture.text["Depth"] == word
    assert f"comment Depth: {word}".encode() in (tmp_path / "out" / "a_depth.ply").read_bytes()


def test_results_are_made_again_when_the_distances_change(photo, tmp_path):
    table = write_table(tmp_path / "known.csv", points())
    assert run([photo], tmp_path / "out", Asked(known=table)).done == 1
    assert run([photo], tmp_path / "out", Asked(known=table)).skipped == 1
    write_table(table, points(depth=points().depth * 2))
    assert run([photo], tmp_path / "out", Asked(known=table)).done == 1
    assert np.load(tmp_path / "out" / "a_depth_metres.npy") == pytest.approx(2 * metres(), abs=1e-4)
    assert run([photo], tmp_path / "out", Asked()).done == 1
    assert not (tmp_path / "out" / "a_depth_metres.npy").exists()


def test_other_modalities_stay_as_they_are(photo, tmp_path):
    card = Card("other", "normals", revision="n1", defaults=CARD.defaults)
    both = [Predictor(identity_estimator()), Predictor(identity_estimator(card, Normals()))]
    asked = Asked(known=write_table(tmp_path / "known.csv", points()))
    run([photo], tmp_path / "out", asked, "npy,preview", MultiPredictor(both))
    names = {path.name for path in (tmp_path / "out").glob("*.npy")}
    assert {"a_depth_metres.npy", "a_normals.npy"} <= names
    with pytest.raises(ConfigError, match="no depth is predicted"):
        run([photo], tmp_path / "out", asked, "npy", MultiPredictor(both[1:]))


def test_a_bad_point_fails_its_photo_before_it_is_predicted(photo, tmp_path):
    estimator = identity_estimator()
    table = tmp_path / "known.csv"
    table.write_text("3,4,5\n99,4,6\n")
    outcome = run([photo], tmp_path / "out", Asked(known=table), predictors=MultiPredictor([Predictor(estimator)]))
    assert "point 2 at pixel (99, 4) is outside the photo of 24 x 16" in outcome.failures[0]
    assert estimator.backbone.photos == 0


def test_a_metric_map_of_another_source_is_a_reference(photo, tmp_path):
    tifffile.imwrite(
        tmp_path / "lidar.tif", np.where(np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) % 7, 0, metres())
    )
    assert run([photo], tmp_path / "out", Asked(known_depth=tmp_path / "lidar.tif")).done == 1
    assert np.load(tmp_path / "out" / "a_depth_metres.npy") == pytest.approx(metres(), abs=1e-4)


def test_several_photos_take_a_folder(photo, tmp_path):
    other = tmp_path / "b.png"
    other.write_bytes(photo.read_bytes())
    with pytest.raises(ConfigError, match="give a folder"):
        Measuring(Asked(known=write_table(tmp_path / "known.csv", points())), [photo, other])
    folder = tmp_path / "tables"
    folder.mkdir()
    write_table(folder / "a.csv", points())
    write_table(folder / "b.csv", points(depth=points().depth * 3))
    run([photo, other], tmp_path / "out", Asked(known=folder))
    assert np.load(tmp_path / "out" / "b_depth_metres.npy") == pytest.approx(3 * metres(), abs=1e-4)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"known": "a", "colmap": "b"}, "--known and --colmap are both given"),
        ({"unit": 2.0}, "counts with --colmap alone"),
        ({"known_depth": "a", "known_scale": 0.0}, "give a number above 0"),
    ],
)
def test_what_does_not_go_together_is_refused(asked, words):
    with pytest.raises(ConfigError, match=words):
        Asked(**asked)
