"""Light: the columns of packed light rows, the radiance of the sky and the ambient dome, and reflection lobes.

A scene has up to `LIGHTS` lights with shadows. Their colours are the radiance that a white matte surface facing them
sends back (irradiance over pi), so that a value of 1 times an albedo is a pixel value before exposure.
"""

import torch
from torch import Tensor

from marigold_scenes.hashing import lattice_bits
from marigold_scenes.hashing import unit as fraction
from marigold_scenes.vectors import dot, length, unit

LIGHTS = 3
# A light row. Directional lights: unit direction towards the light, and the tangent of the light's angular radius in
# AXIS_U. Others: position in metres and two half-edges of the rectangle that shines (zero for a point).
PLACE, AXIS_U, AXIS_V, COLOUR = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)
DIRECTIONAL, ONE_SIDED, USED = 12, 13, 14
LIGHT_WIDTH = 16

# A sky row: a gradient with a lobe of light, then clouds, a far ridge, haze. The ambient dome is its first 17 columns.
ZENITH, HORIZON, NADIR, LOBE, LOBE_TO, LOBE_POWER, RISE = (
    slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12), slice(12, 15), slice(15, 16), slice(16, 17)
)  # fmt: skip
DOME_WIDTH = 17
CLOUD, COVER, CLOUD_SIZE, CLOUD_EDGE, PHASE = slice(17, 20), slice(20, 21), slice(21, 22), slice(22, 23), slice(23, 24)
RIDGE, RIDGE_HEIGHT, RIDGE_SIZE, HAZE, HAZE_DENSITY = (
    slice(24, 27), slice(27, 28), slice(28, 29), slice(29, 32), slice(32, 33)
)  # fmt: skip
SKY_WIDTH = 33


def dome(row: Tensor, direction: Tensor) -> Tensor:
    """Radiance [B, 3, M] of the gradient `row` [B, >=17] in unit directions [B, 3, M]."""
    y = direction[:, 1:2]
    rise = _column(row, RISE)
    # horizon + (pole - horizon) |y|^rise + lobe (l . d)^power
    lift = y.abs().clamp_min(1e-4) ** rise
    pole = torch.where(y > 0, _column(row, ZENITH), _column(row, NADIR))
    lobe = dot(_column(row, LOBE_TO), direction, 1).clamp_min(1e-4) ** _column(row, LOBE_POWER)
    horizon = _column(row, HORIZON)
    return horizon + (pole - horizon) * lift + _column(row, LOBE) * lobe


def ambient(row: Tensor, normal: Tensor) -> Tensor:
    """The dome's radiance averaged over the cosine-weighted hemisphere around unit normals [B, 3, M]."""
    # A fit of the hemisphere's mean: 62 % of the way from horizon to pole, smooth from below to above.
    up = 0.5 + 0.5 * normal[:, 1:2]
    horizon, power = _column(row, HORIZON), _column(row, LOBE_POWER)
    above = torch.lerp(horizon, _column(row, ZENITH), 0.62)
    below = torch.lerp(horizon, _column(row, NADIR), 0.62)
    # A broad lobe's mean falls with its power, and with the angle to it.
    facing = dot(_column(row, LOBE_TO), normal, 1)
    lobe = (0.5 + 0.5 * facing).square() * (2 / (power + 2))
    return torch.lerp(below, above, up * up * (3 - 2 * up)) + _column(row, LOBE) * lobe


def sky(row: Tensor, direction: Tensor) -> Tensor:
    """What the camera sees [B, 3, M] where nothing stands: gradient, clouds and a far ridge."""
    colour = dome(row, direction)
    x, y, z = direction.unbind(1)
    height = y.clamp_min(0.02)
    phase = _column(row, PHASE)[:, 0]
    # Clouds lie on a plane overhead: looked up at (x, z) / height, lower ones smaller.
    scale = 1 / (_column(row, CLOUD_SIZE)[:, 0] * (height + 0.12))
    value = _fractal(x * scale, z * scale, phase, 5)
    edge = _column(row, CLOUD_EDGE)[:, 0]
    # Where the noise exceeds 1 - cover, with a soft edge; none below the horizon.
    cover = ((value - 1 + _column(row, COVER)[:, 0]) / edge).clamp(0, 1) * ((y - 0.01) * 12).clamp(0, 1)
    cover = (cover * cover * (3 - 2 * cover)).unsqueeze(1)
    shade = (1.15 - 0.5 * (value.unsqueeze(1) - 0.5)).clamp(0.5, 1.3)
    colour = torch.lerp(colour, _column(row, CLOUD) * shade, cover)
    size = _column(row, RIDGE_SIZE)[:, 0]
    # The ridge: a crest by azimuth, before everything above its foot
    across = torch.atan2(x, -z)
    crest = _column(row, RIDGE_HEIGHT)[:, 0] * _fractal(across * size, phase.expand_as(x), phase, 5)
    behind = ((crest - y) * 150).clamp(0, 1).unsqueeze(1) * (_column(row, RIDGE_HEIGHT) > 0)
    return torch.lerp(colour, _column(row, RIDGE), behind)


def apparent_size(light: Tensor, distance: Tensor) -> Tensor:
    """The tangent of the angular radius [B, 1, M] that a light has at a distance [B, 1, M]."""
    u, v = _column(light, AXIS_U), _column(light, AXIS_V)
    directional = _column(light, slice(DIRECTIONAL, DIRECTIONAL + 1)) > 0
    return torch.where(directional, u[:, :1], 0.5 * (length(u, 1) + length(v, 1)) / distance)


