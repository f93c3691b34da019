"""Samples on disk: what is written is read back, and nothing is ever half there."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from marigold.core.errors import DataError, OutputError
from marigold.core.sample import Camera, Sample
from marigold.datasets import _maps
from marigold.datasets.base import DatasetCard
from marigold.datasets.folder import Folder, has_sample, read_card, write_index, write_sample

HEIGHT, WIDTH = 12, 17
CARD = DatasetCard(("depth", "normals", "albedo"), ("test",), "CC0", "made up", (0.1, float("inf")))


def made(key: str = "test/000000") -> Sample:
    generator = torch.Generator().manual_seed(0)

    def rand(channels: int) -> torch.Tensor:
        return torch.rand(channels, HEIGHT, WIDTH, generator=generator)

    photo = (rand(3) * 255).round() / 255
    normals = torch.nn.functional.normalize(rand(3) - 0.5, dim=0)
    maps = {"depth": rand(1) * 100 + 0.1, "normals": normals, "albedo": rand(3)}
    valid = {name: rand(1) < 0.8 for name in maps}
    return Sample(key, photo, maps, valid, Camera(20.5, 20.25, 8.5, 6.0))


@pytest.fixture
def root(tmp_path):
    write_index(tmp_path, CARD, {"seed": 0})
    return tmp_path


def test_what_is_written_is_read_back(root):
    sample = made()
    write_sample(root, sample)
    back = Folder().read(root, sample.key)
    assert torch.equal(back.image, sample.image)
    assert torch.equal(back.maps["depth"], sample.maps["depth"])
    assert back.camera == sample.camera
    assert back.maps.keys() == sample.maps.keys()
    for name in sample.maps:
        assert torch.equal(back.valid[name], sample.valid[name])


def test_normals_keep_a_fiftieth_of_a_degree_and_unit_length(root):
    write_sample(root, made())
    back = Folder().read(root, "test/000000").maps["normals"].double()
    angle = torch.linalg.cross(back, made().maps["normals"].double(), dim=0).norm(dim=0).asin().rad2deg()
    assert angle.max() < 0.02
    torch.testing.assert_close(back.norm(dim=0), torch.ones(HEIGHT, WIDTH).double(), rtol=0, atol=1e-6)


def test_colours_keep_three_significant_digits(root):
    write_sample(root, made())
    back = Folder().read(root, "test/000000").maps["albedo"]
    torch.testing.assert_close(back, made().maps["albedo"], rtol=2**-11, atol=1e-7)


def test_only_the_fields_asked_for_are_read(root):
    write_sample(root, made())
    back = Folder(fields=("depth",)).read(root, "test/000000")
    assert set(back.maps) == set(back.valid) == {"depth"}


def test_keys_come_in_alphabetical_order_by_split(root):
    for key in ("test/b", "train/c", "test/a"):
        write_sample(root, made(key))
    assert Folder().scan(root, "test") == ["test/a", "test/b"]
    assert read_card(root).splits == ("test", "train")


def test_the_card_is_read_back(root):
    write_sample(root, made())
    assert read_card(root) == CARD


def test_several_samples_are_read_as_a_batch(root):
    for key in ("test/a", "test/b"):
        write_sample(root, made(key))
    batch = Folder().read_many(root, ["test/a", "test/b"], "cpu")
    assert batch.image.shape == (2, 3, HEIGHT, WIDTH)
    assert batch.maps["depth"].shape == (2, 1, HEIGHT, WIDTH)


def test_numpy_reads_the_maps_without_this_package(root):
    write_sample(root, made())
    with np.load(root / "test/000000/maps.npz") as archive:
        assert archive["depth"].dtype == np.float32
        assert archive["albedo"].dtype == np.float16
        np.testing.assert_array_equal(archive["depth.valid"], made().valid["depth"].numpy())


def test_a_write_that_fails_leaves_nothing(root, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_maps, "save", fail)
    with pytest.raises(OutputError, match="no space left"):
        write_sample(root, made())
    assert not has_sample(root, "test/000000")
    assert list((root / "test").iterdir()) == []


def test_an_interrupted_write_leaves_nothing(root, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(_maps, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_sample(root, made())
    assert list((root / "test").iterdir()) == []


def test_what_a_killed_run_left_is_neither_seen_nor_in_the_way(root):
    write_sample(root, made())
    (root / "test" / ".000001.0123abcd.part").mkdir()
    (root / "test" / ".000001.0123abcd.part" / "image.png").write_bytes(b"half")
    assert Folder().scan(root, "test") == ["test/000000"]
    write_sample(root, made("test/000001"))
    assert Folder().scan(root, "test") == ["test/000000", "test/000001"]


def test_a_sample_that_exists_is_not_overwritten(root):
    write_sample(root, made())
    with pytest.raises(OutputError, match="000000"):
        write_sample(root, made())


@pytest.mark.parametrize("key", ["000000", "../test/0", "test/../0", "/test/0", "test/.0", "test/a/b", ""])
def test_keys_that_leave_the_split_are_refused(root, key):
    with pytest.raises(DataError, match="SPLIT/NAME"):
        write_sample(root, made(key))


def test_a_field_of_the_wrong_shape_is_refused(root):
    sample = made()
    wrong = replace(sample, maps={**sample.maps, "depth": torch.ones(1, HEIGHT, WIDTH + 1)})
    with pytest.raises(DataError, match="test/000000: depth"):
        write_sample(root, wrong)


def test_a_number_that_half_precision_cannot_hold_is_refused(root):
    sample = made()
    wrong = replace(sample, maps={**sample.maps, "albedo": sample.maps["albedo"] * 1e6})
    with pytest.raises(DataError, match=r"albedo: .* too large"):
        write_sample(root, wrong)


def test_nan_is_allowed_behind_the_mask_only(root):
    sample = made()
    depth, valid = sample.maps["depth"].clone(), sample.valid["depth"].clone()
    depth[0, 0, 0], valid[0, 0, 0] = torch.nan, False
    hidden = replace(sample, maps={"depth": depth}, valid={"depth": valid})
    write_sample(root, hidden)
    valid[0, 0, 0] = True
    with pytest.raises(DataError, match="not finite"):
        write_sample(root, replace(hidden, key="test/000001"))


def test_a_missing_field_is_named(root):
    sample = made()
    write_sample(root, replace(sample, maps={"depth": sample.maps["depth"]}))
    with pytest.raises(DataError, match="albedo is missing"):
        Folder(fields=("albedo",)).read(root, "test/000000")


@pytest.mark.parametrize("part", ["image.png", "maps.npz"])
def test_a_missing_part_is_named(root, part):
    write_sample(root, made())
    (root / "test/000000" / part).unlink()
    with pytest.raises(DataError, match=f"{part}: no such file; delete the sample's folder"):
        Folder().read(root, "test/000000")


@pytest.mark.parametrize("part", ["image.png", "maps.npz"])
@pytest.mark.parametrize("kept", [0, 0.1, 0.5, 0.9])
def test_a_truncated_part_is_named(root, part, kept):
    write_sample(root, made())
    file = root / "test/000000" / part
    file.write_bytes(file.read_bytes()[: int(kept * file.stat().st_size)])
    with pytest.raises(DataError, match=f"{part}: damaged.*; delete the sample's folder"):
        Folder().read(root, "test/000000")


def test_an_unknown_sample_is_named(root):
    with pytest.raises(DataError, match="test/9"):
        Folder().read(root, "test/9")


def test_an_unknown_split_lists_the_known_ones(root):
    write_sample(root, made())
    with pytest.raises(DataError, match="there are: test"):
        Folder().scan(root, "train")


def test_a_folder_that_is_no_data_set_says_how_to_make_one(tmp_path):
    with pytest.raises(DataError, match="marigold synth"):
        Folder().scan(tmp_path / "nowhere", "test")


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"layout": "other 7"})])
def test_a_damaged_index_is_named(tmp_path, text):
    (tmp_path / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=r"dataset\.json"):
        read_card(tmp_path)


@pytest.mark.parametrize("place", [None, 3, b"x", "", "\0"])
def test_a_root_that_is_no_path_is_told(place):
    with pytest.raises(OutputError, match=r"^root: .* is no path"):
        write_sample(place, made())
    for work in (lambda: Folder().scan(place, "train"), lambda: Folder().read(place, "train/a")):
        with pytest.raises(DataError, match=r"^root: .* is no path"):
            work()


def test_a_root_may_be_text(root):
    write_sample(str(root), made())
    assert Folder().scan(str(root), "test") == ["test/000000"]
    assert Folder().read(str(root), "test/000000").key == "test/000000"


@pytest.mark.parametrize("key", [None, 3, b"a/b", ["a/b"]])
def test_a_key_that_is_no_text_is_told(tmp_path, key):
    with pytest.raises(DataError, match="a key here is SPLIT/NAME"):
        write_sample(tmp_path, made(key))


def test_a_picture_larger_than_any_is_refused_by_its_shape(tmp_path):
    huge = replace(made(), image=torch.zeros(1).expand(3, 10**6, 10**6))
    with pytest.raises(DataError, match="1000000 x 1000000 pixels"):
        write_sample(tmp_path, huge)
