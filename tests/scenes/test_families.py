"""Families: every scene has valid fields, every thing is in use, and things stand where they are put down."""

import importlib
import pkgutil
import sys

import numpy as np
import pytest
import torch

from marigold.core.fields import FIELDS
from marigold_scenes import render, scene, terrain, things
from marigold_scenes.assembly import Assembly
from marigold_scenes.families import FAMILIES, landscape, objects, room, street, tabletop
from marigold_scenes.materials import ROLES
from marigold_scenes.placement import Placement
from marigold_scenes.primitives import SHAPES
from marigold_scenes.random_stream import RandomStream
from marigold_scenes.things import furniture, seats
from marigold_scenes.things.small import SMALL


def assembly(seed):
    parts = Assembly(RandomStream.of_seed(seed))
    parts.material("concrete")
    return parts


def bounds(parts):
    """The lowest and highest corners [3] of everything that was built."""
    solids = parts.finish()
    reach = (np.abs(solids.rotation) @ solids.half[..., None])[..., 0]
    return (solids.centre - reach).min(0), (solids.centre + reach).max(0)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_valid_fields_in_wide_pictures_too(family):
    sample = render.render(21, [0, 1, 2], 32, 80, families=(family,))
    for name, values in sample.maps.items():
        used = values.masked_select(sample.valid[name])
        assert len(used) > 0
        assert used.isfinite().all()
        assert FIELDS[name].low <= used.min() and used.max() <= FIELDS[name].high


@pytest.mark.parametrize("family", FAMILIES)
def test_descriptions_are_complete(family):
    for seed in range(6):
        description = importlib.import_module(f"marigold_scenes.families.{family}").sample(RandomStream.of_seed(seed))
        solids = description.solids
        assert len(solids.kind) > 3
        assert solids.material.min() >= 0 and solids.material.max() < len(description.materials)
        assert (np.diff(solids.kind) >= 0).all()
        assert np.isfinite(solids.centre).all() and (solids.half > 0).all()
        assert len(description.hills) == terrain.WIDTH
        assert 0 < description.reach < description.far


def test_only_landscapes_have_hills():
    scenes = scene.build(0, list(range(30)))
    hilly = scenes.hills[:, terrain.USED] > 0
    assert hilly.tolist() == [name == "landscape" for name in scenes.names]


def public_functions():
    modules = [
        importlib.import_module(f"marigold_scenes.things.{info.name}") for info in pkgutil.iter_modules(things.__path__)
    ]
    return {
        (module.__name__, name)
        for module in modules
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
        and not name.startswith("_")
        and not isinstance(value, type)
    }


def test_every_thing_is_in_use():
    functions, used = public_functions(), set()

    def note(frame, event, argument):
        if event == "call":
            used.add((frame.f_globals.get("__name__"), frame.f_code.co_name))

    sys.setprofile(note)
    try:
        for index in range(200):
            scene.build(0, [index])
            if functions <= used:
                break
    finally:
        sys.setprofile(None)
    assert functions - used == set()


def test_twenty_primitives_are_in_use(monkeypatch):
    used, add = set(), Assembly.add

    def note(self, at, name, *rest, **options):
        used.add(name)
        add(self, at, name, *rest, **options)

    monkeypatch.setattr(Assembly, "add", note)
    for index in range(40):
        scene.build(0, [index])
    assert used <= {*SHAPES, "rounded", "torus"}
    assert len(used) >= 20


@pytest.mark.parametrize("make", SMALL, ids=lambda make: make.__name__)
def test_small_things_stand_on_the_table_within_their_radius(make):
    for seed in range(8):
        parts = assembly(seed)
        radius = make(parts, Placement(10.0, 0.7, -3.0, 0.4))
        low, high = bounds(parts)
        assert 0.7 - 0.05 < low[1] < 0.7 + 0.03
        assert high[1] < 0.7 + 1.2
        assert 0 < radius < 0.4
        assert abs(low[0] + high[0] - 20) / 2 < 0.25 and abs(low[2] + high[2] + 6) / 2 < 0.25


PIECES = (
    *(furniture.table, furniture.cabinet, furniture.shelf, furniture.floor_lamp, furniture.coffer, furniture.bin_),
    *(seats.chair, seats.stool, seats.sofa, seats.bed, furniture.pile_of_boxes),
)


@pytest.mark.parametrize("make", PIECES, ids=lambda make: make.__name__)
def test_furniture_stands_on_the_floor_and_has_about_the_size_that_it_states(make):
    for seed in range(8):
        parts = assembly(seed)
        width, depth, *_ = make(parts, Placement())
        low, high = bounds(parts)
        assert -0.05 < low[1] < 0.16
        assert high[0] - low[0] == pytest.approx(width, abs=0.3)
        assert high[2] - low[2] == pytest.approx(depth, abs=0.5)


@pytest.mark.parametrize("make", [furniture.table, furniture.cabinet])
def test_a_top_lies_at_the_height_that_is_stated(make):
    for seed in range(8):
        parts = assembly(seed)
        *_, height = make(parts, Placement())
        assert bounds(parts)[1][1] == pytest.approx(height, abs=0.02)


@pytest.mark.parametrize(("make", "natural"), objects.COMPOSITES, ids=lambda value: getattr(value, "__name__", ""))
def test_composites_are_about_as_large_as_their_natural_size(make, natural):
    sizes = []
    for seed in range(6):
        parts = assembly(seed)
        make(parts, Placement())
        low, high = bounds(parts)
        sizes.append((high - low).max())
    assert 0.3 * natural < np.median(sizes) < 3 * natural


def test_the_roles_that_families_draw_from_exist():
    for roles in (objects.GROUNDS, objects.BACKDROPS, street.ROADS, tabletop.OUTDOORS, tabletop.TOPS):
        assert set(roles) <= set(ROLES)


@pytest.mark.parametrize("family", [room, tabletop, street, landscape])
def test_limits_can_be_met(family):
    limits = family.LIMITS
    assert 0 < limits.near < limits.middle <= limits.far
    assert 0 < limits.share <= 1 and limits.solids > 0


def test_what_is_strewn_over_the_land_finds_room():
    rare = [thing for probability, thing in landscape.RARE if 0 < probability < 1]
    assert len(rare) == len(landscape.RARE)
    for thing in (landscape.HOUSE, landscape.TREE, landscape.STONES, landscape.BUSH, landscape.TUFT, *rare):
        assert thing.radius > 0 and 0 < thing.near < thing.far


def test_chairs_face_the_table():
    for x, z, yaw in room.SEATS:
        # A chair faces +z, turned by its yaw.
        ahead = Placement(yaw=yaw).point(0.0, 0.0, 1.0)
        assert ahead[0] * x + ahead[2] * z < 0


def test_scenes_of_one_family_differ():
    images = render.render(5, list(range(4)), 16, 16, families=("objects",)).image
    assert torch.pdist(images.flatten(1)).min() > 0.5
