"""Shards: what comes back, what other tools read of them, and what is refused."""

import io
import json
import os
import pickle
import tarfile
import tracemalloc
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

from marigold.core.errors import ConfigError, DataError
from marigold.core.sample import Camera, Sample
from marigold.data import border
from marigold.data.prepare import Preparation, prepare
from marigold.datasets import _shard_index
from marigold.datasets.base import Dataset, DatasetCard
from marigold.datasets.shards import Shards, stand_in
from toys.scenes import Toy

HEIGHT, WIDTH = 12, 20
KEYS = [f"scene.01/frame {number}.0001" for number in range(5)]


@dataclass(frozen=True)
class Steps(Dataset):
    """Levels of 1/255 in the photo, depth in steps of a third, normals towards (0.6, 0, 0.8), light beyond float16."""

    brightness: float = 1.0
    fields: tuple[str, ...] = ()
    card: DatasetCard = field(
        default=DatasetCard(("depth", "normals", "shading"), ("train", "test"), "CC0-1.0", "closed form", (0.5, 80.0)),
        init=False,
    )

    def scan(self, root: Path, split: str):
        return KEYS[:3] if split == "train" else KEYS[3:]

    def read(self, root: Path, key: str) -> Sample:
        number = KEYS.index(key)
        image = torch.full((3, HEIGHT, WIDTH), (10 + number) / 255) * self.brightness
        depth = torch.arange(HEIGHT * WIDTH, dtype=torch.float32).view(1, HEIGHT, WIDTH) / 3
        depth[0, 0, 0] = torch.nan
        normals = torch.tensor([0.6, 0.0, 0.8]).view(3, 1, 1).expand(3, HEIGHT, WIDTH).contiguous()
        shading = torch.full((3, HEIGHT, WIDTH), 1e5 if number == 4 else 0.3)
        valid = torch.ones(1, HEIGHT, WIDTH, dtype=torch.bool)
        maps = {"depth": depth, "normals": normals, "shading": shading}
        masks = {"depth": valid.index_fill(-1, torch.tensor([7, 19]), False), "normals": valid, "shading": valid}
        return Sample(key, image, maps, masks, Camera(30.0, 31.0, 10.5, 6.25) if number else None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Five samples in three shards."""
    out = tmp_path_factory.mktemp("shards") / "out"
    prepare(Preparation(Steps(), Path("raw")), out)
    return out


@pytest.fixture
def out(made, tmp_path):
    """A copy that a test may damage."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in made.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    return copy


def read(out, key=KEYS[1], **how):
    return Shards(**how).read(out, key)


def test_samples_come_back_as_the_data_set_gives_them(made):
    sample = read(made)
    assert sample.key == KEYS[1]
    assert torch.equal(sample.image, torch.full((3, HEIGHT, WIDTH), 11 / 255))
    depth = torch.arange(HEIGHT * WIDTH, dtype=torch.float32).view(1, HEIGHT, WIDTH) / 3
    assert torch.equal(sample.maps["depth"][0, 1:], depth[0, 1:])
    assert sample.maps["depth"].dtype == torch.float32
    torch.testing.assert_close(sample.maps["shading"], torch.full((3, HEIGHT, WIDTH), 0.3), rtol=2**-11, atol=0)
    assert sample.camera == Camera(30.0, 31.0, 10.5, 6.25)


def test_directions_keep_a_fiftieth_of_a_degree_and_have_length_one(made):
    normals = read(made).maps["normals"].double()
    torch.testing.assert_close(normals.norm(dim=0), torch.ones(HEIGHT, WIDTH, dtype=torch.double))
    cosine = (normals[0] * 0.6 + normals[2] * 0.8).clamp(max=1)
    assert torch.rad2deg(torch.arccos(cosine)).max() < 0.02


def test_masks_come_back_without_what_is_not_finite(made):
    expected = torch.ones(1, HEIGHT, WIDTH, dtype=torch.bool)
    expected[..., 7] = expected[..., 19] = False
    expected[0, 0, 0] = False  # where depth is NaN
    assert torch.equal(read(made).valid["depth"], expected)
    assert read(made).valid["normals"].all()


def test_light_beyond_half_precision_is_kept(made):
    assert (read(made, KEYS[4]).maps["shading"] == 1e5).all()


def test_a_sample_without_a_camera_stays_so(made):
    assert read(made, KEYS[0]).camera is None


def test_the_card_is_that_of_the_data_set(made):
    card = Shards().card_of(made)
    assert (card.fields, card.splits) == (("depth", "normals", "shading"), ("train", "test"))
    assert (card.licence, card.source, card.depth_range) == ("CC0-1.0", "closed form", (0.5, 80.0))


def test_keys_are_those_of_the_data_set_in_its_order(made):
    assert Shards().scan(made, "train") == KEYS[:3]
    assert Shards().scan(made, "test") == KEYS[3:]
    with pytest.raises(DataError, match="no split `val`; there are: train, test"):
        Shards().scan(made, "val")


def test_fields_that_are_not_asked_for_are_not_read(out):
    (shard,) = out.glob("train*.tar")
    content = bytearray(shard.read_bytes())
    row = _shard_index.opened(out).rows[1]
    content[int(row["offset"][4]) + 200] ^= 1  # a number of the normals
    shard.write_bytes(content)
    assert set(read(out, fields=("shading", "depth")).maps) == {"depth", "shading"}
    with pytest.raises(DataError, match=r"frame 1.0001: damaged \(normals.npy has another checksum than was written"):
        read(out, fields=("normals",))


def test_a_field_that_is_not_there_is_an_error(made):
    with pytest.raises(DataError, match="has no albedo, only depth, normals, shading"):
        read(made, fields=("albedo",))
    with pytest.raises(ConfigError, match="no field named `dept`; did you mean `depth`"):
        Shards(("dept",))


def test_any_tar_tool_reads_them_and_numpy_and_pillow_what_is_in_them(made):
    with tarfile.open(made / "train-00000.tar") as tar:
        names = tar.getnames()
        member = {name: tar.extractfile(f"train/00000001.{name}").read() for name in ("depth.npy", "image.png")}  # type: ignore[union-attr]
        mask = np.load(io.BytesIO(tar.extractfile("train/00000001.depth.valid.npy").read()))  # type: ignore[union-attr]
        facts = json.load(tar.extractfile("train/00000001.sample.json"))  # type: ignore[arg-type]
    assert np.load(io.BytesIO(member["depth.npy"]))[0, 0, 4] == np.float32(4 / 3)
    assert PIL.Image.open(io.BytesIO(member["image.png"])).getpixel((0, 0)) == (11, 11, 11)
    assert np.unpackbits(mask, axis=-1, count=WIDTH)[1].tolist() == [1] * 7 + [0] + [1] * 11 + [0]
    assert facts == {"key": KEYS[1], "split": "train", "camera": [30.0, 31.0, 10.5, 6.25]}
    # WebDataset: members of a sample lie together and share what stands before the first dot of the file's name
    stems = [name.partition(".")[0] for name in names]
    assert [stem for place, stem in enumerate(stems) if stems[:place].count(stem) == 0] == sorted(set(stems))
    assert stems == sorted(stems)
    assert {stems.count(stem) for stem in stems} == {8}


def test_the_same_content_has_the_same_identity_and_other_content_another(made, tmp_path):
    other, same = tmp_path / "other", tmp_path / "same"
    prepare(Preparation(Steps(brightness=0.5), Path("raw")), other)
    prepare(Preparation(Steps(), Path("raw"), count=2), same)
    identity = Shards().identity(made, KEYS[1])
    assert identity == Shards().identity(same, KEYS[1])
    assert identity != Shards().identity(other, KEYS[1])
    assert Shards(("depth",)).identity(made, KEYS[1]) != identity


def test_threads_read_side_by_side(made):
    with ThreadPoolExecutor(8) as threads:
        images = list(threads.map(lambda turn: read(made, KEYS[turn % 5]).image[0, 0, 0].item(), range(80)))
    assert images == pytest.approx([(10 + turn % 5) / 255 for turn in range(80)])


def test_a_sample_takes_no_more_room_in_another_process_than_its_tensors(made):
    sample = read(made)
    tensors = [sample.image, *sample.maps.values(), *sample.valid.values()]
    assert len(pickle.dumps(sample)) < sum(x.nbytes for x in tensors) + 4000


def test_large_indexes_are_read_once(made):
    assert _shard_index.opened(made) is _shard_index.opened(made)


# What is damaged, or made to harm


def damaged(out, **changes):
    """Writes the label with other values."""
    label = json.loads((out / "shards.json").read_bytes())
    (out / "shards.json").write_text(json.dumps({**label, **changes}))


def rewritten(out, change):
    """Changes the rows of the index, and what the label says of it."""
    rows = np.load(out / "index.npy").copy()
    change(rows)
    np.save(out / "index.npy", rows)
    damaged(out, crc32=zlib.crc32((out / "index.npy").read_bytes()))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"layout": "other"}, "not the label of shards"),
        ({"fields": ["depth", "depth"]}, "splits, fields: must be different ones"),
        ({"fields": ["deep"]}, "no field named `deep`"),
        ({"splits": ["../x"]}, "splits: must be a list of names"),
        ({"shards": [["../train-00000.tar", 1]]}, "shards: must be a list"),
        ({"shards": [["train-00000.tar", -1]]}, "shards: must be a list"),
        ({"shards": [["train-00000.tar", 1], ["test-00000.tar", 1]]}, "reach beyond their shards"),
        ({"shards": [["train-00000.tar", 1 << 20]]}, "in shards or splits that there are not"),
        ({"samples": 1 << 40}, "samples: must be a number"),
        ({"samples": 4}, "has not the 4 rows"),
        ({"crc32": 0}, "does not go with shards.json"),
        ({"made": {"dataset": 7}}, "made: must be a mapping"),
    ],
)
def test_a_label_that_cannot_be_believed_is_refused(out, changes, words):
    damaged(out, **changes)
    with pytest.raises(DataError, match=f"{words}.*; delete shards.json there and give the command"):
        Shards().scan(out, "train")


