"""Choosing the solids that a group of rays can reach never changes what the rays hit."""

import pytest
import torch

from marigold_scenes import gbuffer, scene, trace

SIZE = 64


@pytest.fixture(params=["room", "street", "landscape"])
def scenes(request):
    return scene.build(8, [0, 1], (request.param,))


def groups(scenes):
    """Camera rays of both scenes in tiles: owner, origin, direction, and every solid wanted."""
    focal = 0.5 * SIZE / scenes.tangent
    rays = trace.to_tiles(gbuffer.camera_rays(scenes, focal, SIZE, SIZE, SIZE, SIZE))
    owner = torch.arange(2).repeat_interleave(len(rays) // 2)
    everything = torch.ones(len(rays), scenes.material.shape[1], dtype=torch.bool)
    return owner, scenes.eye[owner].unsqueeze(-1), rays, everything, focal


def test_camera_rays(scenes):
    table = trace.tables(scenes.solids)
    owner, eye, rays, everything, focal = groups(scenes)
    seen = trace.seen(scenes.solids, scenes.eye, scenes.turn, focal, SIZE, SIZE, SIZE, SIZE).flatten(0, 1)
    assert seen.float().mean() < 0.5
    few, all_ = (trace.cast(table, owner, eye, rays, wanted)[0] for wanted in (seen, everything))
    torch.testing.assert_close(few, all_, rtol=1e-4, atol=1e-4)


def test_shadow_rays(scenes):
    table = trace.tables(scenes.solids)
    owner, eye, rays, everything, _ = groups(scenes)
    generator = torch.Generator().manual_seed(0)
    middle = eye + 5 * rays.mean(-1, keepdim=True)
    start = middle + 0.5 * torch.rand(len(rays), 3, 256, generator=generator)
    end = scenes.eye[owner] + 20 * torch.rand(len(rays), 3, generator=generator)
    direction = end.unsqueeze(-1) + 0.2 * torch.rand(len(rays), 3, 256, generator=generator) - start
    low, high = start.amin(-1), start.amax(-1)
    boxes = ((low + high) / 2, (high - low) / 2, end + 0.1, torch.full_like(end, 0.1))
    wanted = trace.swept(table, *(x.view(2, -1, 3) for x in boxes)).flatten(0, 1)
    few, all_ = (trace.cast(table, owner, start, direction, which)[0].clamp_max(1) for which in (wanted, everything))
    torch.testing.assert_close(few, all_, rtol=1e-3, atol=1e-3)


def test_short_rays(scenes):
    table = trace.tables(scenes.solids)
    owner, eye, rays, everything, _ = groups(scenes)
    generator = torch.Generator().manual_seed(1)
    start = (eye + 4 * rays).contiguous()
    direction = torch.nn.functional.normalize(torch.randn(len(rays), 3, 256, generator=generator), dim=1)
    low, high = start.amin(-1), start.amax(-1)
    boxes = (low + high) / 2, (high - low) / 2 + 1.5
    wanted = trace.around(table, *(x.view(2, -1, 3) for x in boxes)).flatten(0, 1)
    few, all_ = (trace.cast(table, owner, start, direction, which)[0].clamp_max(1.5) for which in (wanted, everything))
    torch.testing.assert_close(few, all_, rtol=1e-3, atol=1e-3)


def test_tiles_go_there_and_back():
    image = torch.rand(2, 3, 32, 48)
    for side in (8, 16):
        assert torch.equal(trace.from_tiles(trace.to_tiles(image, side), 32, 48, side), image)


def test_a_scene_without_solids_is_all_misses():
    solids = trace.Solids((0, 0, 0, 0, 0), torch.zeros(1, 0, 3, 4), torch.ones(1, 0, 3), torch.zeros(1, 0, 32))
    t, _ = trace.cast(
        trace.tables(solids), torch.zeros(1, dtype=torch.int64), torch.zeros(1, 3, 1), torch.ones(1, 3, 4),
        torch.zeros(1, 0, dtype=torch.bool),
    )  # fmt: skip
    assert (t == trace.MISS).all()
