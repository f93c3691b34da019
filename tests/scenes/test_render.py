"""Rendered scenes: the recomposition identity, determinism, ranges, and what they are made of."""

import pickle

import pytest
import torch

from marigold.core.fields import FIELDS
from marigold_scenes import render, scene
from marigold_scenes.families import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_the_linear_picture_is_albedo_times_shading_plus_residual(family):
    sample = render.shoot(scene.build(1, [3, 4], (family,)), 48, 48, with_linear=True)
    maps = sample.maps
    recomposed = maps["albedo"] * maps["shading"] + maps["residual"]
    torch.testing.assert_close(maps["linear"], recomposed, rtol=0, atol=1e-5)
    assert float(maps["linear"].amax()) > 0


@pytest.mark.parametrize("family", FAMILIES)
def test_every_field_is_finite_and_in_its_range(family):
    sample = render.render(2, list(range(6)), 48, 48, families=(family,))
    assert sample.image.shape == (6, 3, 48, 48)
    assert 0 <= sample.image.min() <= sample.image.max() <= 1
    assert (sample.valid["depth"].flatten(1).float().mean(1) > 0.1).all()
    for name, values in sample.maps.items():
        field = FIELDS[name]
        assert values.isfinite().all()
        assert field.low <= values.min()
        assert values.max() <= field.high
        assert values.shape == (6, field.channels, 48, 48)
    length = sample.maps["normals"].norm(dim=1)
    torch.testing.assert_close(length, torch.ones_like(length), rtol=0, atol=1e-4)


def test_normals_face_the_camera():
    scenes = scene.build(3, [0, 1, 2, 3])
    sample = render.shoot(scenes, 48, 48)
    centres = (torch.arange(48) + 0.5 - 24) / 24
    x, y = torch.meshgrid(centres, -centres, indexing="xy")
    tangent = scenes.tangent.view(-1, 1, 1)
    rays = torch.stack((x * tangent, y * tangent, -torch.ones(4, 48, 48)), 1)
    facing = (rays * sample.maps["normals"]).sum(1)
    assert (facing[sample.valid["normals"][:, 0]] <= 1e-5).all()


def test_the_same_scene_is_the_same_picture():
    one, two = (render.render(4, [9], 32, 32) for _ in range(2))
    assert torch.equal(one.image, two.image)
    assert all(torch.equal(one.maps[name], two.maps[name]) for name in one.maps)


def test_other_seeds_and_indexes_are_other_pictures():
    one, other_index, other_seed = (render.render(*where, 16, 16).image for where in ((0, [1]), (0, [2]), (1, [1])))
    assert not torch.allclose(one, other_index, atol=0.05)
    assert not torch.allclose(one, other_seed, atol=0.05)


def test_pictures_need_not_be_square_or_whole_tiles():
    sample = render.render(6, [0], 33, 50)
    assert sample.image.shape == (1, 3, 33, 50)
    assert sample.maps["depth"].shape == (1, 1, 33, 50)


def test_sky_has_a_finite_depth_and_no_valid_field():
    sample = render.render(7, list(range(4)), 32, 32, families=("landscape",))
    sky = ~sample.valid["normals"]
    assert sky.any()
    assert (sample.maps["depth"][sky] >= sample.maps["depth"][~sky].max() - 1e-3).all()
    others = {name: valid for name, valid in sample.valid.items() if name != "depth"}
    assert all(torch.equal(valid, sample.valid["normals"]) for valid in others.values())
    assert not (sample.valid["depth"] & sky).any()


def test_depth_beyond_six_medians_is_out_of_range():
    depth = torch.tensor([1.0, 2.0, 3.0, 12.0, 12.5, 80.0]).view(1, 1, 1, 6)
    known = torch.tensor([True, True, True, True, True, False]).view(1, 1, 1, 6)
    # The median of the five known depths is 3, so the limit is 18; of the last four it is the lower middle one, 2.
    assert render.in_range(depth, known).flatten().tolist() == [True, True, True, True, True, False]
    known[..., 3:] = False
    known[..., 4] = True
    assert render.in_range(depth, known).flatten().tolist() == [True, True, True, False, False, False]


def test_scenes_can_be_sent_to_other_processes():
    scenes = scene.build(0, [0, 1])
    back = pickle.loads(pickle.dumps(scenes))
    assert torch.equal(back.solids.to_local, scenes.solids.to_local)
    assert back.names == scenes.names


def test_all_families_are_drawn():
    assert {scene.build(0, [index]).names[0] for index in range(40)} == set(FAMILIES)
