"""What counts as complete: the same photo, weights, settings and formats, and every file there."""

import hashlib
import json
from dataclasses import replace

import pytest
import torch

from marigold.checkpoints.calibration import Calibration, Spread
from marigold.checkpoints.card import Card
from marigold.core.errors import ImageError
from marigold.export.base import Options, chosen
from marigold.folders.complete import is_complete, photo_hash, sources
from marigold.modalities.depth import Depth
from marigold.predict.predictor import Predictor
from marigold.predict.provenance import Provenance, weights_hash
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor
from toys.identity import identity_estimator

MADE_FROM = {"photo": "abc", "settings": {"steps": 4}, "formats": {"npy": {}}}


@pytest.fixture
def report(tmp_path):
    (tmp_path / "a.npy").touch()
    path = tmp_path / "a_depth.json"
    path.write_text(json.dumps({"made_from": MADE_FROM, "files": ["a.npy", "a_depth.json"]}))
    return path


def test_a_report_of_the_same_making_whose_files_are_there_is_complete(report):
    assert is_complete(report, MADE_FROM)


@pytest.mark.parametrize("key", list(MADE_FROM))
def test_a_result_made_from_anything_else_is_not_complete(report, key):
    assert not is_complete(report, {**MADE_FROM, key: "other"})


def test_a_missing_file_is_not_complete(report):
    (report.parent / "a.npy").unlink()
    assert not is_complete(report, MADE_FROM)


@pytest.mark.parametrize("content", [None, "", "{", "[]", "{}", '{"made_from": {}}', "\xff"])
def test_a_report_that_says_nothing_of_this_is_not_complete(report, content):
    if content is None:
        report.unlink()
    else:
        report.write_bytes(content.encode("latin-1"))
    assert not is_complete(report, MADE_FROM)


def test_a_photo_is_known_by_its_content(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(b"pixels")
    assert photo_hash(tmp_path / "a.jpg") == photo_hash(tmp_path / "b.jpg") == hashlib.sha256(b"pixels").hexdigest()


def test_a_missing_photo_is_an_image_error(tmp_path):
    with pytest.raises(ImageError, match=r"a.jpg: no such file; check the path"):
        photo_hash(tmp_path / "a.jpg")


def made_from(request=Request(), formats="npy,preview", options=Options(), **estimator):  # noqa: B008
    return sources(provenance(identity_estimator(**estimator)), request, chosen(formats, options))


def provenance(estimator):
    return MultiPredictor([Predictor(estimator)]).provenance()["depth"]


@pytest.mark.parametrize(
    "other",
    [
        {"request": Request(seed=1)},
        {"request": Request(steps=2)},
        {"request": Request(resolution=64)},
        {"request": Request(compat="diffusers")},
        {"formats": "npy"},
        {"options": Options(colormap="magma")},
        {"card": Card("identity", "depth", revision="r2", defaults={"steps": 1, "resolution": 0, "ensemble": 1})},
    ],
    ids=str,
)
def test_whatever_changes_a_result_changes_what_it_is_made_from(other):
    assert made_from(**other) != made_from()


@pytest.mark.parametrize(
    "same",
    [
        {"request": Request(steps=1)},  # as the card says
        {"formats": "preview,npy"},
        {"options": Options(fov=80)},  # of formats that are not asked for
        {"formats": "npy,preview,normal_map"},  # which holds nothing of depth
    ],
    ids=str,
)
def test_whatever_does_not_change_a_result_does_not(same):
    assert made_from(**same) == made_from()


def test_a_checkpoint_without_a_revision_is_known_by_its_weights():
    card = Card("nameless", "depth", defaults={"steps": 1})
    one, same, other = (identity_estimator(card=card) for _ in range(3))
    other.backbone.scale.data.fill_(2)
    assert weights_hash(one) == weights_hash(same) != weights_hash(other)
    assert sources(provenance(one), Request(), [])["checkpoint"] == {"name": "nameless", "revision": weights_hash(same)}


def test_weights_of_every_number_type_have_a_hash():
    hashes = {weights_hash(torch.nn.Linear(3, 2).to(dtype)) for dtype in (torch.float32, torch.bfloat16, torch.float16)}
    assert len(hashes) == 3


def test_intervals_depend_on_level_and_calibration_and_maps_do_not():
    one = Calibration(1, 4, 0, "longest", "none", 60, "toys", (0.5, 0.9), {"depth": Spread(2.0, 0.05, (0.5, 1.5))})

    def made_from(calibration, interval):
        card = Card("a", "depth", calibration=(calibration,))
        return sources(Provenance(card, Depth(), torch.float32), Request(ensemble=4, interval=interval), [])

    other = replace(one, images=80)
    assert made_from(one, None) == made_from(other, None)
    assert "interval" not in made_from(one, None)["settings"]
    assert made_from(one, 0.9) == made_from(one, 0.9)
    assert made_from(one, 0.9) != made_from(other, 0.9)
    assert made_from(one, 0.9) != made_from(one, 0.5)
