"""First hits and normals of every solid against brute force: many small steps along each ray."""

import math

import numpy as np
import pytest
import torch

from marigold_scenes import shapes
from marigold_scenes.primitives import LEAVES, POLYTOPE, QUADRIC, SHAPES, form
from marigold_scenes.shapes import KINDS, MISS, PLANES

RAYS, STEP = 300, 2e-3
NUMBERS = {"stone": tuple(math.sin(3.7 * number) for number in range(16)), "urn": (0.5, 0.3, True), "prism": (5.0, 0.6)}
ROUND = {"rounded": (0.3, 0.5, 0.4, 0.2, 0.0), "torus": (0.6, 0.0, 0.6, 0.25, 0.6)}


def rays():
    """Origins and directions [RAYS, 3] that point at the cube from all around."""
    rng = np.random.default_rng(3)
    origin = rng.normal(size=(RAYS, 3))
    origin *= 3 / np.linalg.norm(origin, axis=1, keepdims=True)
    target = rng.uniform(-0.9, 0.9, (RAYS, 3))
    direction = (target - origin) * rng.uniform(0.5, 1.5, (RAYS, 1))
    return origin, direction


def hits(name):
    """The renderer's first hits [RAYS] with one solid."""
    origin, direction = (torch.from_numpy(x).float().T.view(1, 1, 3, RAYS) for x in rays())
    if name in ROUND:
        row = torch.tensor(ROUND[name]).view(1, 1, 5, 1)
        return shapes.round_solid(origin, direction, row)[0, 0].double().numpy()
    kind, values = form(name, *NUMBERS.get(name, ()))
    row = torch.tensor(values).view(1, 1, -1, 1)
    if KINDS[kind] == "box":
        t = shapes.box(origin, direction)
    elif KINDS[kind] == "polytope":
        planes = torch.tensor(values).view(1, PLANES, 4)
        t = shapes.polytope(
            (planes[..., :3] @ origin[0] + planes[..., 3:])[None], (planes[..., :3] @ direction[0])[None]
        )
    else:
        t = (shapes.quadric if kind == QUADRIC else shapes.leaves)(origin, direction, row)
    return t[0, 0].double().numpy()


def inside(name, points):
    """Whether points [..., 3] are inside (closed solids), or on the inner side of the surface (open ones)."""
    x, y, z = np.moveaxis(points, -1, 0)
    if name == "torus":
        return (np.hypot(x, z) - 0.6) ** 2 + y**2 < 0.25**2
    if name == "rounded":
        over = np.maximum(np.abs(points) - ROUND[name][:3], 0)
        return (over**2).sum(-1) < 0.2**2
    kind, values = form(name, *NUMBERS.get(name, ()))
    if KINDS[kind] == "box":
        return (np.abs(points) < 1).all(-1)
    if kind == POLYTOPE:
        planes = np.array(values).reshape(-1, 4)
        return (points @ planes[:, :3].T + planes[:, 3] < 0).all(-1)
    c0, c1, c2 = values[:3]
    return x**2 + z**2 < c0 + c1 * y + c2 * y**2


def brute(name):
    """First changes of `inside` along each ray; for surfaces with open ends only changes between the ends count."""
    origin, direction = rays()
    t = np.arange(0, 6, STEP)
    points = origin[:, None] + t[None, :, None] * direction[:, None]
    state = inside(name, points)
    if name not in ROUND and form(name)[0] == QUADRIC:
        low, high = form(name, *NUMBERS.get(name, ()))[1][3:5]
        between = np.abs(points[..., 1]) <= 1
        change = (state[:, 1:] != state[:, :-1]) & between[:, 1:] & between[:, :-1]
        for level, cap in ((-1, low), (1, high)):
            crossing = (points[:, 1:, 1] > level) != (points[:, :-1, 1] > level)
            if cap == 0:
                change |= crossing & state[:, 1:]
    else:
        change = state[:, 1:] != state[:, :-1]
    return np.where(change.any(1), t[change.argmax(1)], MISS)


