"""Tiles that cover a canvas, and by how much each counts."""

from itertools import pairwise

import pytest
import torch

from marigold.diffusion.tiles import Fusion, Tile, Tiling

SIZES = [(1, 1), (1, 40), (40, 1), (7, 7), (8, 8), (9, 8), (16, 24), (17, 23), (375, 3), (96, 31), (64, 65)]


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("side", [8, 9])
def test_the_shares_of_all_tiles_sum_to_one_at_every_cell(height, width, side):
    tiling = Tiling(height, width, side)
    total = torch.zeros(height, width)
    for tile, share in zip(tiling.tiles, tiling.shares, strict=True):
        assert (share > 0).all()
        tile.of(total).add_(share)
    torch.testing.assert_close(total, torch.ones(height, width))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_tiles_are_of_one_size_inside_the_canvas_and_overlap_by_half(height, width):
    tiles = Tiling(height, width, 8).tiles
    assert {(tile.height, tile.width) for tile in tiles} == {(min(8, height), min(8, width))}
    for starts, side, length in (
        (sorted({tile.top for tile in tiles}), min(8, height), height),
        (sorted({tile.left for tile in tiles}), min(8, width), width),
    ):
        assert starts[0] == 0
        assert starts[-1] == length - side
        assert all(after - before <= side / 2 for before, after in pairwise(starts))


def test_a_canvas_of_twice_a_tile_has_three_of_them_a_side():
    assert list(Tiling(8, 16, 8).tiles) == [Tile(0, 0, 8, 8), Tile(0, 4, 8, 8), Tile(0, 8, 8, 8)]


def test_one_tile_counts_in_full():
    tiling = Tiling(5, 6, 8)
    assert tiling.tiles == (Tile(0, 0, 5, 6),)
    assert tiling.shares[0].equal(torch.ones(5, 6))
    assert not tiling.borders().any()


def test_shares_fall_to_the_borders_that_tiles_have_with_others():
    # Two tiles of 4 cells on 6: the middles of the first's last two cells are 3/2 and 1/2 from its end, and likewise
    # mirrored for the second: sin^2(67.5 degrees) and sin^2(22.5 degrees), which sum to 1.
    first, second = Tiling(1, 6, 4).tiles
    assert (first.left, second.left) == (0, 2)
    one, other = Tiling(1, 6, 4).shares
    torch.testing.assert_close(one, torch.tensor([[1.0, 1.0, 0.853553, 0.146447]]))
    torch.testing.assert_close(other, torch.tensor([[0.146447, 0.853553, 1.0, 1.0]]))


def test_along_the_canvas_s_own_border_shares_are_those_inside():
    shares = Tiling(8, 16, 8).shares
    for share in shares:
        torch.testing.assert_close(share, share[:1].expand_as(share))


def test_the_cells_beside_the_borders_of_tiles_are_known():
    found = Tiling(1, 6, 4).borders()  # borders before cell 2 and behind cell 3
    assert found.tolist() == [[False, True, True, True, True, False]]


def test_a_function_of_place_is_fused_to_itself():
    tiling = Tiling(13, 21, 8)
    place = torch.stack(torch.meshgrid(torch.arange(13.0), torch.arange(21.0), indexing="ij"))
    fusion = Fusion(tiling, 2, 2, torch.device("cpu"))
    for member, tile in fusion.rows():
        fusion.add(member, tile, (member + 1) * tiling.tiles[tile].of(place))
    torch.testing.assert_close(fusion.canvas, torch.stack([place, 2 * place]))


@pytest.mark.parametrize(("height", "width", "side"), [(64, 96, 8), (72, 72, 36), (100, 130, 36)])
def test_tiles_that_say_different_things_meet_between_their_borders(height, width, side):
    tiling, offsets = Tiling(height, width, side), torch.Generator().manual_seed(0)
    fusion = Fusion(tiling, 1, 1, torch.device("cpu"))
    for member, tile in fusion.rows():
        fusion.add(member, tile, torch.randn(1, 1, 1, generator=offsets).expand(1, side, side))
    steps = fusion.canvas[0, 0].diff(dim=1).square()
    beside = tiling.borders()[:, 1:] & tiling.borders()[:, :-1]
    assert steps[beside].mean() <= steps[~beside].mean()
