"""Members that see the photo in different ways, around an estimator whose answer is the photo."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError
from marigold.evaluate.runner import painter
from marigold.modalities.depth import Depth
from marigold.modalities.normals import Normals
from marigold.predict.augmentation import VIEWS, View
from marigold.predict.predictor import Predictor
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


def test_no_view_moves_the_map():
    modality = Seeing()
    predictor = Predictor(identity_estimator(modality=modality))
    merged = predictor.predict(SMOOTH, ensemble=4, tta="flip-scale").maps["depth"]
    np.testing.assert_allclose(merged, SMOOTH[..., 0], atol=0.005)
    assert len(modality.members) == 4
    for member in modality.members:
        np.testing.assert_allclose(member[0], SMOOTH[..., 0], atol=0.005)


@pytest.mark.parametrize(("ensemble", "encoded"), [(2, 2), (4, 4), (9, 4)])
def test_every_view_is_encoded_once(ensemble, encoded):
    estimator = identity_estimator()
    Predictor(estimator).predict(SMOOTH, ensemble=ensemble, tta="flip-scale")
    assert estimator.backbone.photos == encoded


def test_one_member_cannot_take_turns():
    message = "tta: flip-scale lets the members of an ensemble take turns; give an ensemble of 2 or more"
    with pytest.raises(ConfigError, match=message):
        Predictor(identity_estimator()).predict(SMOOTH, tta="flip-scale")
    with pytest.raises(ConfigError, match=message):
        painter(identity_estimator(), steps=1, tta="flip-scale")


def test_views_differ_in_side_and_size():
    estimator, seen = identity_estimator(), []
    encode = estimator.backbone.encode
    estimator.backbone.encode = lambda image: (seen.append(image), encode(image))[1]
    report = Predictor(estimator).predict(SMOOTH, ensemble=4, tta="flip-scale").report
    assert report["working_size"] == {"height": HEIGHT, "width": WIDTH}
    plain, mirrored_larger, larger, mirrored = ((image[0, 0] + 1) / 2 for image in seen)
    assert [tuple(image.shape) for image in (plain, mirrored_larger)] == [(36, 48), (40, 52)]  # whole cells of 4
    torch.testing.assert_close(mirrored[:, :WIDTH], plain[:, :WIDTH].flip(-1))
    torch.testing.assert_close(mirrored_larger[:, :50], larger[:, :50].flip(-1))


def test_a_mirrored_direction_changes_its_x():
    values = torch.zeros(1, 3, 2, 3)
    values[0, :, 0, 0] = torch.tensor([0.6, 0.0, 0.8])
    back = View(mirrored=True).back(Normals(), values, 2, 3)
    assert back[0, :, 0, 2].tolist() == pytest.approx([-0.6, 0.0, 0.8])
    assert back.abs().sum() == values.abs().sum()


@pytest.mark.parametrize(("asked", "found"), [(288, 320), (0, 50), (768, 853)])
def test_a_larger_view_works_at_a_multiple_of_the_asked_size(asked, found):
    photo = torch.zeros(3, 20, 45)
    assert View(scale=Fraction(10, 9)).resolution(photo, asked) == found
    assert View().resolution(photo, asked) == asked


def test_all_of_one_view_is_the_plain_photo():
    assert VIEWS["none"] == (View(),) and VIEWS["flip-scale"][0] == View()


def test_the_evaluation_sees_what_a_prediction_sees():
    estimator = identity_estimator(leak=0.1)
    settings = {"steps": 1, "ensemble": 6, "seed": 3, "tta": "flip-scale"}
    photo = torch.from_numpy(SMOOTH).permute(2, 0, 1)
    painted = painter(estimator, **settings)(photo[None])[0]
    predicted = Predictor(estimator).predict(SMOOTH, **settings).maps["depth"]
    np.testing.assert_allclose(painted[0], predicted, atol=1e-6)
    by_hand = painter(estimator, **{**settings, "tta": VIEWS["flip-scale"]})(photo[None])[0]
    torch.testing.assert_close(by_hand, painted, rtol=0, atol=0)


def test_noise_of_one_s_own_is_for_one_view():
    noise = torch.zeros(2, 48, 9, 12)
    predictor = Predictor(identity_estimator())
    predictor.predict(SMOOTH, noise=noise)
    with pytest.raises(ConfigError, match=r"noise: .* work at several sizes; use tta: none"):
        predictor.predict(SMOOTH, noise=noise, tta="flip-scale")


def test_recommended_views_are_seen_unless_noise_is_given():
    estimator = identity_estimator()
    estimator.card = replace(estimator.card, defaults={**estimator.card.defaults, "ensemble": 4, "tta": "flip-scale"})
    predictor = Predictor(estimator)
    assert predictor.predict(SMOOTH).report["settings"]["tta"] == "flip-scale"
    assert predictor.predict(SMOOTH, ensemble=1).report["settings"]["tta"] == "none"
    assert predictor.predict(SMOOTH, noise=torch.zeros(2, 48, 9, 12)).report["settings"]["tta"] == "none"
