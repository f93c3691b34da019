"""Conformal quantiles hold what the theory promises, exactly where it is exact."""

import math

import pytest
import torch

from marigold.core.errors import DataError
from marigold.measure.conformal import expected_error, fitted_spread, hierarchical_quantiles

LEVELS = (0.05, 0.5, 0.8, 0.9)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("count", [1, 9, 10, 37])
def test_with_one_score_an_image_the_quantile_is_an_order_statistic(count):
    scores = torch.rand(count, generator=generator()).double()
    ordered = [*scores.sort().values.tolist(), math.inf]
    # Split conformal prediction: the score of rank ceil(level * (N + 1)).
    expected = [ordered[math.ceil(round(level * (count + 1), 9)) - 1] for level in LEVELS]
    assert hierarchical_quantiles([one[None] for one in scores], LEVELS) == expected


def test_a_level_that_the_number_of_images_cannot_promise_has_no_finite_quantile():
    nine = [torch.tensor([float(number)]) for number in range(9)]
    assert hierarchical_quantiles(nine, (0.9, 0.91, 0.99)) == [8.0, math.inf, math.inf]


def test_images_count_alike_however_many_pixels_they_have():
    many, few = torch.full((1000,), 1.0), torch.tensor([2.0])
    # 1/3 of the weight lies at 1, 1/3 at 2 and 1/3 at infinity.
    assert hierarchical_quantiles([many, few], (0.3, 0.34, 0.66, 0.67)) == [1.0, 2.0, 2.0, math.inf]


def test_the_order_of_images_and_pixels_does_not_matter():
    images = [torch.rand(size, generator=generator(size)) for size in (5, 17, 90)]
    turned = [image.flip(0) for image in reversed(images)]
    assert hierarchical_quantiles(images, LEVELS) == hierarchical_quantiles(turned, LEVELS)


def test_the_coverage_of_another_image_is_what_the_theory_says():
    trials, images = 2000, 9
    scores = torch.rand(trials, images + 1, generator=generator()).double().square()
    held = torch.zeros(len(LEVELS))
    for trial in scores:
        quantiles = torch.tensor(hierarchical_quantiles(list(trial[:images, None]), LEVELS))
        held += trial[images] <= quantiles
    for share, level in zip((held / trials).tolist(), LEVELS, strict=True):
        exact = math.ceil(round(level * (images + 1), 9)) / (images + 1)
        assert abs(share - exact) < 4 * math.sqrt(exact * (1 - exact) / trials)


def test_the_promise_holds_where_the_pixels_of_an_image_are_alike_and_images_are_not():
    trials, images, pixels = 500, 20, 30
    sizes = torch.randn(trials, images + 1, 1, generator=generator()).exp()
    scores = sizes * torch.rand(trials, images + 1, pixels, generator=generator(1))
    held = torch.stack(
        [
            (trial[images] <= torch.tensor(hierarchical_quantiles(list(trial[:images]), LEVELS))[:, None])
            .double()
            .mean(1)
            for trial in scores
        ]
    )
    error = held.std(dim=0) / math.sqrt(trials)
    # Dunn et al. 2023: at least the level, and at most 2 / (N + 1) more.
    low, high = torch.tensor(LEVELS) - 4 * error, torch.tensor(LEVELS) + 2 / (images + 1) + 4 * error
    assert ((held.mean(0) >= low) & (held.mean(0) <= high)).all()


@pytest.mark.parametrize("scores", [[], [torch.zeros(0)], [torch.ones(2), torch.zeros(0)]])
def test_quantiles_of_nothing_are_refused(scores):
    with pytest.raises(DataError, match="no image with a valid pixel; name a split"):
        hierarchical_quantiles(scores, LEVELS)


def test_scale_and_floor_of_laplace_errors_are_found_again():
    deviation = torch.rand(40, 2000, generator=generator()).square() * 0.1
    spread = 3.0 * (deviation + 0.02)
    error = -torch.rand(40, 2000, generator=generator(1)).clamp(min=1e-7).log() * spread
    scale, floor = fitted_spread(list(error), list(deviation))
    assert scale == pytest.approx(3.0, rel=0.1) and floor == pytest.approx(0.02, rel=0.2)
    assert scale * (0.03 + floor) == pytest.approx(0.15, rel=0.02)


def test_the_scale_of_one_floor_is_the_mean_ratio():
    # Without any deviation every floor says the same: the mean error, 0.3, each image counting alike.
    scale, floor = fitted_spread([torch.full((2,), 0.2), torch.full((50,), 0.4)], [torch.zeros(2), torch.zeros(50)])
    assert scale * floor == pytest.approx(0.3)


def test_other_units_of_the_error_are_another_scale_alone():
    deviation = list(torch.rand(5, 100, generator=generator()))
    error = [one * 0.7 for one in torch.rand(5, 100, generator=generator(1))]
    scale, floor = fitted_spread(error, deviation)
    degrees, same = fitted_spread([180 * one for one in error], deviation)
    assert degrees == pytest.approx(180 * scale) and same == floor


def test_predictions_without_error_are_refused():
    with pytest.raises(DataError, match="without error; check that the truth is not their source"):
        fitted_spread([torch.zeros(5)], [torch.rand(5, generator=generator())])


def test_the_expected_error_grows_with_the_deviation_from_a_floor_on():
    spread = expected_error(torch.tensor([0.0, 0.1, 0.3]), scale=2.0, floor=0.1)
    torch.testing.assert_close(spread, torch.tensor([0.2, 0.4, 0.8]))
