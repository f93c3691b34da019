"""Several predictors as one: which are chosen, and that they give what each gives alone from one encoding."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import PIL.Image
import pytest
import torch

from marigold import checkpoint
from marigold.checkpoints.card import Card
from marigold.core.errors import CheckpointError, ConfigError, MarigoldError, UnknownNameError
from marigold.modalities.depth import Depth
from marigold.modalities.image import Image
from marigold.modalities.normals import Normals
from marigold.predict import together as module
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor, available, choose, load_together
from toys.identity import identity_estimator

PHOTO = np.random.default_rng(0).random((37, 53, 3), dtype=np.float32)


def estimators(**of_normals):
    depth = identity_estimator(leak=0.1)
    return depth, identity_estimator(card=Card("other", "normals", defaults=depth.card.defaults), **of_normals)


def both(**of_normals):
    return MultiPredictor([Predictor(one) for one in estimators(modality=Normals(), leak=0.1, **of_normals)])


def encoded(together):
    """How many pictures the autoencoders have seen."""
    return sum(one.estimator.backbone.photos for one in together.predictors.values())


def test_a_photo_is_encoded_once_where_the_autoencoder_is_the_same():
    together = both()
    before = encoded(together)
    predictions = together.predict(PHOTO, Request(ensemble=3))
    assert list(predictions) == ["depth", "normals"] and encoded(together) - before == 1


def test_every_view_of_a_photo_is_encoded_once():
    together = both()
    before = encoded(together)
    together.predict(PHOTO, Request(ensemble=8, tta="flip-scale"))
    assert encoded(together) - before == 4


def test_maps_are_those_that_each_predictor_gives_alone():
    for made, estimator in zip(both().predict(PHOTO).values(), estimators(modality=Normals(), leak=0.1), strict=True):
        alone = Predictor(estimator).predict(PHOTO)
        for name, values in alone.maps.items():
            np.testing.assert_array_equal(made.maps[name], values)


def test_other_weights_encode_for_themselves():
    depth, normals = estimators(modality=Normals())
    normals.backbone.scale.data.fill_(0.5)
    together = MultiPredictor([Predictor(depth), Predictor(normals)])
    before = encoded(together)
    together.predict(PHOTO)
    assert encoded(together) - before == 2


def test_another_working_size_is_encoded_for_itself():
    depth, normals = estimators(modality=Normals())
    normals.card = Card("other", "normals", defaults={"steps": 1, "ensemble": 1, "resolution": 24})
    together = MultiPredictor([Predictor(depth), Predictor(normals)])
    before = encoded(together)
    predictions = together.predict(PHOTO)
    assert encoded(together) - before == 2
    assert predictions["normals"].report["working_size"]["width"] == 24


def test_the_next_photo_is_encoded_anew():
    together = both()
    first = together.predict(PHOTO)["depth"].maps["depth"]
    assert np.abs(together.predict(1 - PHOTO)["depth"].maps["depth"] - first).max() > 0.1


def test_a_second_attempt_in_full_precision_is_encoded_in_full_precision():
    together = both()
    depth, normals = (one.estimator for one in together.predictors.values())
    normals.backbone.to(torch.float64)
    predictions = together.predict(PHOTO)
    assert predictions["normals"].maps["normals"].shape == (37, 53, 3)
    assert depth.backbone.photos + normals.backbone.photos == 2 + 2  # each has seen the probe and the photo


def test_predictions_are_called_after_the_file(tmp_path):
    PIL.Image.fromarray((PHOTO * 255).astype(np.uint8)).save(tmp_path / "view.png")
    assert {made.name for made in both().predict(tmp_path / "view.png").values()} == {"view"}
    assert {made.name for made in both().predict(PHOTO).values()} == {"photo"}


def test_two_checkpoints_of_one_modality_are_refused():
    with pytest.raises(ConfigError, match="`identity` and `identity` both predict depth; name one"):
        MultiPredictor([Predictor(identity_estimator()), Predictor(identity_estimator())])


@pytest.fixture
def shelf(monkeypatch):
    """Checkpoints by name: two bundled ones, a depth of one's own, and one of another modality."""
    cards = {"depth": Depth(), "normals": Normals(), "mine": Depth(), "folder=x": Normals(), "generator": Image()}
    loaded, revisions = [], {}

    def describe(name, *, trust=(), dtype=None, autoencoder=None):
        return checkpoint.Description(Path(name), Card(name, "depth", revision=revisions.get(name, "r1")), cards[name])

    def load(folder, **how):
        found = describe(str(folder))
        loaded.append(found.card.name)
        return Predictor(identity_estimator(card=found.card, modality=found.modality))

    monkeypatch.setattr(module, "describe", describe)
    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr(module, "bundled", lambda: ["depth", "generator", "normals"])
    return SimpleNamespace(loaded=loaded, revisions=revisions)


