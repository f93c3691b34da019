"""Compilation changes no result; tested with a compiler that keeps the graph as it is, which needs no C++ compiler."""

import pytest
import torch

from marigold_scenes import compile as compiling
from marigold_scenes import render, trace


@pytest.fixture
def as_written(monkeypatch):
    monkeypatch.setattr(trace, "nearest", list(trace.nearest))
    compiler = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda function, dynamic: compiler(function, dynamic=dynamic, backend="eager")
    )
    yield
    torch._dynamo.reset()


def test_compiled_rays_hit_what_eager_rays_hit(as_written):
    eager = render.render(0, [1, 2], 32, 32)
    compiling.compile_rendering()
    compiled = render.render(0, [1, 2], 32, 32)
    assert torch.equal(eager.maps["depth"], compiled.maps["depth"])
    assert torch.equal(eager.image, compiled.image)


def test_a_lone_solid_is_padded_and_still_found(as_written):
    origin = torch.tensor([0.0, 0.0, 5.0]).view(1, 1, 3, 1)
    direction = torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]).mT.view(1, 1, 3, 2).contiguous()
    compiling.compile_rendering()
    t, slot = trace.nearest[0](origin, direction, torch.zeros(1, 1, 5, 1))
    # The cube from -1 to 1 lies 4 ahead of the first ray; the second ray looks away.
    assert torch.allclose(t, torch.tensor([[4.0, trace.MISS]]))
    assert slot.tolist() == [[0, 0]]