def test_a_folder_without_shards_is_an_error_that_says_what_makes_them(tmp_path):
    with pytest.raises(DataError, match=r"holds no shards \(no shards.json\); `marigold prepare` makes them"):
        Shards().card_of(tmp_path)


def set_row(**values):
    def change(rows):
        for name, (part, value) in values.items():
            if part is None:
                rows[name][1] = value
            else:
                rows[name][1, part] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_row(height=(None, 1 << 31), width=(None, 1 << 31)), "pixels, which no sample has"),
        (set_row(height=(None, 0)), "0 pixels, which no sample has"),
        (set_row(size=(3, 1 << 12)), "depth.valid.npy|depth.npy"),
        (set_row(size=(1, 10)), "another checksum"),
        (set_row(width=(None, WIDTH - 1)), "image.png is no 8-bit photo of 19 x 12 pixels|has .* bytes, where"),
    ],
)
def test_a_row_that_the_files_do_not_bear_out_is_refused(out, change, words):
    rewritten(out, change)
    with pytest.raises(DataError, match=f"{KEYS[1]}: damaged .*({words})"):
        read(out)
    assert read(out, KEYS[2]).key == KEYS[2]


def test_a_row_beyond_its_shard_is_refused(out):
    rewritten(out, set_row(offset=(1, 1 << 60)))
    with pytest.raises(DataError, match="reach beyond their shards"):
        read(out)


