"""Random materials by role: one packed row (see `layout.py`) for a wall, a table, a lawn or a book."""

import numpy as np

from marigold_scenes import layout
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.roles import building, furnishing, nature, things

WIDTH = layout.WIDTH
"""Numbers in a row."""

RECIPES = building.RECIPES | furnishing.RECIPES | nature.RECIPES | things.RECIPES

ROLES = tuple(sorted(RECIPES))
"""Every role that `sample` knows; `facade` is a building's wall with windows, `any` a material of a thing."""


def sample(generator: np.random.Generator, role: str) -> np.ndarray:
    """One packed material [WIDTH], float32, that could be found in this role."""
    return np.array(RECIPES[role](RandomStream.of_generator(generator)), dtype=np.float32)
