"""What `bench/ensemble.py` claims, in small: merged members are closer to the truth than other methods bring them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

FILE = Path(__file__).parents[2] / "bench" / "ensemble.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_ensemble", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_ensemble"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("members", [3, 5, 10])
@pytest.mark.parametrize("kind", ["none", "other", "inverted"])
def test_the_error_is_at_most_that_of_diffusers_and_of_the_plain_median(bench, members, kind):
    setting = bench.Setting(members, 0.03, 0 if kind == "none" else 1, kind)
    drawn = [bench.draw(setting, seed, 24, 32) for seed in range(2)]

    def mean_error(merge) -> float:
        return sum(bench.error(merge(given), exact) for given, exact in drawn) / len(drawn)

    def stretched_median(given):
        low, high = given.amin((1, 2), keepdim=True), given.amax((1, 2), keepdim=True)
        return ((given - low) / (high - low)).quantile(0.5, dim=0)

    ours = mean_error(bench.ours)
    assert ours <= mean_error(bench.of_diffusers)
    assert ours <= mean_error(stretched_median)


def test_the_error_is_at_most_that_of_the_published_search(bench):
    setting = bench.Setting(3, 0.03, 1, "inverted")
    given, exact = bench.draw(setting, 0, 24, 32)
    assert bench.error(bench.ours(given), exact) <= bench.error(bench.published(given), exact)


def test_drawn_members_are_affine_in_the_truth_but_for_noise(bench):
    given, exact = bench.draw(bench.Setting(4, 0.0, 0, "none"), 1)
    assert max(bench.error(member, exact) for member in given) < 1e-6
