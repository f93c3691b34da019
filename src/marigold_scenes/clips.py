"""Clips: a moving camera among things of which some move, with exact depth, poses, and what has moved.

Frame t of clip `index` of a seed is the same picture on any machine. Scenes are those of `scene.build`; lens and
exposure settings stay for the whole clip, the sensor's noise is anew in each frame.
"""

import importlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from marigold.core import seeds
from marigold.core.sample import Camera, Sample
from marigold.measure.temporal import Pose
from marigold_scenes import render, scene, trace
from marigold_scenes.assembly import PlacedSolids
from marigold_scenes.description import SceneDescription
from marigold_scenes.families import FAMILIES
from marigold_scenes.gbuffer import trace_camera
from marigold_scenes.primitives import form
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.scene import Scene
from marigold_scenes.tiles import Raster

MOVERS = 3
"""Things that move through a clip."""
REACH = 0.5
"""How far the camera moves, as a share of the distance to what is near."""
SWING = 6.0
"""How far the camera turns to either side, in degrees."""
SWEEP = 48
"""Frames in which a thing moves from its start to its end: what moves from frame to frame does not depend on how many
there are."""
_PROBE = 32
"""Pixels along the side of the picture that distances are taken from."""


@dataclass(frozen=True)
class ClipFrame:
    """One frame with its truth."""

    sample: Sample
    """Without batch dimensions; its camera is the same in all frames."""
    pose: Pose
    moving: Tensor
    """[1, H, W] bool: what the pixel shows moves through the scene."""


@dataclass(frozen=True)
class _Motion:
    """How camera and things move; a sweep takes a time of 1."""

    shift: np.ndarray
    """[3] camera axes (right, up, back), metres at the end of a swing."""
    turns: float
    """Radians about the camera's up axis at the end of a swing."""
    phase: float
    starts: np.ndarray
    """[MOVERS, 3] where things begin, world, metres."""
    ways: np.ndarray
    """[MOVERS, 3] from there to where they end."""
    spins: np.ndarray
    """[MOVERS] radians about the world's up axis."""


def render_clip(
    seed: int,
    index: int,
    frames: int,
    height: int,
    width: int,
    families: tuple[str, ...] = FAMILIES,
    *,
    device: str = "cpu",
) -> Iterator[ClipFrame]:
    """The frames of clip number `index` of a seed, one at a time."""
    number = seeds.number(seed, "clip", index)
    rng = RandomStream.of_seed(number)
    name = rng.pick(families)
    still: SceneDescription = importlib.import_module(f"marigold_scenes.families.{name}").sample(rng)
    near, middle = _distances(_packed(still, name, number, "probe"))
    motion = _motion(rng, still, near, middle)
    extents = [middle * rng.uniform(0.08, 0.16) for _ in range(MOVERS)]
    materials = [rng.integer(0, len(still.materials) - 1) for _ in range(MOVERS)]
    for frame in range(frames):
        time = frame / SWEEP
        seen = _from_camera(still, motion, time)
        full = replace(seen, solids=_with_movers(seen.solids, motion, time, extents, materials))
        key = f"clip/{seed}/{index}/{frame}"
        own = seeds.number(number, "frame", frame)
        yield _frame(
            _packed(full, name, number, key, own).to(device), _packed(seen, name, number, key).to(device), height, width
        )


def _frame(full: Scene, still: Scene, height: int, width: int) -> ClipFrame:
    sample = render.shoot(full, height, width)
    with torch.no_grad(), render.exactly(still.eye.device.type):
        behind = trace_camera(still, trace.tables(still.solids), Raster(height, width)).t[..., :height, :width]
    depth = sample.maps["depth"]
    moving = depth < torch.minimum(behind, still.far.view(-1, 1, 1, 1)) * (1 - 1e-5)
    focal = 0.5 * width / float(full.tangent)
    camera = Camera(focal, focal, width / 2, height / 2)
    pose = Pose(full.eye[0].double().cpu(), full.turn[0].double().cpu())
    return ClipFrame(replace(sample.each(lambda x: x[0].cpu()), camera=camera), pose, moving[0].cpu())


def _packed(description: SceneDescription, name: str, number: int, key: str, noise: int | None = None) -> Scene:
    """One scene; the lens is that of `number`, the sensor's noise that of `noise`."""
    packed = scene.pack([key], [name], [number], [description])
    return packed if noise is None else replace(packed, seeds=torch.tensor([noise], dtype=torch.int64))


def _distances(probe: Scene) -> tuple[float, float]:
    """The depth of what is near, and the median depth, in metres."""
    depth = render.shoot(probe, _PROBE, _PROBE).maps["depth"].flatten()
    near, middle = torch.quantile(depth, torch.tensor([0.05, 0.5])).tolist()
    return near, middle


def _motion(rng: RandomStream, still: SceneDescription, near: float, middle: float) -> _Motion:
    right, up, back = still.turn.T
    starts, ways = [], []
    for _ in range(MOVERS):
        depth, side = middle * rng.uniform(0.45, 0.9), rng.pick((-1.0, 1.0))
        half = depth * still.tangent
        across = right * side * half
        centre = still.eye - back * depth + up * rng.uniform(-0.4, 0.3) * half
        start = centre - across * rng.uniform(0.7, 1.3)
        end = centre + across * rng.uniform(0.3, 1.3) + back * depth * rng.uniform(-0.4, 0.3)
        starts.append(start)
        ways.append(end - start)
    reach = REACH * near
    shift = np.array([rng.uniform(-1, 1), rng.uniform(-0.2, 0.2), rng.uniform(-0.8, 0.2)]) * reach
    turns = math.radians(SWING) * rng.uniform(-1, 1)
    spins = np.array([rng.uniform(-3, 3) for _ in range(MOVERS)])
    return _Motion(shift, turns, rng.uniform(0, math.pi), np.array(starts), np.array(ways), spins)


def _from_camera(still: SceneDescription, motion: _Motion, time: float) -> SceneDescription:
    """The scene from where the camera is at a time; it swings to and fro, and never below the ground."""
    swing = math.sin(motion.phase + math.pi * time)
    eye = still.eye + still.turn @ (motion.shift * swing)
    angle = motion.turns * math.sin(motion.phase + 1.5 * math.pi * time)
    c, s = math.cos(angle), math.sin(angle)
    about_up = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return replace(still, eye=np.array([eye[0], max(eye[1], still.floor + 0.1), eye[2]]), turn=still.turn @ about_up)


def _with_movers(
    solids: PlacedSolids, motion: _Motion, time: float, extents: list[float], materials: list[int]
) -> PlacedSolids:
    """The solids with the moving things among them, sorted by kind."""
    kinds, shapes = zip(*(form(("sphere", "box", "cylinder")[one % 3]) for one in range(MOVERS)), strict=True)
    spins = motion.spins * time
    rotation = np.stack([[[math.cos(a), 0, math.sin(a)], [0, 1, 0], [-math.sin(a), 0, math.cos(a)]] for a in spins])
    added = PlacedSolids(
        kind=np.array(kinds, dtype=np.int64),
        centre=motion.starts + motion.ways * time,
        rotation=rotation,
        half=np.array(extents)[:, None].repeat(3, 1),
        shape=np.array(shapes, dtype=np.float32),
        material=np.array(materials, dtype=np.int64)[:, None].repeat(2, 1),
        shift=np.arange(MOVERS)[:, None] * np.array([3.0, 5.0, 7.0]),
    )
    joined = [np.concatenate(pair) for pair in zip(solids, added, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    return PlacedSolids(*(column[order] for column in joined))
