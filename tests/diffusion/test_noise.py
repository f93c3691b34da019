"""Noise has the statistics that its definition states."""

import math

import pytest
import torch

from marigold.core.seeds import stream
from marigold.diffusion.noise import _ratio_stream as ratio_stream
from marigold.diffusion.noise import annealed, gaussian, multi_resolution

SHAPE = (8, 4, 48, 64)


def neighbours(noise: torch.Tensor) -> torch.Tensor:
    """The correlation of each sample's horizontal neighbours, [B]."""
    left, right = noise[..., :-1], noise[..., 1:]
    return (left * right).mean(dim=(1, 2, 3)) / noise.square().mean(dim=(1, 2, 3))


def test_gaussian_noise_is_white_with_unit_variance():
    noise = gaussian(SHAPE, stream(0, "noise"))
    error = 1 / math.sqrt(noise.numel())
    assert abs(noise.mean().item()) < 4 * error
    assert noise.var().item() == pytest.approx(1, abs=4 * math.sqrt(2) * error)
    assert abs(neighbours(noise).mean().item()) < 4 * error


def test_gaussian_noise_depends_on_its_stream_alone():
    one, two = (gaussian((1, 4, 6, 8), stream(0, "noise", 3)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, gaussian((1, 4, 6, 8), stream(0, "noise", 4)))


def test_gaussian_noise_is_the_same_numbers_in_every_type():
    full, half = (gaussian((1, 4, 6, 8), stream(0), dtype=kind) for kind in (torch.float32, torch.bfloat16))
    assert torch.equal(full.bfloat16(), half)


def test_every_sample_of_multi_resolution_noise_has_unit_deviation():
    noise = multi_resolution(SHAPE, stream(0))
    torch.testing.assert_close(noise.std(dim=(1, 2, 3)), torch.ones(8))


def test_without_strength_multi_resolution_noise_is_white():
    noise = multi_resolution(SHAPE, stream(0), strength=0.0)
    assert neighbours(noise).abs().max() < 4 / math.sqrt(noise[0].numel())


def test_strength_adds_neighbour_correlation():
    weak, strong = (neighbours(multi_resolution(SHAPE, stream(0), strength=k)).mean() for k in (0.3, 0.9))
    assert 0.02 < weak < strong - 0.1


def test_two_full_resolution_levels_leave_half_the_power_uncorrelated():
    # At strength 1 a picture of 2 x 2 has the full level twice and then single values: variance 2 white, 1 constant.
    noise = multi_resolution((20000, 1, 2, 2), stream(0), strength=1.0)
    one, other = noise[:, 0, 0, 0], noise[:, 0, 1, 1]
    spread = (one - other).square().mean() / 2
    # Dividing by the sample's own deviation removes the constant: the white part alone has unit variance.
    assert spread.item() == pytest.approx(1, abs=0.03)


def test_a_sample_does_not_depend_on_how_strong_its_neighbours_are():
    strengths = torch.tensor([0.9, 0.1]).view(-1, 1, 1, 1)
    mixed = multi_resolution((2, 4, 16, 16), stream(0), strengths)
    alike = multi_resolution((2, 4, 16, 16), stream(0), 0.9)
    torch.testing.assert_close(mixed[0], alike[0])
    assert not torch.allclose(mixed[1], alike[1])


def test_annealed_noise_is_white_at_the_clean_end_and_coarse_at_the_noisy_end():
    times = torch.tensor([0, 0, 0, 0, 999, 999, 999, 999])
    correlation = neighbours(annealed(SHAPE, times, 1000, stream(0)))
    assert correlation[:4].abs().max() < 4 / math.sqrt(4 * 48 * 64)
    assert correlation[4:].mean() > 0.2


def test_annealed_noise_is_multi_resolution_noise_of_proportional_strength():
    times = torch.tensor([250, 500])
    expected = multi_resolution((2, 4, 16, 16), stream(0), torch.tensor([0.225, 0.45]).view(-1, 1, 1, 1))
    torch.testing.assert_close(annealed((2, 4, 16, 16), times, 1000, stream(0)), expected)


def test_multi_resolution_noise_of_a_single_cell_per_side_ends():
    assert multi_resolution((1, 4, 1, 9), stream(0)).isfinite().all()


def by_the_book(shape: tuple[int, ...], generator: torch.Generator, strength: float) -> torch.Tensor:
    """Multi-resolution noise as published, undivided: the white noise, then each level's factor and values."""
    height, width = shape[-2:]
    total = torch.randn(shape, generator=generator)
    for level in range(10):
        factor = (torch.rand(1, generator=generator) * 2 + 2).item()
        height, width = max(1, int(height / factor**level)), max(1, int(width / factor**level))
        coarse = torch.randn(*shape[:2], height, width, generator=generator)
        resized = torch.nn.functional.interpolate(coarse, shape[-2:], mode="bilinear", align_corners=False)
        total += strength**level * resized
        if 1 in (height, width):
            return total
    return total


@pytest.mark.parametrize("seed", range(4))
def test_numbers_are_drawn_in_the_published_order(seed):
    expected = by_the_book((3, 8, 24, 32), stream(seed), 0.9)
    found = multi_resolution((3, 8, 24, 32), stream(seed), 0.9, unit_variance="batch")
    torch.testing.assert_close(found, expected / expected.std())


@pytest.mark.parametrize("seed", range(4))
def test_as_published_the_batch_as_a_whole_has_unit_deviation(seed):
    times = torch.tensor([0, 999])
    noise = annealed((2, 4, 24, 32), times, 1000, stream(seed), unit_variance="batch")
    assert float(noise.std()) == pytest.approx(1, abs=1e-5)
    # The annealed sample has less variance than the other one before the division, and keeps less.
    assert noise[0].std() < noise[1].std()


def test_a_gpu_draws_its_factors_from_the_cpu_and_others_at_another_place_of_the_stream():
    # What a generator on a GPU says of itself; the factors need no more of it.
    class OnTheGpu:
        device = torch.device("cuda")

        def __init__(self, offset: int) -> None:
            self.offset = offset

        def initial_seed(self) -> int:
            return 7

        def get_offset(self) -> int:
            return self.offset

    first, again, later = (ratio_stream(OnTheGpu(offset)) for offset in (0, 0, 4))  # type: ignore[arg-type]
    assert first.device.type == "cpu"
    assert first.initial_seed() == again.initial_seed() != later.initial_seed()
