"""Choosing the solids that a group of rays can reach never changes what the rays hit."""

import pytest
import torch

from marigold_scenes import culling, gbuffer, scene, trace
from marigold_scenes.culling import Boxes
from marigold_scenes.shapes import MISS
from marigold_scenes.tiles import Raster, to_tiles
from marigold_scenes.trace import Rays
from scenes.placed import placed

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


def test_a_scene_without_solids_is_all_misses():
    solids = trace.Solids((0, 0, 0, 0, 0), torch.zeros(1, 0, 3, 4), torch.ones(1, 0, 3), torch.zeros(1, 0, 32))
    rays = Rays(torch.zeros(1, dtype=torch.int64), torch.zeros(1, 3, 1), torch.ones(1, 3, 4))
    t, _ = trace.cast(trace.tables(solids), rays, torch.zeros(1, 0, dtype=torch.bool))
    assert (t == MISS).all()


def test_a_box_shows_in_the_tiles_that_it_covers_and_in_no_other():
    # 32 pixels and tangent 1: the near face, 2 m away, spans x from 1.5 / 2 * 16 = 12 pixels right of the middle, and
    # y from -4 to 4 pixels around it: the right half of the picture, in both rows of tiles.
    scenes = placed(("box", (2.0, 0.0, -2.5), (1.0, 1.0, 1.0)), tangent=1.0)
    seen = culling.seen(scenes, Raster(32, 32))[0, :, 0]
    assert seen.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    ("centre", "expected"), [((0.0, 0.0, 5.0), False), ((0.0, 0.0, 0.0), True)], ids=["behind", "around"]
)
def test_a_box_behind_the_camera_shows_nowhere_and_one_around_it_everywhere(centre, expected):
    scenes = placed(("box", centre, (1.0, 1.0, 1.0)), tangent=1.0)
    seen = culling.seen(scenes, Raster(32, 32))[0, :, 0]
    assert (seen == expected).all()


def test_unused_places_are_never_reached():
    scenes = placed(("box", (0.0, 0.0, -3.0), (1.0, 1.0, 1.0)))
    assert scenes.solids.counts == (8, 0, 0, 0, 0)
    assert not culling.seen(scenes, Raster(32, 32))[..., 1:].any()


@pytest.mark.parametrize(
    ("end", "expected"),
    [((6.0, 0.0, -3.0), True), ((1.0, 0.0, -3.0), False), ((3.0, 6.0, -3.0), False), ((3.0, 0.0, -9.0), False)],
    ids=["through it", "too short", "past it", "beside it"],
)
def test_a_box_that_moves_sweeps_what_lies_between(end, expected):
    # The solid spans x from 2.5 to 3.5; the box starts at x = 0 with sides of 0.2.
    table = trace.tables(placed(("box", (3.0, 0.0, -3.0), (1.0, 1.0, 1.0))).solids)
    small = torch.full((1, 3), 0.1)
    wanted = culling.swept(table, Boxes(torch.tensor([[0.0, 0.0, -3.0]]), small), Boxes(torch.tensor([end]), small))
    assert wanted[0, 0].item() == expected


def test_a_box_that_grows_on_its_way_sweeps_more():
    table = trace.tables(placed(("box", (3.0, 2.0, -3.0), (1.0, 1.0, 1.0))).solids)
    start = Boxes(torch.tensor([[0.0, 0.0, -3.0]]), torch.full((1, 3), 0.1))
    ends = [Boxes(torch.tensor([[6.0, 0.0, -3.0]]), torch.full((1, 3), half)) for half in (0.1, 4.0)]
    assert [culling.swept(table, start, end)[0, 0].item() for end in ends] == [False, True]


@pytest.mark.parametrize(("half", "expected"), [(1.4, False), (1.6, True)])
def test_a_solid_is_around_where_the_boxes_meet(half, expected):
    # From the middle of the box at 0 to the solid's near side is 1.5.
    table = trace.tables(placed(("box", (2.0, 0.0, -3.0), (1.0, 1.0, 1.0))).solids)
    boxes = Boxes(torch.tensor([[0.0, 0.0, -3.0]]), torch.full((1, 3), half))
    assert culling.around(table, boxes)[0, 0].item() == expected


def test_the_nearest_solid_hides_those_behind_it_whatever_their_kinds():
    names = ("box", "octahedron", "sphere")
    scenes = placed(*((name, (0.0, 0.0, -3.0 - 2 * depth), (1.0, 1.0, 1.0)) for depth, name in enumerate(names)))
    rays = Rays(torch.tensor([0]), torch.zeros(1, 3, 1), torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1))
    everything = torch.ones(1, scenes.material.shape[1], dtype=torch.bool)
    starts = [0, 8, 16]
    for first, start in enumerate(starts):
        wanted = everything.clone()
        wanted[:, :start] = False
        t, index = trace.cast(trace.tables(scenes.solids), rays, wanted)
        assert t.item() == pytest.approx(2.5 + 2 * first, abs=1e-4)
        assert index.item() == start
