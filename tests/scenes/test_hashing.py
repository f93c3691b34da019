"""Hashes are uniform, uncorrelated between neighbours, and exactly what wrapping 32-bit integers give."""

import numpy as np
import torch

from marigold_scenes.hashing import byte, hash_bits, hash_unit, lattice_bits, three_bytes, unit

WORD = 0xFFFFFFFF


def mix(word: int) -> int:
    word = ((word ^ word >> 16) * 0x7FEB352D) & WORD
    word = ((word ^ word >> 15) * 0x846CA68B) & WORD
    return word ^ word >> 16


def test_bits_are_those_of_unbounded_integers_cut_to_32_bits():
    pairs = [(0, 0), (1, 2), (123456789, -5), (-1, 2**31 - 1), (-(2**31), 77)]
    first, second = (torch.tensor(column, dtype=torch.int32) for column in zip(*pairs, strict=True))
    expected = [mix((5 * mix((a + 0x9E3779B9) & WORD) + b) & WORD) for a, b in pairs]
    assert [value & WORD for value in hash_bits(first, second).tolist()] == expected


def plane() -> np.ndarray:
    return hash_unit(torch.arange(256)[:, None], torch.arange(256)[None]).numpy()


def test_numbers_are_uniform():
    values = plane()
    assert values.min() >= 0 and values.max() < 1
    assert abs(values.mean() - 0.5) < 4 / np.sqrt(12 * values.size)
    assert abs(values.var() - 1 / 12) < 0.002
    counts = np.histogram(values, 64, (0, 1))[0]
    expected = values.size / 64
    assert ((counts - expected) ** 2 / expected).sum() < 110  # chi square with 63 degrees of freedom, p = 0.0002


def test_neighbours_are_uncorrelated():
    values = plane()
    for a, b in ((values[1:], values[:-1]), (values[:, 1:], values[:, :-1]), (values[1:, 1:], values[:-1, :-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.02


def test_the_bytes_of_lattice_hashes_are_uniform_and_uncorrelated():
    side = torch.arange(-20, 20, dtype=torch.int32)
    bits = lattice_bits(side[:, None, None], side[:, None], side, torch.tensor(3, dtype=torch.int32))
    for which in range(3):
        values = byte(bits, which).numpy()
        assert abs(values.mean() - 0.5) < 0.01
        assert abs(values.var() - 1 / 12) < 0.002
        assert abs(np.corrcoef(values[1:].ravel(), values[:-1].ravel())[0, 1]) < 0.02
    first, second, third = (byte(bits, which).ravel() for which in range(3))
    assert abs(np.corrcoef(torch.stack([first, second, third]))[np.triu_indices(3, 1)]).max() < 0.02


def test_three_bytes_are_the_single_bytes():
    bits = hash_bits(torch.arange(50))
    torch.testing.assert_close(three_bytes(bits), torch.stack([byte(bits, which) for which in range(3)]))


def test_the_upper_half_of_a_long_seed_counts():
    low, high = torch.tensor([5]), torch.tensor([5 + (1 << 40)])
    assert hash_unit(low) != hash_unit(high)


def test_arguments_broadcast_and_their_order_counts():
    rows, columns = torch.arange(3)[:, None], torch.arange(4)
    assert hash_unit(rows, columns).shape == (3, 4)
    assert hash_unit(torch.tensor(1), torch.tensor(2)) != hash_unit(torch.tensor(2), torch.tensor(1))


def test_the_unit_interval_is_half_open():
    ends = unit(torch.tensor([-1, 0, 2**31 - 1], dtype=torch.int32))
    assert ends.tolist() == [1 - 2**-24, 0.0, (2**23 - 1) / 2**24]
