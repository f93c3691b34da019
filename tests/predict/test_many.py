"""Several photos in one call: batches of one working size, in which no photo depends on what the others show."""

import numpy as np
import pytest
import torch

from marigold.accel.plan import Plan
from marigold.checkpoints.card import Card
from marigold.core.errors import CheckpointError, ConfigError, DeviceMemoryError
from marigold.core.images import to_photo
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from marigold.predict import estimate
from marigold.predict.grouping import Group, joint, parts
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor
from toys.identity import identity_estimator
from toys.peers import peers

WIDE, TALL = (32, 48), (48, 32)


def photos(count, size=WIDE, seed=0):
    return list(np.random.default_rng(seed).random((count, *size, 3), dtype=np.float32))


def counted(predictor, most=10**9):
    """The sizes of the batches that the predictor samples, as they come; memory holds no more than `most`."""
    sample, batches = predictor.estimator.sample, []

    def sampled(condition, noise, sampling, **options):
        batches.append(len(noise))
        if len(noise) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return sample(condition, noise, sampling, **options)

    predictor.estimator.sample = sampled
    return batches


def depths(predictions):
    return [prediction.maps["depth"] for prediction in predictions]


@pytest.mark.parametrize("settings", [{}, {"ensemble": 3}, {"ensemble": 5, "tta": "flip-scale"}])
def test_photos_of_a_batch_have_the_maps_that_each_has_alone(settings):
    given = [*photos(2), *photos(2, TALL), *photos(1, (64, 96))]
    request = Request(resolution=48, **settings)
    together = Predictor(identity_estimator(leak=0.1)).predict_many(given, request, batch=8)
    for found, one in zip(together, given, strict=True):
        alone = Predictor(identity_estimator(leak=0.1)).predict(one, resolution=48, **settings)
        np.testing.assert_allclose(found.maps["depth"], alone.maps["depth"], atol=1e-6)
        assert (found.uncertainty is None) == (alone.uncertainty is None)
        assert found.report["photo_size"] == alone.report["photo_size"]


def test_values_do_not_depend_on_what_else_is_in_the_batch():
    predictor, _ = peers("depth")
    request = Request(resolution=0, steps=2)
    mine, *others = photos(3)
    first = depths(predictor.predict_many([others[0], mine, others[1]], request, batch=3))[1]
    for other in (np.zeros((*WIDE, 3), np.float32), np.ones((*WIDE, 3), np.float32)):
        np.testing.assert_array_equal(depths(predictor.predict_many([other, mine, other], request, batch=3))[1], first)


def test_values_depend_on_the_number_in_a_batch_by_rounding_alone():
    predictor, _ = peers("depth")
    given = photos(4)
    one_by_one = depths(predictor.predict_many(given, Request(resolution=0, steps=2), batch=1))
    for count in (2, 3, 4):
        together = depths(predictor.predict_many(given, Request(resolution=0, steps=2), batch=count))
        np.testing.assert_allclose(together, one_by_one, atol=3e-5)


def test_members_and_photos_of_one_working_size_fill_batches_together():
    predictor = Predictor(identity_estimator())
    batches = counted(predictor)
    predictor.predict_many(photos(4), Request(ensemble=3), batch=6)
    assert batches == [6, 6]
    batches.clear()
    predictor.predict_many([photos(1)[0], *photos(2, TALL)], Request(ensemble=2), batch=8)
    assert batches == [2, 4]
    batches.clear()
    predictor.predict_many(photos(2), Request(ensemble=4, tta="flip-scale"), batch=8)
    assert batches == [4, 4]  # flipped or not at the working size, and a ninth larger


def test_a_plan_fills_batches_by_pixels():
    predictor = Predictor(identity_estimator(), Plan(pixels_at_once=3 * 32 * 48))
    batches = counted(predictor)
    made = predictor.predict_many(photos(7), Request())
    assert batches == [3, 3, 1]
    assert [one.report["plan"]["batch"] for one in made] == [3, 3, 3, 3, 3, 3, 1]


def test_on_the_cpu_photos_run_one_by_one_unless_a_batch_is_asked_for():
    predictor = Predictor(identity_estimator())
    batches = counted(predictor)
    predictor.predict_many(photos(2), Request(ensemble=2))
    assert batches == [1, 1, 1, 1]


def test_a_batch_that_memory_does_not_hold_is_halved_and_the_next_ones_stay_so():
    predictor = Predictor(identity_estimator(leak=0.1))
    batches = counted(predictor, most=3)
    found = predictor.predict_many(photos(8), Request(), batch=8)
    assert batches == [8, 4, 2, 2, 2, 2]
    assert all(
        one.report["notes"]
        == ["cpu had no memory for a batch of 8; took 4", "cpu had no memory for a batch of 4; took 2"]
        and one.report["plan"]["batch"] == 2
        for one in found
    )
    np.testing.assert_allclose(
        depths(found), depths(Predictor(identity_estimator(leak=0.1)).predict_many(photos(8), Request())), atol=1e-6
    )
    batches.clear()
    assert predictor.predict_many(photos(3), Request(), batch=8)[0].report["notes"] == [] and batches == [2, 1]