def test_keys_that_are_there_twice_are_refused(out):
    rewritten(out, lambda rows: rows["key"].__setitem__(1, rows["key"][0]))
    with pytest.raises(DataError, match="has a key twice"):
        read(out)


def test_no_damage_takes_more_memory_than_the_sample(out):
    (shard,) = out.glob("train*.tar")
    with shard.open("r+b") as file:
        file.truncate(256 << 20)
    damaged(out, shards=[["train-00000.tar", 256 << 20], ["test-00000.tar", (out / "test-00000.tar").stat().st_size]])
    rewritten(out, set_row(size=(2, 200 << 20)))
    assert Shards().scan(out, "train") == KEYS[:3]
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"depth.npy has 209715200 bytes, where 20 x 12 pixels take 1088"):
            read(out)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_shard_that_is_gone_cut_or_a_pipe_is_an_error(out):
    (shard,) = out.glob("train*.tar")
    with shard.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match=r"the shard has 1000 bytes, of .*marigold prepare check"):
        read(out)
    shard.unlink()
    with pytest.raises(DataError, match=r"train-00000.tar: no such file; see `marigold prepare check"):
        read(out)
    os.mkfifo(shard)
    with pytest.raises(DataError, match="a pipe, not a file"):
        read(out)


def test_flipped_bytes_anywhere_in_a_sample_are_found(out):
    (shard,) = out.glob("train*.tar")
    whole, rng = shard.read_bytes(), np.random.default_rng(3)
    row = _shard_index.opened(out).rows[1]
    for part in range(8):
        content = bytearray(whole)
        content[int(row["offset"][part]) + int(rng.integers(row["size"][part]))] ^= 1 << int(rng.integers(8))
        shard.write_bytes(content)
        with pytest.raises(DataError, match="another checksum"):
            read(out)


# A recipe for the data set itself


def test_shards_stand_in_for_the_data_set_that_they_were_made_from(made):
    assert border.keys(Steps(), made, "train") == KEYS[:3]
    assert torch.equal(border.read(Steps(), made, KEYS[1]).maps["depth"][0, 1:], read(made).maps["depth"][0, 1:])
    assert set(border.read(Steps(fields=("depth",)), made, KEYS[1]).maps) == {"depth"}
    assert stand_in(Steps(), made.parent) == Steps()


def test_shards_made_otherwise_do_not_stand_in(made, tmp_path):
    with pytest.raises(DataError, match=r"shards made with brightness 1.0, not 0.5; .*`dataset: shards`"):
        border.keys(Steps(brightness=0.5), made, "train")
    with pytest.raises(DataError, match=r"holds shards of .*test_shards, not of toys.scenes; .*`dataset: shards`"):
        border.read(Toy(), made, KEYS[0])
