"""Numbers that decide how much is read, kept or computed have bounds that are checked before anything of their size."""

import math
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from marigold.core import device
from marigold.core.config import decode
from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Sample
from marigold.data.augment import Augment, augment
from marigold.data.mix import Mix
from marigold.data.pool import Pool, Pools
from marigold.data.reader import Reading
from marigold.data.source import Source, present
from marigold.datasets.photos import CROPS, Crops, Photos
from marigold.modalities.depth import Depth
from toys.scenes import Toy

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize("name", ["mirror", "jitter", "blur", "noise", "grey"])
@pytest.mark.parametrize("value", [-0.1, 1.1, NAN, INF, 1e300])
def test_a_probability_is_0_to_1(name, value):
    with pytest.raises(ConfigError, match=f"augment.{name}: .* cannot be used; it must be 0 to 1"):
        Augment(**{name: value})


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "cast", "noise_level", "sigma"])
@pytest.mark.parametrize("value", [-0.1, NAN, INF, 1e300])
def test_a_strength_is_a_moderate_number(name, value):
    with pytest.raises(ConfigError, match=f"augment.{name}: "):
        Augment(**{name: value})


@pytest.mark.parametrize(
    ("name", "values"), [("zoom", [0.5, 0.0, -1, NAN, INF, 1e9]), ("stretch", [0.0, NAN, INF]), ("size", [-1, 10**9])]
)
def test_a_window_has_a_size(name, values):
    for value in values:
        with pytest.raises(ConfigError, match=f"augment.{name}: "):
            Augment(**{name: value})


@pytest.mark.parametrize("size", [1, 2, 7])
def test_odd_and_small_sizes_work(size):
    photo = Sample("", torch.full((2, 3, 9, 9), 0.5), {}, {})
    how = Augment(mirror=1, size=size, zoom=100, stretch=100, blur=1, sigma=100, noise=1, jitter=1, brightness=10)
    image = augment(photo, how, torch.Generator().manual_seed(0)).image
    assert image.shape == (2, 3, size, size) and image.min() >= 0 and image.max() <= 1


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("weight", [-1.0, NAN, INF, 1e300]),
        ("capacity", [0, -1, 10**9]),
        ("renewal", [-1.0, NAN, INF, 1e300]),
        ("block", [0, -1, 10**9]),
        ("augment", [Augment(size=1 << 14, zoom=2.0)]),
    ],
)
def test_a_source_s_numbers_have_bounds(name, values):
    for value in values:
        with pytest.raises(ConfigError, match=f"data source .*{name}"):
            Source(Toy(), **{name: value})


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ({"augment": {"zoom": NAN}}, "augment.zoom"),
        ({"augment": {"size": -2}}, "augment.size"),
        ({"weight": "1e400"}, "weight"),
        ({"capacity": 10**30}, "capacity"),
    ],
)
def test_a_recipe_is_told_which_key(content, key):
    with pytest.raises(ConfigError, match=f"^recipe.data.0.*{key}"):
        decode(Source, {"dataset": "procedural", **content}, "recipe.data.0")


def test_a_pool_that_no_memory_holds_is_refused_before_it_is_made(monkeypatch):
    # 2 samples a block of 16 x 16 pixels in half precision: 3 + 1 channels and a mask, 2304 bytes each.
    monkeypatch.setattr(device, "_bytes_of", lambda _: 1_000_000)
    monkeypatch.setattr(Pool, "_room", lambda *_: pytest.fail("made"))
    source = Source(Toy(), capacity=1000, block=2)
    words = r"`capacity` 1000 samples of this size: about 0\.0 GB, and cpu has 0\.0 GB; set a smaller one"
    with pytest.raises(ConfigError, match=words):
        Pool(source, ("depth",), 0, Reading()).draw(0, 1, ("depth",))


