"""Every packaged suite from its data sets' files to a whole result, on miniature trees in their makers' formats."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from marigold.core.find import implementation
from marigold.evaluate import run, suite
from marigold.evaluate.run import Where
from marigold.evaluate.source import of_model
from marigold.modalities.base import Modality
from toys import benchmarks, hypersim, intrinsic_sets, normal_sets, worlds

NORMALS = ("scannet", "nyuv2", "ibims", "diode", "oasis")


def kitti(root: Path) -> None:
    """The Eigen split: a list of two photos, of which one has no depth."""
    benchmarks.kitti(root)
    photo, depth = (
        "2011_09_26/2011_09_26_drive_0001_sync/image_02/data/0000000005.png",
        "2011_09_26_drive_0001_sync/proj_depth/groundtruth/image_02/0000000005.png",
    )
    lines = f"{photo} {depth} 721.5\n{photo.replace('05.png', '06.png')} None 721.5\n"
    (root / "eigen_test_files_with_gt.txt").write_text(lines)


MAKERS: dict[str, Callable[[Path], object]] = {
    "nyuv2": benchmarks.nyuv2,
    "kitti": kitti,
    "eth3d": benchmarks.eth3d,
    "scannet": benchmarks.scannet,
    "diode": benchmarks.diode,
    "ibims": benchmarks.ibims,
    "middlebury": benchmarks.middlebury,
    "booster": benchmarks.booster,
    "sintel": worlds.sintel,
    "interiorverse": lambda root: worlds.interiorverse(root, times=4),
    "hypersim": hypersim.raw,
    "mit": intrinsic_sets.mit,
    "iiw": intrinsic_sets.iiw,
    "maw": intrinsic_sets.maw,
    **{f"{name}_normals": normal_sets.published for name in NORMALS},
    "dsine_eval": lambda root: normal_sets.dsine(root.parent),
}


class Slanted:
    """Depth grows to the right, and what else there is is constant."""

    def predict(self, photo):
        height, width = photo.shape[:2]
        ramp = np.broadcast_to(np.linspace(0, 1, width), (height, width))
        grey = np.full((height, width, 3), 0.5)
        flat = np.full((height, width), 0.25)
        normals = np.broadcast_to(np.array([0.0, 0.0, 1.0]), (height, width, 3))
        maps = {"depth": ramp, "normals": normals, "roughness": flat, "metallicity": flat}
        return {**maps, "albedo": grey, "shading": grey, "residual": 0.1 * grey}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for folder, make in MAKERS.items():
        (root / folder).mkdir(exist_ok=True)
        make(root / folder)
    return root


CASES = [
    *(("depth", "depth"), ("depth-v1-0", "depth"), ("edges", "depth"), ("normals", "normals")),
    *(("appearance", "appearance"), ("lighting", "lighting"), ("intrinsic", "lighting"), ("intrinsic", "appearance")),
]


@pytest.mark.parametrize(("name", "modality"), CASES)
def test_every_set_of_a_suite_is_read_scored_and_shown(data, tmp_path, name, modality):
    loaded = suite.load(name)
    source = of_model(Slanted(), implementation(Modality, modality)())
    found = run.run(name, loaded, source, Where(data, tmp_path, count=1, progress=False))
    assert (found.left.missing, found.left.unusable) == ([], [])
    assert [one["set"] for one in found.summary["sets"]] == [one.title for one in loaded.sets]
    for one in found.summary["sets"]:
        assert one["holes"] == [] and one["count"] == 1, one["set"]
        scores = one["scores"]["Slanted"]
        assert scores.keys() == one["metrics"].keys()
        assert set(one["shown"]) <= one["metrics"].keys()
        assert any(score["mean"] is not None for score in scores.values()), one["set"]
    folder = tmp_path / name / "Slanted"
    assert {path.name for path in folder.iterdir()} == {"summary.json", "per_sample.csv", "table.md", "report.html"}


def test_a_miniature_is_no_published_split_and_that_is_said(data, tmp_path):
    found = run.run("depth", suite.load("depth"), of_model(Slanted(), depth()), Where(data, tmp_path, progress=False))
    assert {one["published_count"] for one in found.summary["sets"]} == {654, 652, 454, 800, 771}
    text = (tmp_path / "depth" / "Slanted" / "table.md").read_text(encoding="utf-8")
    assert "654" in text


def depth():
    return implementation(Modality, "depth")()


def test_a_set_that_cannot_be_read_costs_that_set_alone(data, tmp_path):
    (tmp_path / "data").mkdir()
    benchmarks.nyuv2(tmp_path / "data" / "nyuv2")
    (tmp_path / "data" / "eth3d").mkdir()
    source = of_model(Slanted(), depth())
    found = run.run("depth", suite.load("depth"), source, Where(tmp_path / "data", tmp_path, progress=False))
    assert [one["set"] for one in found.summary["sets"]] == ["NYUv2"]
    (line,) = found.left.unusable
    assert line.startswith("ETH3D: ") and len(found.left.missing) == 3


def test_every_data_set_that_a_suite_names_has_a_miniature_here():
    folders = {one.folder for name in suite.names() for one in suite.load(name).sets} - {""}
    assert folders == {*MAKERS}
