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


def test_a_lone_solid_is_padded_and_still_found(compiled):
    origin = torch.tensor([0.0, 0.0, 5.0]).view(1, 1, 3, 1)
    direction = torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]).mT.view(1, 1, 3, 2).contiguous()
    tests = HitTests()
    tests.compile()
    t, slot = tests[0](origin, direction, torch.zeros(1, 1, 5, 1))
    # The cube from -1 to 1 lies 4 ahead of the first ray; the second ray looks away.
    assert torch.allclose(t, torch.tensor([[4.0, MISS]]))
    assert slot.tolist() == [[0, 0]]


def test_the_nearest_of_several_solids_is_named():
    # Two cubes of the same space: the second ray starts nearer to it.
    origin = torch.tensor([[0.0, 0.0, 9.0], [0.0, 0.0, 3.0]]).view(1, 2, 3, 1)
    direction = torch.tensor([0.0, 0.0, -1.0]).view(1, 1, 3, 1).expand(1, 2, 3, 1)
    t, slot = hit_tests.HIT_TESTS[KINDS.index("box")](origin, direction, torch.zeros(1, 2, 5, 1))
    assert t.item() == 2.0
    assert slot.item() == 1