def chosen(modalities, names=None):
    together = load_together(modalities, checkpoint=names)
    return {modality: one.estimator.card.name for modality, one in together.predictors.items()}


@pytest.mark.usefixtures("shelf")
def test_all_is_every_modality_with_a_bundled_checkpoint():
    assert available() == ["depth", "normals"]
    assert chosen("all") == {"depth": "depth", "normals": "normals"}


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("names", ["mine", "depth=mine", "mine,normals", " normals=normals , depth=mine "])
def test_a_named_checkpoint_replaces_the_bundled_one(names):
    assert chosen("all", names) == {"depth": "mine", "normals": "normals"}


def test_what_is_chosen_is_loaded_once_and_when_it_is_needed(shelf):
    chosen_ones = choose("all", device="cpu", precision="fp32")
    provenances = chosen_ones.provenance()
    assert shelf.loaded == []
    assert chosen_ones.loaded() is chosen_ones.loaded() and shelf.loaded == ["depth", "normals"]
    assert chosen_ones.loaded().provenance() == provenances


def test_weights_without_a_revision_are_loaded_to_be_told_apart(shelf):
    shelf.revisions["normals"] = ""
    revisions = [provenance.card.revision for provenance in choose("all", device="cpu").provenance().values()]
    assert shelf.loaded == ["depth", "normals"] and revisions[0] == "r1" and len(revisions[1]) == 12


@pytest.mark.parametrize(
    ("modalities", "names"), [("normals", "mine"), ("depth", "mine,depth"), ("depth,lighting", None), ("dpeth", None)]
)
def test_nothing_is_loaded_for_what_is_refused(shelf, modalities, names):
    with pytest.raises(MarigoldError):
        choose(modalities, checkpoint=names)
    assert shelf.loaded == []


@pytest.mark.usefixtures("shelf")
def test_modalities_may_be_listed_and_keep_their_order():
    assert list(chosen("normals, depth")) == ["normals", "depth"]
    assert chosen("depth", "mine") == {"depth": "mine"}


@pytest.mark.usefixtures("shelf")
def test_a_folder_whose_name_looks_like_a_pair_is_itself(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder=x").mkdir()
    assert chosen("normals", "folder=x") == {"normals": "folder=x"}


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(
    ("modalities", "names", "message"),
    [
        ("normals", "mine", "checkpoint `mine` predicts depth, not normals; run `marigold predict depth`"),
        ("depth", "generator", "checkpoint `generator` predicts image, not depth; choose another checkpoint"),
        ("depth,normals", "normals=mine", "`mine` predicts depth, not normals"),
        ("all", "normals=mine", "`mine` predicts depth, not normals"),
        ("depth,lighting", None, "no checkpoint for lighting is bundled; name one with --checkpoint"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(modalities, names, message):
    with pytest.raises(CheckpointError, match=message):
        load_together(modalities, checkpoint=names)


@pytest.mark.usefixtures("shelf")
def test_a_pair_whose_modality_is_not_asked_for_is_refused():
    with pytest.raises(ConfigError, match="normals is not asked for; leave `normals=normals` out or predict depth"):
        load_together("depth", checkpoint="normals=normals")


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("modalities", ["", ",", "al"])
def test_a_modality_that_is_none_is_unknown(modalities):
    with pytest.raises(UnknownNameError, match="no modality named"):
        load_together(modalities)


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize(("modalities", "names"), [("dpeth,normals", None), ("all", "dpeth=mine")])
def test_an_unknown_modality_names_the_nearest(modalities, names):
    with pytest.raises(UnknownNameError, match="no modality named `dpeth`; did you mean `depth`"):
        load_together(modalities, checkpoint=names)


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("modalities", ["all,depth", "depth,all"])
def test_all_stands_alone(modalities):
    with pytest.raises(UnknownNameError, match="`all` stands alone"):
        load_together(modalities)


@pytest.mark.usefixtures("shelf")
def test_what_no_photo_is_analysed_into_is_not_offered():
    with pytest.raises(UnknownNameError, match=r"there are: appearance, depth, lighting, normals$"):
        load_together("xyz")
    with pytest.raises(UnknownNameError, match="`image` is what generators output; choose"):
        load_together("image")


def test_bundled_modalities_are_found_by_their_own_name():
    assert "depth" in available() and set(available()) <= set(checkpoint.bundled())