def test_a_single_photo_that_memory_does_not_hold_is_an_error():
    predictor = Predictor(identity_estimator())
    batches = counted(predictor, most=0)
    with pytest.raises(DeviceMemoryError, match="resolution: 48 x 32 pixels do not fit into cpu; choose less"):
        predictor.predict_many(photos(4), Request(), batch=4)
    assert batches == [4, 2, 1]


def test_a_batch_is_no_larger_than_what_free_memory_holds(monkeypatch):
    predictor = Predictor(identity_estimator())
    needed = predictor.estimator.backbone.working_bytes(*WIDE)
    monkeypatch.setattr(estimate, "free_bytes", lambda device: 3 * needed)  # two, each of half as much again
    batches = counted(predictor)
    assert predictor.predict_many(photos(4), Request(), batch=4)[0].report["notes"] == []
    assert batches == [2, 2]


def overflowing(estimator):
    """In half precision the latent of a photo that is white at its first pixel is infinite."""
    encode = estimator.backbone.encode

    def encoded(image):
        latent = encode(image)
        white = (image[:, :1, :1, :1] == 1) & (latent.dtype != torch.float32)
        return torch.where(white, torch.inf, latent)

    estimator.backbone.encode = encoded
    return estimator


def test_an_overflow_concerns_the_photo_that_it_happened_to():
    given = [0.5 * one for one in photos(3)]
    given[1][0, 0] = 1
    predictor = Predictor(overflowing(identity_estimator()), Plan(dtype=torch.bfloat16))
    found = predictor.predict_many(given, Request(), batch=3)
    assert [one.report["notes"] for one in found] == [[], ["bf16 overflowed; computed in fp32"], []]
    assert [one.report["settings"]["precision"] for one in found] == ["bf16", "fp32", "bf16"]
    np.testing.assert_allclose(found[1].maps["depth"], given[1].mean(axis=2), atol=1e-6)


def test_weights_that_give_no_numbers_are_named():
    estimator = identity_estimator()
    estimator.backbone.scale.data.fill_(torch.nan)
    with pytest.raises(CheckpointError, match="identity: its weights give no numbers"):
        Predictor(estimator).predict_many(photos(2), Request(), batch=2)


def test_several_modalities_encode_each_photo_once():
    card = Card("other", "normals", defaults={"steps": 1, "resolution": 0, "ensemble": 1})
    estimators = identity_estimator(), identity_estimator(card, Normals())
    both = MultiPredictor([Predictor(one) for one in estimators], batch=2)
    backbones = [one.estimator.backbone for one in both.predictors.values()]
    before = sum(backbone.photos for backbone in backbones)
    given = [to_photo(one) for one in (*photos(2), *photos(1, TALL))]
    found = both.predict_many(given, Request())
    assert sum(backbone.photos for backbone in backbones) - before == 3
    for photo, made in zip(given, found, strict=True):
        alone = both.predict(photo, Request())
        assert list(made) == ["depth", "normals"]
        for name, prediction in made.items():
            np.testing.assert_allclose(prediction.maps[name], alone[name].maps[name], atol=1e-6)


def test_a_modality_sees_no_difference_between_a_photo_and_a_batch_of_them():
    class Shapes(Depth):
        def ensemble(self, values, reduction=None):
            seen.append(tuple(values.shape))
            return super().ensemble(values)

    seen = []
    Predictor(identity_estimator(modality=Shapes())).predict_many(photos(3), Request(ensemble=2), batch=6)
    assert seen == [(2, 1, *WIDE)] * 3


@pytest.mark.parametrize("batch", [0, -1, 1025, 1.5, True, "4"])
def test_a_batch_that_is_none_is_refused(batch):
    with pytest.raises(ConfigError, match=r"^batch: "):
        MultiPredictor([Predictor(identity_estimator())], batch)
    with pytest.raises(ConfigError, match=r"^batch: "):
        Predictor(identity_estimator()).predict_many(photos(1), Request(), batch=batch)


def test_photos_are_put_together_by_their_group():
    groups = [Group("a", 2), Group("b", 3), Group("a", 2), Group("a", 2), Group("b", 3)]
    assert parts(groups) == [[0, 2], [1, 4], [3]]
    assert joint([Group("a", 2), Group("b", 3)]) == Group(("a", "b"), 2)


@pytest.mark.parametrize("resolution", [0, 20, 96])
def test_bytes_give_the_map_of_the_floats_that_they_stand_for(resolution):
    levels = np.random.default_rng(0).integers(0, 256, (*WIDE, 3), dtype=np.uint8)
    predictor, _ = peers("depth")
    of_bytes, of_floats = (
        predictor.predict(one, resolution=resolution, steps=1) for one in (levels, levels.astype(np.float32) / 255)
    )
    np.testing.assert_array_equal(of_bytes.maps["depth"], of_floats.maps["depth"])
    np.testing.assert_array_equal(of_bytes.photo, levels)
    np.testing.assert_array_equal(of_floats.photo, levels)
