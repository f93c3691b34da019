"""Compilation changes no result; tested with a compiler that keeps the graph as it is, which needs no C++ compiler."""

import pytest
import torch

from marigold_scenes import hit_tests, render, trace
from marigold_scenes.hit_tests import HitTests
from marigold_scenes.procedural import Procedural
from marigold_scenes.shapes import KINDS, MISS


@pytest.fixture
def compiled(monkeypatch):
    """Which functions were compiled, in a process whose tests are fresh."""
    compiler, seen = torch.compile, []

    def compile_as_written(function, dynamic):
        seen.append(function)
        return compiler(function, dynamic=dynamic, backend="eager")

    monkeypatch.setattr(torch, "compile", compile_as_written)
    tests = HitTests()
    monkeypatch.setattr(trace, "HIT_TESTS", tests)
    monkeypatch.setattr("marigold_scenes.procedural.HIT_TESTS", tests)
    yield seen
    torch._dynamo.reset()


def test_compiled_rays_hit_what_eager_rays_hit(compiled):
    eager = render.render(0, [1, 2], 32, 32)
    Procedural().compile()
    after = render.render(0, [1, 2], 32, 32)
    assert torch.equal(eager.maps["depth"], after.maps["depth"])
    assert torch.equal(eager.image, after.image)


def test_all_kinds_but_the_rounded_are_compiled_and_only_once(compiled):
    for _ in range(2):
        Procedural().compile()
    assert len(compiled) == len(KINDS) - 1


IDENTITY = torch.eye(3, 4)


def test_a_lone_solid_is_padded_and_still_found(compiled):
    origin = torch.tensor([0.0, 0.0, 5.0]).view(1, 3, 1)
    direction = torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]).mT.view(1, 3, 2).contiguous()
    tests = HitTests()
    tests.compile()
    t, slot = tests[0](IDENTITY.view(1, 1, 3, 4), torch.zeros(1, 1, 5, 1), origin, direction)
    # The cube from -1 to 1 lies 4 ahead of the first ray; the second ray looks away.
    assert torch.allclose(t, torch.tensor([[4.0, MISS]]))
    assert slot.tolist() == [[0, 0]]


def test_the_nearest_of_several_solids_is_named():
    # Two cubes of side 2, around z = -9 and z = -3: the ray meets the second, 2 ahead.
    maps = IDENTITY.repeat(1, 2, 1, 1)
    maps[0, :, 2, 3] = torch.tensor([9.0, 3.0])
    rays = torch.zeros(1, 3, 1), torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1)
    t, slot = hit_tests.HIT_TESTS[KINDS.index("box")](maps, torch.zeros(1, 2, 5, 1), *rays)
    assert t.item() == 2.0
    assert slot.item() == 1


def test_the_first_of_coincident_solids_is_named():
    maps = IDENTITY.repeat(1, 5, 1, 1)
    maps[0, :, 2, 3] = torch.tensor([9.0, 3.0, 3.0, 3.0, 9.0])
    rays = torch.zeros(1, 3, 1), torch.tensor([0.0, 0.0, -1.0]).view(1, 3, 1)
    _, slot = hit_tests.HIT_TESTS[KINDS.index("box")](maps, torch.zeros(1, 5, 5, 1), *rays)
    assert slot.item() == 1


def test_rays_are_turned_scaled_and_moved_into_the_space_of_a_solid():
    # The solid is a box of half sizes 2, 1, 4 around (10, 0, 0), turned by 90 degrees about y: local x is world -z.
    # Local: (-z / 2, y / 1, (x - 10) / 4). The ray along x from 0 meets its face at x = 10 - 4.
    maps = torch.tensor([[0.0, 0.0, -0.5, 0.0], [0.0, 1.0, 0.0, 0.0], [0.25, 0.0, 0.0, -2.5]]).view(1, 1, 3, 4)
    rays = torch.zeros(1, 3, 1), torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1)
    t, _ = hit_tests.HIT_TESTS[KINDS.index("box")](maps, torch.zeros(1, 1, 5, 1), *rays)
    assert t.item() == 6.0