@pytest.mark.parametrize("name", [*(name for name in SHAPES if name != "leaves"), *ROUND])
def test_the_first_hit_is_where_brute_force_enters(name):
    found, expected = hits(name), brute(name)
    # Rays that graze an edge between two steps may differ: fewer than one in fifty.
    agree = np.abs(found - expected) < 2 * STEP
    assert (expected < MISS).sum() > RAYS / 10
    assert agree.mean() > 0.98


@pytest.mark.parametrize("name", [*SHAPES, "rounded"])
def test_every_shape_stays_within_its_bounding_box(name):
    origin, direction = rays()
    t = hits(name)
    points = (origin + t[:, None] * direction)[t < MISS]
    assert np.abs(points).max() <= 1 + 1e-4


@pytest.mark.parametrize("name", [*(name for name in SHAPES if name not in ("leaves", "stone"))])
def test_every_shape_fills_its_bounding_box(name):
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (200_000, 3))
    kept = points[inside(name, points)]
    assert np.abs(kept).max(0).min() > 0.9


@pytest.mark.parametrize("name", [*(name for name in SHAPES if name != "leaves"), *ROUND])
def test_normals_point_out_of_the_solid_at_right_angles(name):
    origin, direction = rays()
    t = hits(name)
    seen = t < MISS
    point = (origin + t[:, None] * direction)[seen]
    if name in ROUND:
        kind, values = KINDS.index("round"), ROUND[name]
    else:
        kind, values = form(name, *NUMBERS.get(name, ()))
    where = torch.from_numpy(point).float()
    normal = shapes.normal(kind, where, torch.tensor(values).expand(len(point), -1), where).double().numpy()
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    # A small disc at right angles to the normal stays on the surface: just above it is outside, just below inside.
    rng = np.random.default_rng(1)
    sideways = np.cross(normal, rng.normal(size=normal.shape))
    sideways *= 2e-3 / np.linalg.norm(sideways, axis=1, keepdims=True)
    above, below = (point + sideways + height * normal for height in (1e-3, -1e-3))
    closed = name in ROUND or kind != QUADRIC or min(values[3:5]) == 0
    right = inside(name, below) & (~inside(name, above) | (np.abs(above[:, 1]) > 1))
    assert (right.mean() > 0.95) or not closed


def test_a_ray_from_inside_leaves_through_the_far_side():
    origin, direction = torch.zeros(1, 1, 3, 1), torch.tensor([0.0, 0.0, -2.0]).view(1, 1, 3, 1)
    assert float(shapes.box(origin, direction)) == pytest.approx(0.5)
    sphere = torch.tensor(form("sphere")[1]).view(1, 1, -1, 1)
    assert float(shapes.quadric(origin, direction, sphere)) == pytest.approx(0.5)


def test_rays_along_the_axes_are_exact():
    origin = torch.tensor([0.2, 3.0, -0.3]).view(1, 1, 3, 1)
    direction = torch.tensor([0.0, -1.0, 0.0]).view(1, 1, 3, 1)
    assert float(shapes.box(origin, direction)) == pytest.approx(2.0)
    cylinder = torch.tensor(form("cylinder")[1]).view(1, 1, -1, 1)
    assert float(shapes.quadric(origin, direction, cylinder)) == pytest.approx(2.0)


def test_one_looks_into_an_open_cup():
    origin = torch.tensor([0.0, 3.0, 0.0]).view(1, 1, 3, 1)
    direction = torch.tensor([0.0, -1.0, 0.0]).view(1, 1, 3, 1)
    cup = torch.tensor(form("cup", 0.7)[1]).view(1, 1, -1, 1)
    assert float(shapes.quadric(origin, direction, cup)) == pytest.approx(4.0)


def test_leaves_let_some_rays_through_and_no_hit_floats():
    t = hits("leaves")
    origin, direction = rays()
    points = (origin + t[:, None] * direction)[t < MISS]
    sphere = hits("sphere")
    assert form("leaves")[0] == LEAVES
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-4)
    assert 0.3 < (t < MISS).sum() / (sphere < MISS).sum() < 0.98
