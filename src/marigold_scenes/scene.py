"""Random scenes: sampled on the CPU from (seed, index) alone, and packed into small tensors for any device."""

import importlib
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from marigold.core import seeds
from marigold_scenes import camera, lights, trace
from marigold_scenes.assembly import PlacedSolids
from marigold_scenes.description import SceneDescription
from marigold_scenes.families import FAMILIES
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.shapes import KINDS


@dataclass(frozen=True)
class Scene:
    """B scenes, padded to equal numbers of solids and materials."""

    keys: list[str]
    names: list[str]
    """The family of each."""
    seeds: Tensor
    """[B] int64, for all randomness of the renderer."""
    solids: trace.Solids
    material: Tensor
    """[B, N, 2] int64: of each solid and of its panels."""
    shift: Tensor
    """[B, N, 3]."""
    rows: Tensor
    """[B, M, materials.WIDTH]; row 0 is the ground."""
    eye: Tensor
    """[B, 3] metres."""
    turn: Tensor
    """[B, 3, 3] camera axes (right, up, back) to the world, in columns."""
    tangent: Tensor
    """[B] tangent of half the horizontal field of view."""
    floor: Tensor
    """[B] height of the endless ground."""
    hills: Tensor
    """[B, terrain.WIDTH]."""
    far: Tensor
    """[B] what lies deeper is sky."""
    reach: Tensor
    """[B] how far ambient light looks for obstacles."""
    sunny: bool
    """Whether any scene has a directional light, which is always the first."""
    lamps: int
    """How many other lights the scene with most of them has."""
    lights: Tensor
    """[B, LIGHTS, LIGHT_WIDTH]."""
    sky: Tensor
    """[B, SKY_WIDTH]."""
    dome: Tensor
    """[B, DOME_WIDTH] the ambient light."""
    bounce: Tensor
    """[B, 3] light that a white surface near by sends back."""
    lens: Tensor
    """[B, camera.WIDTH] settings of the photograph."""

    def to(self, device: torch.device | str) -> "Scene":
        """The same scenes with their tensors on another device."""
        return _map(self, lambda x: x.to(device, non_blocking=True))


def _map(value, change):
    moved = {}
    for field in fields(value):
        item = getattr(value, field.name)
        if isinstance(item, Tensor):
            moved[field.name] = change(item)
        elif isinstance(item, trace.Solids):
            moved[field.name] = _map(item, change)
    return replace(value, **moved)


def build(seed: int, indexes: list[int], families: tuple[str, ...] = FAMILIES) -> Scene:
    """Samples scenes number `indexes` of `seed`; each depends on the seed, its own index and the families alone.

    The order in which families are named does not matter.
    """
    families = tuple(sorted(families, key=FAMILIES.index))
    numbers = [seeds.number(seed, "scene", index) for index in indexes]
    descriptions, names = [], []
    for number in numbers:
        rng = RandomStream.of_seed(number)
        names.append(rng.pick(families))
        family = importlib.import_module(f"marigold_scenes.families.{names[-1]}")
        descriptions.append(family.sample(rng))
    return pack([f"procedural/{seed}/{index}" for index in indexes], names, numbers, descriptions)


def pack(keys: list[str], names: list[str], numbers: list[int], descriptions: list[SceneDescription]) -> Scene:
    """Descriptions as one batch: their names, and the random numbers that the renderer and the camera start from."""
    placed = [description.solids for description in descriptions]
    counts = tuple(_rounded(max(int((solids.kind == kind).sum()) for solids in placed)) for kind in range(len(KINDS)))
    to_local, half, shape, material, shift = (
        np.stack(column) for column in zip(*(_padded_solids(solids, counts) for solids in placed), strict=True)
    )
    lit = [description.light for description in descriptions]
    own = ("eye", "turn", "tangent", "floor", "hills", "far", "reach")
    return Scene(
        keys=keys,
        names=names,
        seeds=torch.tensor(numbers, dtype=torch.int64),
        solids=trace.Solids(counts, _tensor(to_local), _tensor(half), _tensor(shape)),
        material=torch.from_numpy(material),
        shift=_tensor(shift),
        rows=_tensor(_padded_rows([description.materials for description in descriptions])),
        **{name: _tensor([getattr(description, name) for description in descriptions]) for name in own},
        **{name: _tensor([getattr(light, name) for light in lit]) for name in ("lights", "sky", "dome", "bounce")},
        sunny=any(light.lights[0, lights.USED] > 0 for light in lit),
        lamps=max(int((light.lights[1:, lights.USED] > 0).sum()) for light in lit),
        lens=_tensor([camera.sample(np.random.default_rng(number)) for number in numbers]),
    )


def _tensor(values: np.ndarray | list) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _rounded(count: int) -> int:
    """Up to the next multiple of eight, so that few different sizes occur."""
    return -(-count // 8) * 8


def _padded_rows(tables: list[np.ndarray]) -> np.ndarray:
    """Tables of materials [M, WIDTH] as one [B, most, WIDTH]; the first row fills up."""
    most = max(len(table) for table in tables)
    return np.stack([np.concatenate([table, np.repeat(table[:1], most - len(table), 0)]) for table in tables])


def _padded_solids(solids: PlacedSolids, counts: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Maps to local metres, half sizes, forms, materials and shifts with a far-away speck in every unused place."""
    total = sum(counts)
    to_local = np.tile(np.eye(3, 4), (total, 1, 1))
    to_local[:, 1, 3] = 1e5
    half = np.full((total, 3), 1e-3)
    shape = np.zeros((total, solids.shape.shape[1]))
    material = np.zeros((total, 2), dtype=np.int64)
    shift = np.zeros((total, 3))
    # [N] where each solid goes: the start of its kind, and its number among those of its kind
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    first = np.concatenate([[0], np.cumsum(np.bincount(solids.kind, minlength=len(counts)))[:-1]])
    place = starts[solids.kind] + np.arange(len(solids.kind)) - first[solids.kind]
    # [N, 3, 4] the inverse of a rigid map: x => R^T x - R^T c
    inverse = solids.rotation.transpose(0, 2, 1)
    to_local[place] = np.concatenate([inverse, -inverse @ solids.centre[..., None]], -1)
    half[place], shape[place] = solids.half, solids.shape
    material[place], shift[place] = solids.material, solids.shift
    return to_local, half, shape, material, shift
