"""Guided sampling, by an estimator whose answer is the photo and half of the noise that it starts from."""

import numpy as np
import pytest
import torch

from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import Convention
from marigold.core.errors import ConfigError
from marigold.measure.curve import Curve
from marigold.metric.asked import Asked
from marigold.metric.completion import Completion, Guidance, Target
from marigold.metric.measured import measured
from marigold.metric.points import Points
from marigold.predict.predictor import Predictor
from toys.identity import CARD, identity_estimator

SIZE = 32


def scene():
    """A photo that shows a slope, and its depth, which has a step that the photo does not show."""
    share = np.linspace(0.2, 0.6, SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE)
    depth = 2 + 5 * share + np.where(np.arange(SIZE) >= SIZE // 2, 1.0, 0.0)
    return torch.from_numpy(np.repeat(share[None], 3, 0)), depth


def points(depth, count, wrong=0):
    rng = np.random.default_rng(0)
    rows, columns = np.divmod(rng.permutation(depth.size)[:count], SIZE)
    known = depth[rows, columns].copy()
    known[:wrong] *= 4
    return Points(columns + 0.5, rows + 0.5, known, "points.csv")


def completed(photo, found, **guidance):
    prediction = Predictor(identity_estimator(leak=0.5)).predict(photo)
    completion = Completion(lambda _: identity_estimator(leak=0.5).eval().requires_grad_(False), Guidance(**guidance))
    return measured(prediction, found), completion.completed(prediction, found)


@pytest.mark.parametrize("wrong", [0, 40])
def test_guidance_brings_depth_closer_to_what_the_photo_does_not_show(wrong):
    photo, depth = scene()
    found = points(depth, 400, wrong)
    plain, guided = completed(photo, found, steps=40)
    before, after = (float(np.abs(one.maps["depth"] - depth).mean()) for one in (plain, guided))
    assert after < 0.8 * before  # the network knows no neighbours, so that only cells with points can get better
    rows, columns = found.pixels(depth.shape, depth.shape)
    away = [np.abs(one.maps["depth"] - depth)[rows, columns] for one in (plain, guided)]
    assert np.median(away[1]) < 0.5 * np.median(away[0])
    assert guided.measured == "metric" and guided.report["completion"]["steps"] == 40
    assert guided.report["known_distances"]["outliers"] >= wrong


def test_completion_is_the_same_every_time():
    photo, depth = scene()
    first, second = (completed(photo, points(depth, 30), steps=3)[1].maps["depth"] for _ in range(2))
    assert (first == second).all()


def test_the_loss_is_the_mean_absolute_and_squared_difference_at_the_points():
    # Depth 0 and 1 in two columns; the points are the centre of each and the middle, where it is 0.5.
    grid = torch.tensor([[[[-0.5, 0.0], [0.5, 0.0], [0.0, 0.0]]]])
    target = Target(grid, torch.tensor([0.0, 2.0, 2.0]), 1.0, 0.0, Curve())
    loss = target.loss(torch.tensor([[[[0.0, 1.0]]]]), torch.tensor(2.0), torch.tensor(0.0))
    assert float(loss) == pytest.approx(1 / 3 + 1 / 3)  # 0, 2, 1 against 0, 2, 2


def test_a_checkpoint_of_one_step_is_refused():
    photo, depth = scene()
    card = Card("one", "depth", revision="r1", defaults=CARD.defaults, convention=Convention(timestep=999))
    prediction = Predictor(identity_estimator(leak=0.5)).predict(photo)
    with pytest.raises(ConfigError, match="is not sampled in DDIM steps"):
        Completion(lambda _: identity_estimator(card)).completed(prediction, points(depth, 20))


def test_completion_needs_distances():
    with pytest.raises(ConfigError, match="no distance is known"):
        Asked(complete=True)
