"""The data set `procedural`: keys, splits that never meet, and what is said about mistakes."""

import math
import pickle
from pathlib import Path

import pytest
import torch

from marigold.core.errors import ConfigError, DataError
from marigold.core.fields import FIELDS
from marigold.core.find import implementation, name_of
from marigold.datasets.base import Dataset
from marigold_scenes.families import FAMILIES
from marigold_scenes.procedural import INDEXES, Procedural

ROOT = Path()
SMALL = Procedural(height=16, width=24, families=("objects",))


def test_it_is_found_by_its_short_name():
    assert implementation(Dataset, "procedural") is Procedural
    assert name_of(SMALL) == "procedural"


def test_its_fields_are_known():
    assert set(SMALL.card.fields) <= set(FIELDS)
    assert SMALL.card.splits == ("train", "val", "test")


def test_training_meets_neither_validation_nor_test():
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        assert max(INDEXES[one].start, INDEXES[other].start) >= min(INDEXES[one].stop, INDEXES[other].stop)


def test_keys_are_made_when_they_are_asked_for():
    keys = Procedural(seed=7).scan(ROOT, "train")
    assert len(keys) == 1 << 30
    assert keys[12_345_678] == "procedural/7/12345678"
    assert list(keys[2:8:3]) == ["procedural/7/2", "procedural/7/5"]
    with pytest.raises(IndexError):
        keys[1 << 30]


@pytest.mark.parametrize("split", ["val", "test"])
def test_held_out_splits_have_two_hundred_scenes(split):
    assert len(set(SMALL.scan(ROOT, split))) == 200


def test_a_split_that_does_not_exist_is_named_with_its_neighbour():
    with pytest.raises(DataError, match="no split named `vall`; did you mean `val`"):
        SMALL.scan(ROOT, "vall")


def test_a_sample_has_the_size_the_fields_and_the_key_that_were_asked_for():
    key = SMALL.scan(ROOT, "test")[3]
    sample = SMALL.read(ROOT, key)
    assert sample.key == key
    assert sample.image.shape == (3, 16, 24)
    assert set(sample.maps) == set(sample.valid) == set(SMALL.card.fields)
    for name, values in sample.maps.items():
        assert values.shape == (FIELDS[name].channels, 16, 24)
        assert sample.valid[name].dtype == torch.bool


def test_the_camera_is_the_one_that_the_depth_was_seen_with():
    prepared = SMALL.prepare(ROOT, ["procedural/0/4", "procedural/0/5"])
    camera = SMALL.finish(prepared, "cpu").camera
    # Pixels are square: half the width over the tangent of half the horizontal field of view.
    for focal in (camera.fx, camera.fy):
        torch.testing.assert_close(focal, 12 / prepared.tangent.double())
    assert camera.cx.tolist() == [12.0, 12.0] and camera.cy.tolist() == [8.0, 8.0]


def test_a_floor_unprojected_with_the_camera_is_level():
    street = Procedural(height=48, width=64, families=("street",))
    prepared = street.prepare(ROOT, ["procedural/0/2"])
    sample = street.finish(prepared, "cpu")
    camera, depth = sample.camera, sample.maps["depth"][0, 0].double()
    x = (torch.arange(64) + 0.5 - camera.cx) / camera.fx * depth
    y = -(torch.arange(48).view(-1, 1) + 0.5 - camera.cy) / camera.fy * depth
    # Camera axes to the world, and from the eye
    points = torch.einsum("ij,jhw->ihw", prepared.turn[0].double(), torch.stack((x, y, -depth)))
    height = points[1] + prepared.eye[0, 1]
    up = (sample.maps["normals"][0] * prepared.turn[0, 1].view(3, 1, 1)).sum(0)
    level = sample.valid["depth"][0, 0] & (up > 0.999) & (height.abs() < 0.2)
    assert level.sum() > 100
    # The road lies at 0; kerbs and pavements are a few centimetres higher.
    assert height[level].min() > -1e-3


