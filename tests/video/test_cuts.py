"""Where shots begin: hard cuts and other sizes, not motion and not light."""

import pytest
import torch

from marigold.video.cuts import CutFinder


def texture(seed, height=96, width=128):
    coarse = torch.randint(0, 256, (3, 6, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    return coarse.repeat_interleave(height // 6, 1).repeat_interleave(width // 8, 2)


def begun(frames):
    finder = CutFinder()
    return [number for number, frame in enumerate(frames) if finder.begins(frame)]


def test_another_scene_begins_a_shot():
    assert begun([texture(0)] * 4 + [texture(1)] * 4 + [texture(2)] * 2) == [4, 8]


def test_a_pan_is_one_shot():
    wide = torch.cat([texture(0), texture(1)], dim=2)
    assert begun([wide[..., step : step + 128] for step in range(0, 96, 6)]) == []


@pytest.mark.parametrize("step", [4, -4])
def test_changing_light_is_no_cut(step):
    frames = [(texture(0).int() // 2 + 60 + step * number).clamp(0, 255).byte() for number in range(12)]
    assert begun(frames) == []


def test_another_size_begins_a_shot():
    assert begun([texture(0), texture(0, 48, 64), texture(0, 48, 64)]) == [1]
