"""Where rays meet solids: first hits and normals of every kind of solid, as pure functions of tensors.

Every solid lives in the cube -1 to 1 of its own space; an affine map takes the world there, so a ray keeps its
parameter `t` and one function serves every size and turn. Rays are `origin + t * direction`; `T` counts groups of rays
(tiles of the image), `K` the solids tested against a group, `P` the rays of a group. A miss is `MISS`.

Kinds, in the order of `KINDS`:
    box       the cube itself
    polytope  an intersection of up to eight half-spaces
    quadric   x^2 + z^2 = c0 + c1 y + c2 y^2 with or without flat caps at y = -1 and 1
    leaves    a sphere with irregular holes: foliage
    round     a box with rounded edges or a torus, in metres, by a fixed number of sphere-tracing steps
"""

import torch
from torch import Tensor

from marigold_scenes.vectors import length

KINDS = ("box", "polytope", "quadric", "leaves", "round")
MISS = 1e6
PLANES = 8
SHAPE_WIDTH = 4 * PLANES
TRACE_STEPS = 18
_TINY = 1e-12


def box(origin: Tensor, direction: Tensor) -> Tensor:
    """First hits [T, K, P] of local rays [T, K, 3, P] with the cube (slab method)."""
    # Per axis |o + t d| <= 1, so t lies within 1 / |d| of -o / d; the smallest interval counts.
    inverse = (direction + _TINY).reciprocal()
    middle, reach = -origin * inverse, inverse.abs()
    near = _greatest(middle - reach)
    far = _least(middle + reach)
    return _first(near, far)


def polytope(offset: Tensor, slope: Tensor) -> Tensor:
    """First hits [T, K, P] with half-spaces; `offset` [T, K, 8, P or 1] and `slope` [T, K, 8, P] are their values.

    The inside of a half-space is where `offset + t * slope` is negative.
    """
    # A plane is crossed at t = -offset / slope, inwards where the slope is negative.
    slope = slope + _TINY
    t = -offset / slope
    entering = slope < 0
    near = torch.where(entering, t, -MISS).amax(-2)
    far = torch.where(entering, MISS, t).amin(-2)
    return _first(near, far)


def quadric(origin: Tensor, direction: Tensor, shape: Tensor) -> Tensor:
    """First hits [T, K, P] with surfaces of revolution; `shape` [T, K, 5+, 1] holds c0, c1, c2, low cap, high cap.

    A cap value of 0 closes that end, -1e9 leaves it open, so that one sees the inside.
    """
    # [T, K, P] each
    ox, oy, oz = origin.unbind(-2)
    dx, dy, dz = direction.unbind(-2)
    c0, c1, c2, low, high = shape[..., :5, :].unbind(-2)
    # x^2 + z^2 - c0 - c1 y - c2 y^2 along the ray: a t^2 + 2 b t + c = 0
    a = dx * dx + dz * dz - c2 * dy * dy
    b = ox * dx + oz * dz - dy * (0.5 * c1 + c2 * oy)
    c = ox * ox + oz * oz - c0 - oy * (c1 + c2 * oy)
    a = torch.where(a.abs() < 1e-9, 1e-9, a)
    discriminant = b * b - a * c
    root = discriminant.clamp_min(0).sqrt()
    # The stable pair of roots: q / a and c / q, where q never cancels.
    q = -(b + torch.where(b < 0, -root, root))
    q = torch.where(q.abs() < _TINY, _TINY, q)
    first, second = q / a, c / q
    real = discriminant > 0
    # The caps are the planes y = -1 and y = 1.
    inverse = (dy + _TINY).reciprocal()
    hits = (_on_side(first, oy, dy, real), _on_side(second, oy, dy, real))
    caps = (_on_cap((-1 - oy) * inverse, a, b, c, low), _on_cap((1 - oy) * inverse, a, b, c, high))
    return torch.minimum(torch.minimum(*hits), torch.minimum(*caps))


