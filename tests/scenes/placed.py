"""Hand-placed scenes for tests."""

import numpy as np

from marigold_scenes import daylight, layout, scene, view
from marigold_scenes.assembly import Assembly
from marigold_scenes.daylight import Light
from marigold_scenes.placement import Placement
from marigold_scenes.random_stream import RandomStream


def placed(
    *things,
    eye=(0.0, 0.0, 0.0),
    target=(0.0, 0.0, -1.0),
    tangent=0.5,
    floor=-50.0,
    light: Light | None = None,
    columns: dict | None = None,
) -> scene.Scene:
    """One scene of solids: each a name, centre, size, and optionally turn and numbers.

    Every surface is smooth; `columns` changes the material, by the columns of `layout.py`.
    """
    parts = Assembly(RandomStream.of_seed(1))
    parts.material("concrete")
    for column, value in ({layout.RELIEF: 0} | (columns or {})).items():
        parts.materials[0][column] = value
    for name, centre, size, *more in things:
        parts.add(Placement(), name, 0, centre, size, *more)
    plan = view.settle(
        parts,
        lambda: view.View(eye, target, 0.0, tangent),
        light or daylight.outdoors(RandomStream.of_seed(2), np.array([0.3, 0.3, 0.3])),
        view.Limits(near=0.0, middle=1.0, share=0.0, solids=0),
        ground=lambda x, z: floor,
        reach=1.0,
    )
    return scene.pack(["placed"], ["objects"], [7], [plan])
