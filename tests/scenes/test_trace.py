"""Choosing the solids that a group of rays can reach never changes what the rays hit."""

import pytest
import torch

from marigold_scenes import culling, gbuffer, scene, trace
from marigold_scenes.culling import Boxes
from marigold_scenes.shapes import MISS
from marigold_scenes.tiles import Raster, from_tiles, to_tiles
from marigold_scenes.trace import Rays

SIZE = 64


@pytest.fixture(params=["room", "street", "landscape"])
def scenes(request):
    return scene.build(8, [0, 1], (request.param,))


def groups(scenes):
    """Camera rays of both scenes in tiles, and every solid wanted."""
    directions = to_tiles(gbuffer.camera_rays(scenes, Raster(SIZE, SIZE)))
    owner = torch.arange(2).repeat_interleave(len(directions) // 2)
    everything = torch.ones(len(directions), scenes.material.shape[1], dtype=torch.bool)
    return Rays(owner, scenes.eye[owner].unsqueeze(-1), directions), everything


def bounds(points):
    """The box around each group of points [T, 3, P]."""
    low, high = points.amin(-1), points.amax(-1)
    return Boxes((low + high) / 2, (high - low) / 2)


def reached(scenes, rays, wanted):
    return trace.cast(trace.tables(scenes.solids), rays, wanted)[0]


def test_camera_rays(scenes):
    rays, everything = groups(scenes)
    seen = culling.seen(scenes, Raster(SIZE, SIZE)).flatten(0, 1)
    assert seen.float().mean() < 0.5
    few, all_ = (reached(scenes, rays, wanted) for wanted in (seen, everything))
    torch.testing.assert_close(few, all_, rtol=1e-4, atol=1e-4)


def test_shadow_rays(scenes):
    camera, everything = groups(scenes)
    generator = torch.Generator().manual_seed(0)
    middle = camera.origin + 5 * camera.direction.mean(-1, keepdim=True)
    start = middle + 0.5 * torch.rand(len(middle), 3, 256, generator=generator)
    end = scenes.eye[camera.owner] + 20 * torch.rand(len(middle), 3, generator=generator)
    direction = end.unsqueeze(-1) + 0.2 * torch.rand(len(middle), 3, 256, generator=generator) - start
    rays = Rays(camera.owner, start, direction)
    wanted = culling.swept(trace.tables(scenes.solids), bounds(start), Boxes(end + 0.1, torch.full_like(end, 0.1)))
    few, all_ = (reached(scenes, rays, which).clamp_max(1) for which in (wanted, everything))
    torch.testing.assert_close(few, all_, rtol=1e-3, atol=1e-3)


def test_short_rays(scenes):
    camera, everything = groups(scenes)
    generator = torch.Generator().manual_seed(1)
    start = (camera.origin + 4 * camera.direction).contiguous()
    direction = torch.nn.functional.normalize(torch.randn(start.shape, generator=generator), dim=1)
    around = bounds(start)
    wanted = culling.around(trace.tables(scenes.solids), Boxes(around.centre, around.half + 1.5))
    rays = Rays(camera.owner, start, direction)
    few, all_ = (reached(scenes, rays, which).clamp_max(1.5) for which in (wanted, everything))
    torch.testing.assert_close(few, all_, rtol=1e-3, atol=1e-3)


def test_tiles_go_there_and_back():
    image = torch.rand(2, 3, 32, 48)
    for side in (8, 16):
        assert torch.equal(from_tiles(to_tiles(image, side), 32, 48, side), image)


def test_a_scene_without_solids_is_all_misses():
    solids = trace.Solids((0, 0, 0, 0, 0), torch.zeros(1, 0, 3, 4), torch.ones(1, 0, 3), torch.zeros(1, 0, 32))
    rays = Rays(torch.zeros(1, dtype=torch.int64), torch.zeros(1, 3, 1), torch.ones(1, 3, 4))
    t, _ = trace.cast(trace.tables(solids), rays, torch.zeros(1, 0, dtype=torch.bool))
    assert (t == MISS).all()