def leaves(origin: Tensor, direction: Tensor, shape: Tensor) -> Tensor:
    """First hits [T, K, P] with a sphere full of holes; `shape` [T, K, 3+, 1]: frequency, threshold, phase."""
    # |o + t d|^2 = 1: a t^2 + 2 b t + c = 0, [T, K, P]
    a = (direction * direction).sum(-2)
    b = (origin * direction).sum(-2)
    c = (origin * origin).sum(-2) - 1
    discriminant = b * b - a * c
    root = discriminant.clamp_min(0).sqrt()
    inverse = a.reciprocal()
    hits = []
    # The near and the far side: behind a hole one sees the leaves at the back.
    for t in ((-b - root) * inverse, (-b + root) * inverse):
        solid = foliage(origin + t.unsqueeze(-2) * direction, shape) & (discriminant > 0) & (t > 0)
        hits.append(torch.where(solid, t, MISS))
    return torch.minimum(*hits)


def foliage(point: Tensor, shape: Tensor) -> Tensor:
    """Whether a point [..., 3, P] of the unit sphere is leaf rather than hole, [..., P] bool."""
    frequency, threshold, phase = shape[..., :3, :].unbind(-2)
    x, y, z = (point * frequency.unsqueeze(-2) + phase.unsqueeze(-2)).unbind(-2)
    # Three waves, each bent by the next axis.
    value = torch.sin(x + 2 * torch.sin(0.83 * y)) + torch.sin(y + 2 * torch.sin(0.91 * z))
    return value + torch.sin(z + 2 * torch.sin(0.87 * x)) > threshold


def round_solid(origin: Tensor, direction: Tensor, shape: Tensor) -> Tensor:
    """First hits [T, K, P] with rounded boxes and tori, `origin` and `direction` in rigid local metres.

    `shape` [T, K, 5+, 1]: three half-extents of the core, rounding radius, ring radius (0 for a box).
    """
    # [T, K, 3, 1] half the bounding box
    extent = shape[..., :3, :] + shape[..., 3:4, :]
    near, far = _slab(origin, direction, extent)
    result = torch.full_like(near, MISS)
    # Most rays pass by the bounding box: only the others are traced.
    group, solid, ray = ((near <= far) & (far > 0)).nonzero().unbind(-1)
    # [3, R], [3, R] and [5, R] of the R rays that remain
    heading = direction[group, solid, :, ray].T
    start = origin.expand_as(direction)[group, solid, :, ray].T
    form = shape[group, solid, :, 0].T
    # Sphere tracing (Hart 1996): a step as long as the distance to the surface; |d| turns metres into t.
    inverse = _length(heading).reciprocal()
    t = near[group, solid, ray].clamp_min(0)
    for _ in range(TRACE_STEPS):
        t = t + distance(start + t * heading, form) * inverse
    miss = distance(start + t * heading, form).abs() * inverse
    hit = (t > 0) & (t < far[group, solid, ray] + 1e-3) & (miss < 2e-4 * inverse + 2e-4 * t)
    result[group, solid, ray] = torch.where(hit, t, MISS)
    return result


def distance(point: Tensor, shape: Tensor) -> Tensor:
    """Signed distance [..., P] of points [..., 3, P] to the rounded boxes or tori `shape` [..., 5+, P or 1]."""
    x, y, z = point.unbind(-2)
    radius, ring = shape[..., 3, :], shape[..., 4, :]
    # Torus: |(|(x, z)| - ring, y)| - radius
    across = torch.sqrt(x * x + z * z + _TINY) - ring
    torus = torch.sqrt(across * across + y * y + _TINY) - radius
    # Rounded box: the distance outside of the core plus the depth inside of it, minus the radius
    over = point.abs() - shape[..., :3, :]
    outside = _length(over.clamp_min(0))
    rounded = outside + _greatest(over).clamp_max(0) - radius
    return torch.where(ring > 0, torus, rounded)


def normal(kind: int, point: Tensor, shape: Tensor, metres: Tensor) -> Tensor:
    """Outward normal direction [M, 3] (any length) at surface points [M, 3] in the space of their solid.

    `metres` [M, 3] is the same point in rigid local metres, whose axes the normal of a `round` solid has.
    """
    return (_box_normal, _polytope_normal, _quadric_normal, _leaves_normal, _round_normal)[kind](point, shape, metres)


