"""Random materials by role: one packed row (see `layout.py`) for a wall, a table, a lawn or a book."""

import numpy as np

from marigold.synth import layout, roles
from marigold.synth.palette import Dice

WIDTH = layout.WIDTH
"""Numbers in a row."""

ROLES = tuple(sorted(roles.RECIPES))
"""Every role that `sample` knows; `any` is one of them."""


def sample(rng: np.random.Generator, role: str) -> np.ndarray:
    """One packed material [WIDTH], float32, that could be found in this role."""
    return np.array(roles.RECIPES[role](Dice(rng)), dtype=np.float32)
