"""The ray-caster's tests, one for each kind of solid, as they are written or compiled."""

from collections.abc import Callable

import torch
from torch import Tensor

from marigold_scenes import shapes
from marigold_scenes.shapes import KINDS

HitTest = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""First hits of rays in the world: `(maps, forms, origins, directions)` => `t` [T, P], and with which of K solids.

Affine maps [T, K, rows, 4] from the world into the space of each test, forms [T, K, 5, 1], origins [T, 3, P or 1],
directions [T, 3, P]. Of solids that are hit at one distance, the first counts.
"""

_HITS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "box": lambda origin, direction, form: shapes.box(origin, direction),
    "polytope": lambda origin, direction, form: shapes.polytope(origin, direction),
    "quadric": shapes.quadric,
    "leaves": shapes.leaves,
    "round": shapes.round_solid,
}
"""The hits [T, K, P] with each of K solids, from origins and directions [T, K, rows, P] in the space of the test."""

_DYNAMIC = ("round",)
"""Kinds whose test picks the rays that it follows, which no graph can hold."""


class HitTests:
    """The tests of all kinds of solids, by the index of the kind."""

    def __init__(self) -> None:
        self._tests = [_nearest(_HITS[kind]) for kind in KINDS]
        self._compiled = False

    def __getitem__(self, kind: int) -> HitTest:
        return self._tests[kind]

    def compile(self) -> None:
        """From now on each test is a single kernel, with the same hits to within rounding: a GPU waits less for memory.

        Rounded solids keep theirs. A second call changes nothing.
        """
        if self._compiled:
            return
        # Every number of solids and rays that occurs at first counts as another shape.
        torch._dynamo.config.recompile_limit = max(64, torch._dynamo.config.recompile_limit)
        pairs = zip(KINDS, self._tests, strict=True)
        self._tests = [test if kind in _DYNAMIC else _compiled(test) for kind, test in pairs]
        self._compiled = True


def _nearest(hits: Callable[[Tensor, Tensor, Tensor], Tensor]) -> HitTest:
    def nearest(maps: Tensor, form: Tensor, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        turned = _turned(maps, direction)
        # A o + b; [T, K, P] => [T, P] twice
        return hits(_turned(maps, origin).add_(maps[..., 3:]), turned, form).min(1)

    return nearest


def _turned(maps: Tensor, vectors: Tensor) -> Tensor:
    """The linear part of maps [T, K, rows, 4] times vectors [T, 3, P]: [T, K, rows, P].

    Written out, because a matrix product rounds in other ways for other sizes, and coincident faces would show it.
    """
    a, b, c, _ = maps.unsqueeze(-1).unbind(3)
    x, y, z = vectors[:, None, None].unbind(3)
    return (a * x).addcmul_(b, y).addcmul_(c, z)


def _compiled(test: HitTest) -> HitTest:
    fast = torch.compile(test, dynamic=True)

    def padded(maps: Tensor, form: Tensor, origin: Tensor, direction: Tensor) -> tuple[Tensor, Tensor]:
        groups, solids = maps.shape[:2]
        rays = [x.contiguous() for x in (origin.expand_as(direction), direction)]
        parts = [maps, form]
        # Sizes of one would be compiled apart from all others: one solid or group becomes two equal ones.
        parts = [torch.cat((x, x), 1) for x in parts] if solids == 1 else parts
        parts = [torch.cat((x, x), 0) for x in (*parts, *rays)] if groups == 1 else [*parts, *rays]
        t, slot = fast(*parts)
        return t[:groups], slot[:groups].clamp(max=solids - 1)

    return padded


HIT_TESTS = HitTests()
"""The tests of this process."""