def _box_normal(point: Tensor, shape: Tensor, metres: Tensor) -> Tensor:
    # The face of the largest coordinate.
    size = point.abs()
    return torch.where(size >= size.amax(-1, keepdim=True), point.sign(), 0.0)


def _polytope_normal(point: Tensor, shape: Tensor, metres: Tensor) -> Tensor:
    # [M, 8, 4] => the plane [M] whose signed distance is greatest
    planes = shape.view(-1, PLANES, 4)
    value = (planes[..., :3] * point.unsqueeze(-2)).sum(-1) + planes[..., 3]
    value = value / length(planes[..., :3], -1)[..., 0].clamp_min(1e-6)
    face = value.argmax(-1, keepdim=True).unsqueeze(-1).expand(-1, -1, 3)
    return planes[..., :3].gather(1, face)[:, 0]


def _quadric_normal(point: Tensor, shape: Tensor, metres: Tensor) -> Tensor:
    x, y, z = point.unbind(-1)
    c0, c1, c2, low, high = shape[..., :5].unbind(-1)
    # How far the point is from the side, to first order: |f| / |grad f|, and from the caps
    level = c0 + y * (c1 + c2 * y)
    side = (x * x + z * z - level).abs()
    scale = 2 * torch.sqrt(x * x + z * z) + 1e-6
    to_low = torch.where(low > -1, (y + 1).abs(), MISS)
    to_high = torch.where(high > -1, (y - 1).abs(), MISS)
    cap = torch.minimum(to_low, to_high) < side / scale
    # Half the gradient of x^2 + z^2 - c0 - c1 y - c2 y^2
    slope = torch.stack((x, -0.5 * c1 - c2 * y, z), -1)
    flat = torch.stack((torch.zeros_like(y), y.sign(), torch.zeros_like(y)), -1)
    return torch.where(cap.unsqueeze(-1), flat, slope)


def _leaves_normal(point: Tensor, shape: Tensor, metres: Tensor) -> Tensor:
    return point


def _round_normal(point: Tensor, shape: Tensor, metres: Tensor) -> Tensor:
    x, y, z = metres.unbind(-1)
    ring = shape[..., 4]
    # From the nearest point of the ring; and from the nearest point of the core
    shrink = 1 - ring / torch.sqrt(x * x + z * z + _TINY)
    torus = torch.stack((x * shrink, y, z * shrink), -1)
    over = metres.abs() - shape[..., :3]
    rounded = over.clamp_min(1e-7) * metres.sign()
    return torch.where((ring > 0).unsqueeze(-1), torus, rounded)


def _slab(origin: Tensor, direction: Tensor, extent: Tensor) -> tuple[Tensor, Tensor]:
    inverse = (direction + _TINY).reciprocal()
    middle, reach = -origin * inverse, extent * inverse.abs()
    return _greatest(middle - reach), _least(middle + reach)


def _first(near: Tensor, far: Tensor) -> Tensor:
    """The entry of the interval, or its exit for a ray that starts inside."""
    t = torch.where(near > 0, near, far)
    return torch.where((near <= far) & (far > 0), t, MISS)


def _on_side(t: Tensor, oy: Tensor, dy: Tensor, real: Tensor) -> Tensor:
    return torch.where(real & (t > 0) & ((oy + t * dy).abs() <= 1), t, MISS)


def _on_cap(t: Tensor, a: Tensor, b: Tensor, c: Tensor, limit: Tensor) -> Tensor:
    inside = c + t * (2 * b + t * a) <= limit
    return torch.where(inside & (t > 0), t, MISS)


def _length(x: Tensor) -> Tensor:
    first, second, third = x.unbind(-2)
    return torch.sqrt(first * first + second * second + third * third + _TINY)


def _greatest(x: Tensor) -> Tensor:
    first, second, third = x.unbind(-2)
    return torch.maximum(torch.maximum(first, second), third)


def _least(x: Tensor) -> Tensor:
    first, second, third = x.unbind(-2)
    return torch.minimum(torch.minimum(first, second), third)