def incoming(light: Tensor, point: Tensor, jitter: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How one light reaches points [B, 3, M]: unit direction [B, 3, M], distance and strength [B, 1, M].

    `light` [B, LIGHT_WIDTH]; `jitter` [B, 2, M] in -1 to 1 picks the place on the light; zero is its middle.
    """
    place, u, v = (_column(light, part) for part in (PLACE, AXIS_U, AXIS_V))
    directional = _column(light, slice(DIRECTIONAL, DIRECTIONAL + 1)) > 0
    # A point of a far disc, or of a rectangle: place + a u + b v
    sideways, upwards = tangents(place)
    disc = u[:, :1] * (sideways * jitter[:, :1] + upwards * jitter[:, 1:])
    to_area = place + u * jitter[:, :1] + v * jitter[:, 1:] - point
    offset = torch.where(directional, (place + disc) * 1e3, to_area)
    distance = length(offset, 1).clamp_min(1e-4)
    direction = offset / distance
    # A rectangle shines to the side of u x v, by the cosine; its light fades with the square of the distance.
    facing = torch.linalg.cross(u, v, dim=1)
    shining = -dot(unit(facing, 1), direction, 1)
    one_sided = _column(light, slice(ONE_SIDED, ONE_SIDED + 1)) > 0
    shining = torch.where(one_sided, shining.clamp_min(0), 1.0)
    size = dot(u, u, 1) + dot(v, v, 1)
    strength = torch.where(directional, 1.0, shining / (distance * distance + size + 0.01))
    return direction, distance, strength


def tangents(axis: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit vectors [B, 3, M] at right angles to unit vectors `axis` [B, 3, M] and to each other."""
    # A branchless frame around a unit vector (Duff et al. 2017).
    x, y, z = axis.unbind(1)
    sign = torch.where(z >= 0, 1.0, -1.0)
    a = -1 / (sign + z)
    b = x * y * a
    return torch.stack((1 + sign * x * x * a, sign * b, -sign * x), 1), torch.stack((b, sign + y * y * a, -y), 1)


def glossy(normal: Tensor, view: Tensor, light: Tensor, roughness: Tensor, base: Tensor, size: Tensor) -> Tensor:
    """The GGX lobe times pi times the cosine [B, 3, M], with Schlick's Fresnel term (Karis 2013, sphere lights).

    Unit vectors [B, 3, M] away from the surface; `roughness` [B, 1, M]; `base` [B, 3, M] reflectance head-on; `size`
    [B, 1, M] tangent of the light's angular radius, which widens the lobe.
    """
    # Roughness to the square is the GGX width; a light of some size widens the lobe.
    half = unit(view + light, 1)
    sharp = roughness.square().clamp_min(2e-3)
    alpha = (sharp + 0.4 * size).clamp_max(1)
    n_h, n_v, n_l, v_h = (
        dot(a, b, 1).clamp_min(1e-4) for a, b in ((normal, half), (normal, view), (normal, light), (view, half))
    )
    # D = alpha^2 / ((n.h)^2 (alpha^2 - 1) + 1)^2, here without 1 / pi
    spread = (n_h * n_h) * (alpha * alpha - 1) + 1
    lobe = (alpha * alpha / (spread * spread)).clamp_max(60)
    # V = G / (4 (n.l) (n.v)) by Schlick and Smith
    k = (roughness + 1).square() / 8
    visible = 0.25 / ((n_l * (1 - k) + k) * (n_v * (1 - k) + k))
    # F = base + (1 - base) (1 - v.h)^5
    fresnel = base + (1 - base) * (1 - v_h).clamp(0, 1) ** 5
    return lobe * visible * fresnel * n_l


def mirror_share(normal: Tensor, view: Tensor, roughness: Tensor, base: Tensor) -> Tensor:
    """The part [B, 3, M] of the surroundings that a glossy surface reflects (Karis 2014's mobile fit)."""
    n_v = dot(normal, view, 1).clamp(0, 1)
    a = 1 - roughness
    b = torch.minimum(a * a, torch.exp2(-9.28 * n_v)) * a + (0.0425 - 0.0275 * roughness)
    scale = -1.04 * b + 1.04 - 0.572 * roughness
    return (base * scale.clamp(0, 1) + (1.04 * b - 0.04 + 0.022 * roughness).clamp(0, 1)).clamp(0, 1)


def _fractal(x: Tensor, y: Tensor, phase: Tensor, octaves: int) -> Tensor:
    """Smooth value noise in 0 to 1 at points [B, M]; `phase` [B, 1] tells scenes apart."""
    total, weight, scale = torch.zeros_like(x), 0.5, 1.0
    seed = (phase * 1000).int()
    for octave in range(octaves):
        total = total + weight * _value(x * scale + 7.3 * octave, y * scale - 3.1 * octave, seed + octave)
        weight, scale = weight * 0.5, scale * 2.03
    return total / (1 - 0.5**octaves)


def _value(x: Tensor, y: Tensor, seed: Tensor) -> Tensor:
    # Smoothstep between the random numbers of the four corners.
    i, j = torch.floor(x), torch.floor(y)
    u, v = x - i, y - j
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    i, j = i.int(), j.int()
    corners = [fraction(lattice_bits(i + a, j + b, seed, seed)) for b in (0, 1) for a in (0, 1)]
    low, high = torch.lerp(corners[0], corners[1], u), torch.lerp(corners[2], corners[3], u)
    return torch.lerp(low, high, v)


def _column(row: Tensor, part: slice) -> Tensor:
    return row[:, part].unsqueeze(-1)