def test_a_block_that_no_memory_holds_is_refused_after_its_first_sample(monkeypatch):
    reads = []

    class Counted(Toy):
        def read(self, root, key):
            reads.append(key)
            return super().read(root, key)

    monkeypatch.setattr(device, "_bytes_of", lambda _: 100_000)
    with pytest.raises(ConfigError, match=r"100 samples of its size: .*; set a smaller `block`"):
        Pool(Source(Counted(), capacity=100, block=100), ("depth",), 0, Reading()).draw(0, 1, ("depth",))
    assert len(reads) == 1


def test_processes_that_no_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr(device, "_bytes_of", lambda _: 1 << 30)
    with pytest.raises(ConfigError, match=r"--workers 8: about 3\.4 GB, and cpu has 1\.1 GB; use fewer"):
        Reading(workers=8)
    assert Reading(workers=2).workers == 2


def test_weights_that_are_all_0_are_refused():
    source = Source(Toy(), weight=0.0)
    with pytest.raises(ConfigError, match=r"recipe\.data: every `weight` is 0"):
        Mix((source, source), Depth(), Pools(Reading()), batch=1, seed=0).batch(0)


def test_samples_smaller_than_the_network_takes_are_refused():
    mix = Mix((Source(Toy(size=6), capacity=2, block=2),), Depth(), Pools(Reading()), batch=2, seed=0, stride=8)
    with pytest.raises(DataError, match="6 x 6 pixels are less than the network's 8 x 8"):
        mix.batch(0)


def test_an_optional_folder_that_cannot_be_looked_at_is_left_out(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    sources = (Source(Toy()), Source(Toy(), root=tmp_path / "loop", optional=True))
    assert present(sources) == sources[:1]


@dataclass(frozen=True)
class Large(Toy):
    """Samples of 1 MB as they are sent."""

    def read(self, root: Path, key: str) -> Sample:
        return Sample(key, torch.full((3, 296, 296), 0.5), {}, {})


def _keys(number: int) -> list[str]:
    return [f"train/{number}"]


def test_blocks_are_read_ahead_by_their_bytes(monkeypatch):
    from marigold.data import reader

    sent = []

    class Now:
        """A pool of processes that does at once what it is asked for."""

        def submit(self, work, *arguments):
            sent.append(arguments)
            content = work(*arguments)
            return type("Done", (), {"result": lambda self: content})()

        def shutdown(self, **_):
            pass

    def ahead(limit):
        sent.clear()
        monkeypatch.setattr(reader, "_AHEAD", limit)
        monkeypatch.setattr(reader, "ProcessPoolExecutor", lambda *_: Now())
        there = reader.Reader(
            Source(Large(), block=1), (), lambda number: [f"train/{number}"], Reading(workers=2), None
        )
        for number in range(4):
            there.block(number)
        return len(sent) - 4

    assert ahead(1 << 30) == 6  # three for each process
    assert ahead(3 << 20) == 2  # one for each, since two more would already be too large
    assert ahead(6 << 20) == 5


def test_the_keys_of_many_photos_are_made_when_they_are_asked_for(tmp_path):
    for number in range(20):
        (tmp_path / f"{number:02d}.jpg").touch()
    keys = Photos().scan(tmp_path, "train")
    assert isinstance(keys, Crops) and len(keys) == 18 * CROPS
    assert list(keys[:3]) == ["00.jpg#0", "01.jpg#0", "02.jpg#0"]
    assert (keys[18], keys[-1]) == ("00.jpg#1", f"18.jpg#{CROPS - 1}")
    assert list(Photos().scan(tmp_path, "test")) == ["09.jpg#0", "19.jpg#0"]


@pytest.mark.parametrize(
    "settings",
    [
        {"height": 0},
        {"width": -1},
        {"height": 10**9},
        {"smallest": 0.0},
        {"smallest": NAN},
        {"largest": 0.1},
        {"largest": 2.0},
    ],
)
def test_crops_have_a_size(settings):
    with pytest.raises(ConfigError, match=f"{next(iter(settings))}: .* cannot be used"):
        Photos(**settings)
