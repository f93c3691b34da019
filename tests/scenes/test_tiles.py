"""Pictures become tiles in reading order, and rasters are padded to whole tiles."""

import pytest
import torch

from marigold_scenes.tiles import TILE, Raster, from_tiles, to_tiles


@pytest.mark.parametrize(("side", "padded"), [(1, 16), (16, 16), (17, 32), (100, 112)])
def test_sides_are_padded_to_whole_tiles(side, padded):
    raster = Raster(side, 3 * TILE)
    assert (raster.high, raster.wide) == (padded, 3 * TILE)


def test_the_focal_length_is_half_the_width_over_the_tangent():
    focal = Raster(10, 64).focal(torch.tensor([1.0, 0.5]))
    assert focal.tolist() == [32.0, 64.0]


def test_tiles_go_there_and_back():
    image = torch.rand(2, 3, 32, 48)
    for side in (8, 16):
        assert torch.equal(from_tiles(to_tiles(image, side), 32, 48, side), image)


def test_tiles_and_the_pixels_in_them_are_in_reading_order():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert to_tiles(image, 2).tolist() == [[[0, 1, 4, 5]], [[2, 3, 6, 7]], [[8, 9, 12, 13]], [[10, 11, 14, 15]]]


def test_the_scenes_of_a_batch_follow_each_other():
    image = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1).expand(2, 1, 4, 6)
    assert to_tiles(image, 2)[:, 0, 0].tolist() == [1.0] * 6 + [2.0] * 6
