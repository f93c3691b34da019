"""Random streams are fair, repeat, and keep to the ranges that they state."""

import numpy as np
import pytest

from marigold_scenes.random_stream import RandomStream


@pytest.fixture(params=["seed", "generator"])
def rng(request):
    if request.param == "seed":
        return RandomStream.of_seed(5)
    return RandomStream.of_generator(np.random.default_rng(5))


def fixed(value: float) -> RandomStream:
    """A stream whose every draw is the same number."""
    return RandomStream(lambda: value, np.random.default_rng(0))


def test_the_same_seed_gives_the_same_stream_and_another_seed_another():
    first, again, other = (RandomStream.of_seed(seed) for seed in (5, 5, 6))
    numbers = [first.random() for _ in range(5)]
    assert numbers == [again.random() for _ in range(5)]
    assert numbers != [other.random() for _ in range(5)]


def test_draws_from_a_generator_are_the_numbers_of_the_generator():
    stream = RandomStream.of_generator(np.random.default_rng(3))
    assert sorted(stream.random() for _ in range(64)) == sorted(np.random.default_rng(3).random(64))


def test_a_uniform_number_lies_between_its_ends(rng):
    numbers = [rng.uniform(-2.0, 6.0) for _ in range(2000)]
    assert -2 <= min(numbers) < -1.9 and 5.9 < max(numbers) < 6
    assert np.mean(numbers) == pytest.approx(2.0, abs=0.2)


def test_the_middle_of_a_log_uniform_range_is_its_geometric_mean():
    assert fixed(0.5).log_uniform(0.01, 100.0) == pytest.approx(1.0)
    assert fixed(0.0).log_uniform(3.0, 7.0) == 3.0


def test_a_normal_number_has_its_deviation_and_ends_at_three_of_them(rng):
    numbers = [rng.normal(2.0) for _ in range(4000)]
    # The sum of three uniform numbers has variance 3 / 12; times twice the deviation gives the deviation.
    assert np.std(numbers) == pytest.approx(2.0, rel=0.05)
    assert np.mean(numbers) == pytest.approx(0.0, abs=0.12)
    assert max(abs(number) for number in numbers) <= 6.0
    assert fixed(0.0).normal(2.0) == -6.0


def test_an_integer_takes_both_ends(rng):
    assert {rng.integer(2, 5) for _ in range(400)} == {2, 3, 4, 5}


def test_a_pick_is_fair(rng):
    picks = [rng.pick("abcd") for _ in range(4000)]
    assert all(880 < picks.count(letter) < 1120 for letter in "abcd")


def test_a_weighted_pick_follows_its_weights(rng):
    heavy = [rng.weighted([(3, True), (1, False)]) for _ in range(4000)]
    assert 0.72 < np.mean(heavy) < 0.78


@pytest.mark.parametrize(("draw", "expected"), [(0.0, "a"), (0.24, "a"), (0.26, "b"), (0.99, "b"), (1.0, "b")])
def test_a_weighted_pick_changes_where_the_weights_add_up(draw, expected):
    assert fixed(draw).weighted([(1, "a"), (3, "b")]) == expected


def test_a_chance_has_its_probability(rng):
    assert np.mean([rng.chance(0.2) for _ in range(4000)]) == pytest.approx(0.2, abs=0.03)
    assert not fixed(0.0).chance(0.0)