def test_several_samples_are_the_single_ones():
    keys = ["procedural/0/8", "procedural/0/9"]
    together = SMALL.read_many(ROOT, keys, "cpu")
    assert together.image.shape == (2, 3, 16, 24)
    assert together.key == " ".join(keys)


def test_what_is_prepared_can_be_sent_to_another_process():
    prepared = pickle.loads(pickle.dumps(SMALL.prepare(ROOT, ["procedural/0/1"])))
    expected = SMALL.read(ROOT, "procedural/0/1")
    assert torch.equal(SMALL.finish(prepared, "cpu").image[0], expected.image)


@pytest.mark.parametrize(
    "key",
    [
        "procedural/0",
        "procedural/0/1/2",
        "synth/0/1",
        "procedural/x/1",
        "procedural/0/-1",
        "procedural/0/1.5",
        "",
        "procedural/0/\u0661",
        "procedural/0/" + "9" * 5000,
        "procedural/0/1\n",
        "\udce9/0/1",
    ],
)
def test_a_key_of_another_shape_is_refused_with_an_example(key):
    with pytest.raises(DataError, match="keys look like procedural/0/17"):
        SMALL.read(ROOT, key)


def test_scenes_that_no_memory_holds_are_refused_before_they_are_rendered():
    huge = Procedural(height=1 << 20, width=1 << 20, families=("objects",))
    with pytest.raises(ConfigError, match=r"1 scenes of 1048576 x 1048576: about \S+ GB, and cpu has \S+ GB; render"):
        huge.read_many(ROOT, ["procedural/0/1"], "cpu")


def test_keys_of_several_seeds_are_read_separately():
    with pytest.raises(DataError, match=r"seeds \[0, 3\]; read them separately"):
        SMALL.read_many(ROOT, ["procedural/0/1", "procedural/3/1"], "cpu")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"families": ("room", "rooom")}, "no family named `rooom`; did you mean `room`?"),
        ({"families": ()}, "none is named; name some of room"),
        ({"height": 0}, "height: 0 pixels; it must be at least 1"),
        ({"width": -4}, "width: -4 pixels"),
        ({"height": 10**9}, "height: 1000000000 pixels; it must be at least 1 and at most"),
        ({"seed": -1}, "seed: -1 cannot be used; it must be 0 to 9223372036854775807"),
        ({"seed": 10**30}, "seed: 1" + "0" * 30),
    ],
)
def test_options_that_cannot_work_are_refused_at_once(options, complaint):
    with pytest.raises(ConfigError) as caught:
        Procedural(**options)
    assert complaint in str(caught.value)


def test_another_seed_and_other_families_are_other_scenes():
    key = "procedural/0/11"
    first = SMALL.read(ROOT, key).image
    assert not torch.equal(first, SMALL.read(ROOT, "procedural/1/11").image)
    assert not torch.equal(first, Procedural(height=16, width=24, families=("room",)).read(ROOT, key).image)


def test_the_shape_of_a_picture_is_not_what_is_in_it():
    # The same horizontal field of view: a picture twice as wide shows the same scene, closer to its middle in height.
    plans = [Procedural(height=16, width=width).prepare(ROOT, ["procedural/0/5"]) for width in (16, 32)]
    assert torch.equal(plans[0].eye, plans[1].eye) and torch.equal(plans[0].tangent, plans[1].tangent)
    assert plans[0].names == plans[1].names
    assert math.isfinite(float(plans[0].tangent))


def test_all_families_are_drawn_when_none_is_chosen():
    names = (
        SMALL.prepare(ROOT, ["procedural/0/1"]).names
        + Procedural().prepare(ROOT, [f"procedural/0/{index}" for index in range(40)]).names
    )
    assert set(names) == set(FAMILIES)


def test_a_data_set_that_has_nothing_to_compile_says_nothing():
    class Plain(Dataset):
        def scan(self, root, split):
            return []

        def read(self, root, key):
            raise NotImplementedError

    assert Plain().compile() is None
