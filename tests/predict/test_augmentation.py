"""Test-time augmentation, around an estimator whose answer is the photo."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from marigold.compat.base import rules
from marigold.core.errors import ConfigError
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from marigold.predict.augmentation import TRANSFORMS, Transform
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from toys.identity import identity_estimator

WIDTH, HEIGHT = 45, 36
ACROSS, DOWN = np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT))
SMOOTH = np.repeat((0.3 + 0.4 * ACROSS + 0.2 * DOWN)[..., None], 3, axis=2).astype(np.float32)
"""Rises to the right and down, so that a mirrored or shifted map is far off."""


class Seeing(Depth):
    """Keeps the members that it merges."""

    def ensemble(self, values):
        self.__dict__["members"] = values
        return super().ensemble(values)


def test_no_transform_moves_the_map():
    modality = Seeing()
    predictor = Predictor(identity_estimator(modality=modality))
    merged = predictor.predict(SMOOTH, ensemble=4, tta="flip-scale").maps["depth"]
    np.testing.assert_allclose(merged, SMOOTH[..., 0], atol=0.005)
    assert len(modality.members) == 4
    for member in modality.members:
        np.testing.assert_allclose(member[0], SMOOTH[..., 0], atol=0.005)


@pytest.mark.parametrize(("ensemble", "encoded"), [(2, 2), (4, 4), (9, 4)])
def test_what_a_transform_shows_is_encoded_once(ensemble, encoded):
    estimator = identity_estimator()
    Predictor(estimator).predict(SMOOTH, ensemble=ensemble, tta="flip-scale")
    assert estimator.backbone.photos == encoded


def test_one_member_cannot_take_turns():
    message = "tta: flip-scale lets the members of an ensemble take turns; give an ensemble of 2 or more"
    with pytest.raises(ConfigError, match=message):
        Predictor(identity_estimator()).predict(SMOOTH, tta="flip-scale")


def test_transforms_differ_in_side_and_size():
    estimator, seen = identity_estimator(), []
    encode = estimator.backbone.encode
    estimator.backbone.encode = lambda image: (seen.append(image), encode(image))[1]
    report = Predictor(estimator).predict(SMOOTH, ensemble=4, tta="flip-scale").report
    assert report["working_size"] == {"height": HEIGHT, "width": WIDTH}
    plain, mirrored, mirrored_larger, larger = ((image[0, 0] + 1) / 2 for image in seen)  # by working size
    assert [tuple(image.shape) for image in (plain, mirrored_larger)] == [(36, 48), (40, 52)]  # whole cells of 4
    torch.testing.assert_close(mirrored[:, :WIDTH], plain[:, :WIDTH].flip(-1))
    torch.testing.assert_close(mirrored_larger[:, :50], larger[:, :50].flip(-1))


def test_a_mirrored_direction_changes_its_x():
    values = torch.zeros(1, 3, 2, 3)
    values[0, :, 0, 0] = torch.tensor([0.6, 0.0, 0.8])
    back = Transform(flip=True).backward(Normals(), values, 2, 3)
    assert back[0, :, 0, 2].tolist() == pytest.approx([-0.6, 0.0, 0.8])
    assert back.abs().sum() == values.abs().sum()


@pytest.mark.parametrize(
    ("asked", "sizing", "found"),
    [(288, "longest", (142, 320)), (0, "longest", (22, 50)), (0, "area", (22, 50)), (288, "area", (213, 480))],
)
def test_a_scaled_member_works_at_a_multiple_of_the_asked_size(asked, sizing, found):
    photo, settings = torch.zeros(3, 20, 45), Request(resolution=asked, sizing=sizing).settings({})
    size = Transform(scale=Fraction(10, 9)).working_size(rules("none"), photo, settings, 4)
    assert (size.height, size.width) == found
    plain = Transform().working_size(rules("none"), photo, settings, 4)
    assert plain == rules("none").working_size(20, 45, asked, sizing, 4)


def test_without_augmentation_there_is_the_plain_photo_and_with_it_the_plain_photo_first():
    assert TRANSFORMS["none"] == (Transform(),) and TRANSFORMS["flip-scale"][0] == Transform()


def test_noise_of_one_s_own_is_not_augmented():
    noise = torch.zeros(2, 48, 9, 12)
    predictor = Predictor(identity_estimator())
    predictor.predict(SMOOTH, noise=noise)
    with pytest.raises(ConfigError, match=r"noise: .* work at several sizes; use tta: none"):
        predictor.predict(SMOOTH, noise=noise, tta="flip-scale")


def test_recommended_augmentation_is_done_unless_noise_is_given():
    estimator = identity_estimator()
    estimator.card = replace(estimator.card, defaults={**estimator.card.defaults, "ensemble": 4, "tta": "flip-scale"})
    predictor = Predictor(estimator)
    assert predictor.predict(SMOOTH).report["settings"]["tta"] == "flip-scale"
    assert predictor.predict(SMOOTH, ensemble=1).report["settings"]["tta"] == "none"
    assert predictor.predict(SMOOTH, noise=torch.zeros(2, 48, 9, 12)).report["settings"]["tta"] == "none"
