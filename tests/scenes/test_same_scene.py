"""A scene is the same scene whatever is rendered with it: other mates, places and sizes of a batch, or none.

The promise holds to rounding: no pixel of a field and no grey level may tell in which batch a scene was rendered.
"""

from pathlib import Path

import pytest
import torch

from marigold.core.sample import unstack
from marigold_scenes import render, scene, trace
from marigold_scenes.families import FAMILIES
from marigold_scenes.gbuffer import trace_camera
from marigold_scenes.procedural import Procedural
from marigold_scenes.tiles import Raster
from marigold_scenes.trace import Rays
from scenes.placed import placed

COUNT, SIZE = 16, 32
"""Scenes of all families, and their pixels."""


def assert_same(sample, place, other, other_place):
    """One scene of each sample: equal fields to rounding, equal masks, and at most one grey level apart."""
    for name, values in sample.maps.items():
        torch.testing.assert_close(values[place], other.maps[name][other_place], rtol=1e-4, atol=1e-4, msg=name)
        assert torch.equal(sample.valid[name][place], other.valid[name][other_place])
    assert (sample.image[place] - other.image[other_place]).abs().max() < 1.5 / 255


@pytest.fixture(scope="module")
def alone():
    """Each scene rendered by itself."""
    return [render.render(0, [index], SIZE, SIZE) for index in range(COUNT)]


@pytest.mark.parametrize(
    ("order", "size"),
    [
        (list(range(COUNT)), COUNT),
        (list(reversed(range(COUNT))), 5),
        ([5, 5, 2, 5, 2, 2], 6),
    ],
    ids=["all at once", "fives backwards", "beside itself"],
)
def test_a_scene_is_the_same_in_every_batch(alone, order, size):
    for start in range(0, len(order), size):
        indexes = order[start : start + size]
        together = render.render(0, indexes, SIZE, SIZE)
        for place, index in enumerate(indexes):
            assert_same(together, place, alone[index], 0)


@pytest.mark.parametrize(
    ("family", "height", "width"), list(zip(FAMILIES, (33, 20, 17, 1, 50), (50, 75, 16, 40, 33), strict=True))
)
def test_scenes_of_one_family_and_any_shape_do_not_mix(family, height, width):
    together = render.render(0, [4, 5, 6], height, width, families=(family,))
    for place, index in enumerate((4, 6)):
        assert_same(together, 2 * place, render.render(0, [index], height, width, families=(family,)), 0)


def test_a_key_names_one_scene_and_one_camera():
    source = Procedural(height=40, width=56, families=("street", "tabletop"))
    keys = list(source.scan(Path(), "test")[:5])
    first, last = source.read_many(Path(), keys[:3], "cpu"), source.read_many(Path(), keys[2:], "cpu")
    assert_same(first, 2, last, 0)
    assert unstack(first, keys[:3])[2].camera == unstack(last, keys[2:])[0].camera


def test_the_order_of_the_families_does_not_matter():
    one, two = (scene.build(0, list(range(12)), names) for names in (FAMILIES, FAMILIES[::-1]))
    assert one.names == two.names
    assert torch.equal(one.solids.to_local, two.solids.to_local)


def test_mates_leave_the_layout_alone():
    # What is padded to the needs of other scenes comes after a scene's own: solids by kind, materials, lights.
    together = scene.build(0, list(range(8)))
    for place in range(8):
        own = scene.build(0, [place])
        assert together.names[place] == own.names[0]
        assert torch.equal(together.eye[place], own.eye[0])
        assert torch.equal(together.lights[place], own.lights[0])
        assert torch.equal(together.rows[place, : own.rows.shape[1]], own.rows[0])
        kinds = (scenes.solids.to_local.split(scenes.solids.counts, 1) for scenes in (together, own))
        for ours, theirs in zip(*kinds, strict=True):
            assert torch.equal(ours[place, : theirs.shape[1]], theirs[0])


def ahead(count):
    """One group of a single ray along -z, `count` times."""
    owner = torch.zeros(count, dtype=torch.int64)
    return Rays(owner, torch.zeros(count, 3, 1), torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1).repeat(count, 1, 1))


@pytest.mark.parametrize("name", ["box", "octahedron", "sphere", "rounded"])
def test_of_coincident_solids_the_first_is_hit_whatever_else_is_wanted(name):
    # Three solids behind, four at one place, three beside: the ray meets the fourth of them first.
    places = [(0.0, 0.0, -9.0)] * 3 + [(0.0, 0.0, -3.0)] * 4 + [(30.0, 0.0, -3.0)] * 3
    scenes = placed(*((name, place, (1.0, 1.0, 1.0)) for place in places))
    wanted = torch.zeros(4, scenes.material.shape[1], dtype=torch.bool)
    for group, numbers in enumerate(([3, 4, 5, 6], range(10), [3, 6], [0, 1, 2, 3, 4, 5, 6, 9])):
        wanted[group, list(numbers)] = True
    t, index = trace.cast(trace.tables(scenes.solids), ahead(4), wanted)
    torch.testing.assert_close(t, torch.full((4, 1), 2.5), rtol=0, atol=1e-3)
    assert index.flatten().tolist() == [3] * 4
    for group in range(4):
        assert trace.cast(trace.tables(scenes.solids), ahead(1), wanted[group : group + 1])[1].item() == 3


def test_a_group_meets_only_the_solids_that_it_wants_though_others_want_more():
    # Boxes of side 1 whose near faces lie 2.5, 4.5 and 6.5 ahead, and groups that want all, two, one and none.
    scenes = placed(*(("box", (0.0, 0.0, -3.0 - 2 * depth), (1.0, 1.0, 1.0)) for depth in range(3)))
    wanted = torch.zeros(4, scenes.material.shape[1], dtype=torch.bool)
    wanted[0, :3] = wanted[1, 1:3] = wanted[2, 2] = True
    t, index = trace.cast(trace.tables(scenes.solids), ahead(4), wanted)
    torch.testing.assert_close(t.flatten(), torch.tensor([2.5, 4.5, 6.5, trace.MISS]), rtol=1e-6, atol=0)
    assert index.flatten().tolist()[:3] == [0, 1, 2]


@pytest.mark.parametrize("name", ["box", "sphere"])
def test_the_sky_faces_the_camera_whatever_solid_comes_first(name):
    scenes = placed((name, (0.0, 0.0, -3.0), (1.0, 1.0, 1.0), (0.4, 0.3, 0.0)), floor=-5000.0)
    gbuffer = trace_camera(scenes, trace.tables(scenes.solids), Raster(32, 32))
    back = -gbuffer.ray / gbuffer.ray.norm(dim=1, keepdim=True)
    for normals in (gbuffer.normal, gbuffer.shading_normal):
        sky = (normals - back).abs().amax(1, keepdim=True)[~gbuffer.hit]
        assert sky.numel() > 100
        assert sky.max() < 1e-5
    assert gbuffer.hit.any()
