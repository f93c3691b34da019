"""Textures stay in range, depend on their own point alone, fade with distance, and keep their geometry."""

import numpy as np
import pytest
import torch

from marigold_scenes import layout, materials, textures
from marigold_scenes.patterns.plane import band, facing, flat, line, odd, pulse
from marigold_scenes.patterns.texture import TexturePoints
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.roles.row import row

POINTS = 600


def scattered(rows: np.ndarray, footprint: float, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Arguments of `evaluate`: points in a cube of two metres, each with one of the rows."""
    rng = torch.Generator().manual_seed(seed)
    points = torch.rand(POINTS, 3, generator=rng) * 2 - 1
    normals = torch.nn.functional.normalize(torch.randn(POINTS, 3, generator=rng), dim=1)
    chosen = torch.from_numpy(rows)[torch.arange(POINTS) % len(rows)]
    return chosen, points, normals, torch.full((POINTS,), footprint)


def drawn(role: str, count: int = 6) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.stack([materials.sample(rng, role) for _ in range(count)])


def mixture() -> np.ndarray:
    return np.concatenate([drawn(role, 3) for role in materials.ROLES])


def tensors(surface: textures.Surface) -> list[torch.Tensor]:
    return [surface.albedo, surface.roughness, surface.metallicity, surface.bump, surface.emission]


@pytest.mark.parametrize("role", materials.ROLES)
@pytest.mark.parametrize("footprint", [1e-4, 5e-3, 0.2])
def test_surfaces_are_finite_and_in_range(role, footprint):
    arguments = scattered(drawn(role), footprint)
    surface = textures.evaluate(*arguments)
    assert all(values.isfinite().all() for values in tensors(surface))
    assert [values.shape[1] for values in tensors(surface)] == [3, 1, 1, 3, 3]
    for values in (surface.albedo, surface.roughness, surface.metallicity):
        assert values.min() >= 0
        assert values.max() <= 1
    assert surface.emission.min() >= 0
    assert surface.bump.norm(dim=1).max() <= 1 + 1e-4
    assert (surface.bump * arguments[2]).sum(1).abs().max() < 1e-4


def test_the_same_points_look_the_same_again():
    arguments = scattered(mixture(), 0.004)
    for first, second in zip(*(tensors(textures.evaluate(*arguments)) for _ in range(2)), strict=True):
        assert torch.equal(first, second)


def test_points_do_not_depend_on_their_batch():
    arguments = scattered(mixture(), 0.004)
    together = tensors(textures.evaluate(*arguments))
    some = torch.randperm(POINTS, generator=torch.Generator().manual_seed(1))[:77]
    alone = tensors(textures.evaluate(*(argument[some] for argument in arguments)))
    for whole, part in zip(together, alone, strict=True):
        torch.testing.assert_close(whole[some], part, atol=1e-4, rtol=0)


def test_no_points_are_no_surface():
    surface = textures.evaluate(*(argument[:0] for argument in scattered(mixture(), 0.01)))
    assert surface.albedo.shape == (0, 3)


def spread(rows: np.ndarray, footprint: float) -> float:
    """The mean standard deviation of albedo over the points of one material."""
    albedo = textures.evaluate(*scattered(rows, footprint)).albedo
    return torch.stack([albedo[i :: len(rows)].std(0).mean() for i in range(len(rows))]).mean().item()


@pytest.mark.parametrize("role", sorted(set(materials.ROLES) - {"plastic", "glass", "car", "lamp"}))
def test_detail_fades_with_distance(role):
    rows = drawn(role, 10)
    assert spread(rows, 2.0) < 0.5 * spread(rows, 1e-4)
    assert spread(rows, 100.0) < 1e-3


def test_a_faded_texture_keeps_its_mean():
    rows = mixture()
    near, far = (textures.evaluate(*scattered(rows, footprint)).albedo for footprint in (1e-4, 100.0))
    means = [torch.stack([x[i :: len(rows)].mean(0) for i in range(len(rows))]) for x in (near, far)]
    assert (means[0] - means[1]).abs().mean() < 0.03


def test_joints_cover_their_share_of_a_wall():
    middling = RandomStream(lambda: 0.5, np.random.default_rng(0))
    brick, mortar = (0.2, 0.2, 0.2), (0.8, 0.8, 0.8)
    wall = row(
        middling,
        "masonry",
        (brick, brick, mortar),
        period=0.2,
        aspect=0.5,
        contrast=0.0,
        numbers=(0.02, 0.5, 0.0, 0.0),
        vary=0.0,
        dirt=0.0,
    )
    side = (torch.arange(200) + 0.5) / 200 * 2 - 1
    points = torch.stack([*torch.meshgrid(side, side, indexing="ij"), torch.zeros(200, 200)], -1).view(-1, 3)
    normals = torch.tensor([0.0, 0.0, 1.0]).expand_as(points)
    rows = torch.tensor([wall]).expand(len(points), -1)
    share = (textures.evaluate(rows, points, normals, torch.full((len(points),), 0.01)).albedo[:, 0] - 0.2) / 0.6
    assert share.mean().item() == pytest.approx(1 - (1 - 0.1) * (1 - 0.2), abs=0.002)
    assert share.max() == pytest.approx(1, abs=1e-3)


def test_a_pulse_train_covers_its_duty_at_any_width():
    x = torch.arange(4000) / 1000
    for width in (0.01, 0.3, 1.0, 2.7):
        covered = pulse(x, 0.3, torch.full_like(x, width))
        assert covered.mean().item() == pytest.approx(0.3, abs=1e-3)
    assert pulse(x, 0.3, torch.ones_like(x)).std() < 1e-4


def test_a_line_is_centred_on_whole_numbers_and_a_band_on_itself():
    x, width = torch.tensor([0.0, 0.04, 0.06, 0.5, 0.95]), torch.full((5,), 0.01)
    torch.testing.assert_close(line(x, 0.1, width), torch.tensor([1.0, 1, 0, 0, 0.5]), atol=1e-3, rtol=0)
    torch.testing.assert_close(band(x, 0.04, 0.5, width), torch.tensor([0.0, 0.5, 1, 0.5, 0]), atol=1e-3, rtol=0)
    assert odd(torch.tensor([-3.0, -2.0, 0.0, 5.0])).tolist() == [1, 0, 0, 1]


def test_vectors_lifted_from_the_plane_run_along_its_coordinates():
    rng = torch.Generator().manual_seed(5)
    point, normal = torch.randn(3, 50, generator=rng), torch.randn(3, 50, generator=rng)
    columns = torch.zeros(layout.WIDTH, 50)
    columns[layout.ANGLE] = torch.rand(50, generator=rng) * 6
    here = flat(TexturePoints(columns, point, normal, torch.ones(50)))
    one, none = torch.ones(50), torch.zeros(50)
    for along, moves in (
        ((one, none, none), (1, 0, 0)),
        ((none, one, none), (0, 1, 0)),
        ((none, none, one), (0, 0, 1)),
    ):
        there = flat(TexturePoints(columns, point + here.lift(*along), normal, torch.ones(50)))
        for coordinate, expected in zip("uvw", moves, strict=True):
            moved = getattr(there, coordinate) - getattr(here, coordinate)
            torch.testing.assert_close(moved, torch.full((50,), float(expected)), atol=1e-5, rtol=0)


def test_a_plane_faces_the_largest_axis_of_the_normal():
    normals = torch.tensor([[0.1, -0.9, 0.2], [0.8, 0.1, 0.3], [0.0, 0.1, -0.5], [0.5, 0.5, 0.5]]).T
    assert facing(normals).argmax(0).tolist()[:3] == [1, 0, 2]
    torch.testing.assert_close(facing(normals).sum(0), torch.ones(4))


@pytest.mark.parametrize("pattern", textures.PATTERNS, ids=textures.PATTERN_NAMES)
def test_no_pattern_asks_the_device_for_a_number(pattern):
    columns = torch.empty(layout.WIDTH + 7, 20, device="meta")  # a device without values: any question raises
    assert textures.textured(pattern, columns).shape == (11, 20)
