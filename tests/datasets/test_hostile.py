"""Data sets made to harm: nothing waits, nothing takes memory that the photo does not explain, nothing runs code."""

import io
import json
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError, DataError, OutputError
from marigold.core.png import write_png
from marigold.core.sample import Camera, Sample
from marigold.datasets.base import DatasetCard
from marigold.datasets.folder import Folder, has_sample, read_card, read_index, write_index, write_sample

SIZE = (12, 16)
DEPTH, MASK = np.full((1, *SIZE), 2, np.float32), np.ones((1, *SIZE), bool)
CARD = DatasetCard(("depth",), ("test",), "CC0-1.0", "made up")


def made(key="test/a"):
    return Sample(key, torch.zeros(3, *SIZE), {"depth": torch.tensor(DEPTH)}, {"depth": torch.tensor(MASK)})


@pytest.fixture
def root(tmp_path):
    write_index(tmp_path, CARD, {})
    write_sample(tmp_path, made())
    return tmp_path


def npy(array, **header):
    """The bytes of an .npy file, whose header may say something else than is true."""
    said = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape, **header}
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, said)
    return file.getvalue() + array.tobytes()


def put(root, *members, method=zipfile.ZIP_DEFLATED):
    """Writes the arrays of the sample; depth and its mask where nothing else is given for them."""
    with zipfile.ZipFile(root / "test/a/maps.npz", "w", method) as archive:
        for name, content in (("depth.npy", npy(DEPTH)), ("depth.valid.npy", npy(MASK)), *members):
            if name not in [other for other, _ in members] or (name, content) in members:
                archive.writestr(name, content)


def read(root):
    return Folder().read(root, "test/a")


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        (("depth.npy", npy(DEPTH, shape=(10**6, 10**6))), r"depth is <f4 \[1000000, 1000000\]"),
        (("depth.npy", npy(DEPTH, shape=(1, 12, 17))), r"the photo asks for float \[1, 12, 16\]"),
        (("depth.npy", npy(DEPTH) + bytes(64 << 20)), "depth has more bytes than its header says"),
        (("depth.npy", npy(DEPTH)[:-1]), "depth has fewer bytes than its header says"),
        (("depth.valid.npy", npy(MASK) + bytes(64 << 20)), "depth.valid has more bytes"),
        (("albedo.npy", npy(np.zeros(3 << 24, np.uint8), descr="<f2", shape=(3, *SIZE))), "albedo has more bytes"),
        (("depth.npy", b"\x93NUMPY\2\0" + struct.pack("<I", 1 << 31) + bytes(64 << 20)), "depth has no header"),
        (("depth.npy", b"\x93NUMPY\1\0\x10\0" + b"__import__('os')"), "depth has no header"),
        (("depth.npy", npy(DEPTH, shape=(-1, *SIZE))), "depth has no header"),
        (("depth.npy", b""), "depth has no header"),
        (("camera.npy", npy(np.zeros(1 << 22), shape=(4,))), "camera has more bytes"),
    ],
)
def test_what_a_header_does_not_explain_is_refused_and_takes_no_memory(root, part, complaint):
    put(root, part)
    tracemalloc.start()
    try:
        with pytest.raises(
            DataError, match=rf"test/a/maps\.npz: damaged \(.*{complaint}.*; delete the sample's folder"
        ):
            read(root)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_a_list_of_a_million_parts_is_refused(root):
    file = root / "test/a/maps.npz"
    entry = b"PK\1\2" + bytes(24) + struct.pack("<H", 1) + bytes(16) + b"x"
    count = 100_000
    end = b"PK\5\6" + struct.pack("<4H2IH", 0, 0, count & 0xFFFF, count & 0xFFFF, len(entry) * count, 0, 0)
    file.write_bytes(entry * count + end)
    with pytest.raises(DataError, match="its list of parts is longer"):
        read(root)


def test_a_part_that_is_there_twice_is_refused(root):
    with pytest.warns(UserWarning, match="Duplicate name"):
        put(root, ("depth.npy", npy(DEPTH)), ("depth.npy", npy(DEPTH)))
    with pytest.raises(DataError, match="depth is in it twice"):
        read(root)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_ways_of_compression_that_unpack_without_a_bound_are_refused(root, method):
    put(root, method=method)
    with pytest.raises(DataError, match="compressed in another way"):
        read(root)


def test_an_archive_with_a_password_is_refused(root):
    put(root)
    file = root / "test/a/maps.npz"
    content = file.read_bytes()
    for start, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        parts = content.split(start)
        content = start.join([parts[0], *(x[: flags - 4] + b"\1" + x[flags - 3 :] for x in parts[1:])])
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"maps\.npz: damaged .*encrypted"):
        read(root)


def test_what_is_no_part_of_a_sample_is_not_looked_at(root):
    code = b"cos\nsystem\n(S'touch ran'\ntR."
    put(root, ("../depth.npy", npy(DEPTH)), ("/etc/x.npy", code), ("notes.npy", npy(np.zeros(3), descr="|O") + code))
    assert torch.equal(read(root).maps["depth"], torch.tensor(DEPTH))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (DEPTH.astype(">f4"), {}),
        (DEPTH.astype("<f8"), {}),
        (DEPTH.astype("<f2"), {}),
        (np.ascontiguousarray(DEPTH.T), {"fortran_order": True, "shape": DEPTH.shape}),
    ],
)
def test_other_layouts_of_the_same_numbers_are_the_same(root, array, said):
    put(root, ("depth.npy", npy(array, **said)))
    assert torch.equal(read(root).maps["depth"], torch.tensor(DEPTH))


def test_the_order_of_axes_is_followed(root):
    values = np.arange(1, 1 + DEPTH.size, dtype=np.float32).reshape(DEPTH.shape)
    file = io.BytesIO()
    np.save(file, np.asfortranarray(values.repeat(3, 0)))
    put(root, ("albedo.npy", file.getvalue()), ("albedo.valid.npy", npy(MASK)))
    assert torch.equal(read(root).maps["albedo"], torch.tensor(values.repeat(3, 0)))


def test_a_number_too_large_for_single_precision_is_not_finite(root):
    put(root, ("depth.npy", npy(np.full((1, *SIZE), 1e300))))
    with pytest.raises(DataError, match="depth is not finite where its mask allows it"):
        read(root)


def test_a_mask_of_other_bytes_than_0_and_1_is_true_where_they_are_not_0(root):
    levels = np.full((1, *SIZE), 7, np.uint8)
    levels[0, 0] = 0
    put(root, ("depth.valid.npy", npy(levels, descr="|b1")))
    valid = read(root).valid["depth"]
    assert valid[0, 0].sum() == 0 and int(valid.sum()) == (SIZE[0] - 1) * SIZE[1]


@pytest.mark.parametrize("camera", [[np.nan] * 4, [0.0, 1, 1, 1], [1, -1.0, 1, 1], [1, 1, np.inf, 1]])
def test_a_camera_of_impossible_numbers_is_refused(root, camera):
    put(root, ("camera.npy", npy(np.array(camera))))
    with pytest.raises(DataError, match=r"test/a: camera .* is not fx, fy, cx, cy"):
        read(root)
    with pytest.raises(DataError, match="test/b: camera"):
        write_sample(root, Sample("test/b", torch.zeros(3, *SIZE), {}, {}, Camera(*camera)))


@pytest.mark.parametrize("part", ["dataset.json", "test/a/image.png", "test/a/maps.npz"])
@pytest.mark.parametrize("what", ["pipe", "device", "loop", "folder", "nowhere"])
def test_what_is_no_file_is_refused_at_once(root, part, what):
    file = root / part
    file.unlink()
    if what == "pipe":
        os.mkfifo(file)
    elif what == "folder":
        file.mkdir()
    else:
        file.symlink_to({"device": "/dev/zero", "loop": file.name, "nowhere": "nowhere"}[what])
    with pytest.raises(DataError, match=part):
        Folder().read(root, Folder().scan(root, "test")[0])


def test_links_that_lead_nowhere_are_no_samples_and_no_splits(root):
    for place in (root / "test", root):
        (place / "loop").symlink_to("loop")
        (place / "nowhere").symlink_to("elsewhere")
    assert Folder().scan(root, "test") == ["test/a"]
    assert read_card(root).splits == ("test",)


def test_a_folder_that_cannot_be_listed_is_named_and_no_trouble_for_others(root, monkeypatch):
    (root / "lost+found/x").mkdir(parents=True)
    real = os.scandir

    def scandir(path):
        if "lost+found" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert Folder().scan(root, "test") == ["test/a"]
    with pytest.raises(DataError, match=r"lost\+found: cannot be listed \(permission denied\)"):
        Folder().scan(root, "lost+found")


@pytest.mark.parametrize("name", [b"caf\xe9", b"a\nb\x1b[2J", "Küche 1".encode()])
def test_samples_of_odd_names_are_samples_and_are_named_in_letters(root, name):
    os.rename(root / "test/a", os.fsencode(root / "test") + b"/" + name)
    (key,) = Folder().scan(root, "test")
    sample = Folder().read(root, key)
    assert sample.key == f"test/{os.fsdecode(name)}"
    (root / key / "maps.npz").write_bytes(b"damaged")
    with pytest.raises(DataError) as caught:
        Folder().read(root, key)
    assert str(caught.value).isprintable()


def test_a_photo_that_says_it_is_huge_is_refused_before_it_is_unpacked(root):
    file = root / "test/a/image.png"
    content = bytearray(file.read_bytes())
    content[16:24] = struct.pack(">II", 30_000, 30_000)
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"30000 x 30000 pixels; a sample has .* at most 16777216 in all"):
        read(root)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(50), b"II*\0" + bytes(200)])
def test_a_photo_that_is_no_png_is_refused(root, content):
    (root / "test/a/image.png").write_bytes(content)
    with pytest.raises(DataError, match=r"image\.png: damaged \(not a PNG\); delete the sample's folder"):
        read(root)


@pytest.mark.parametrize(
    "change",
    [
        {"fields": 3},
        {"fields": "depth"},
        {"fields": [["depth"]]},
        {"fields": ["depht"]},
        {"fields": ["\x1b[2J"]},
        {"fields": None},
        {"nearest": float("nan")},
        {"nearest": -1},
        {"nearest": "1"},
        {"nearest": None},
        {"nearest": True},
        {"nearest": 10**400},
        {"farthest": 10**400},
        {"farthest": float("inf")},
        {"farthest": 1e-9},
        {"farthest": []},
        {"licence": {}},
        {"licence": "x" * 2000},
        {"source": None},
        {"layout": ["marigold samples 1"]},
    ],
)
def test_an_index_of_wrong_types_or_ranges_is_refused(root, change):
    file = root / "dataset.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(DataError, match=r"dataset\.json: ") as caught:
        Folder().scan(root, "test")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\xfe\0", b"", b"null", b'"marigold samples 1"'])
def test_what_is_no_index_is_refused(root, content):
    (root / "dataset.json").write_bytes(content)
    with pytest.raises(DataError, match=r"dataset\.json: "):
        read_card(root)


def test_a_folder_that_is_not_there_has_no_index(tmp_path):
    (tmp_path / "file").touch()
    assert read_index(tmp_path / "nowhere") is None and read_index(tmp_path / "file") is None


def test_a_card_that_could_not_be_read_back_is_not_written(tmp_path):
    with pytest.raises(DataError, match="no field named `detph`"):
        write_index(tmp_path, DatasetCard(("detph",), (), "CC0", "x"), {})
    assert list(tmp_path.iterdir()) == []


def test_fields_that_do_not_exist_are_refused():
    with pytest.raises(ConfigError, match="no field named `detph`; did you mean `depth`"):
        Folder(fields=("detph",))


@pytest.mark.parametrize(
    ("sample", "complaint"),
    [
        (Sample("test/b", torch.zeros(3, 7, 16), {}, {}), "16 x 7 pixels; a sample has at least 8 x 8"),
        (Sample("test/b", torch.zeros(1, 8, 1).expand(3, 8, 1 << 22), {}, {}), "at most 16777216 in all"),
        (Sample("test/b", torch.zeros(12, 16), {}, {}), r"image is \[12, 16\]"),
        (Sample("test/b", torch.full((3, 12, 16), torch.nan), {}, {}), "image reaches from nan"),
        (Sample("test/b", torch.zeros(3, 12, 16), {"depth": torch.tensor(DEPTH)}, {}), "with a mask for each map"),
        (Sample("test/b\n", torch.zeros(3, 12, 16), {}, {}), r"`test/b\\n`: a key here is"),
    ],
)
def test_a_sample_that_could_not_be_read_back_is_not_written(root, sample, complaint):
    with pytest.raises(DataError, match=complaint):
        write_sample(root, sample)
    assert [path.name for path in (root / "test").iterdir()] == ["a"]


def test_a_sample_is_there_when_its_files_are(root):
    (root / "test/empty").mkdir()
    assert has_sample(root, "test/a")
    assert not has_sample(root, "test/empty") and not has_sample(root, "test/b")
    write_sample(root, made("test/empty"))
    assert has_sample(root, "test/empty")


@pytest.mark.parametrize("name", ["image.png", "maps.npz", "notes.txt"])
def test_a_folder_with_anything_else_is_neither_a_sample_nor_replaced(root, name):
    (root / "test/b").mkdir()
    (root / "test/b" / name).write_text("mine")
    for use in (lambda: has_sample(root, "test/b"), lambda: write_sample(root, made("test/b"))):
        with pytest.raises(OutputError, match="test/b: is there, but no sample"):
            use()
    assert (root / "test/b" / name).read_text() == "mine"


def test_files_and_links_in_the_place_of_a_sample_stay(root):
    (root / "test/file").write_text("mine")
    (root / "test/link").symlink_to("nowhere")
    (root / "elsewhere").mkdir()
    (root / "test/away").symlink_to(root / "elsewhere")
    for name in ("file", "link", "away"):
        with pytest.raises(OutputError, match=f"test/{name}: is there"):
            write_sample(root, made(f"test/{name}"))
    assert (root / "test/link").is_symlink() and (root / "test/away").is_symlink()


def test_a_wide_png_of_the_largest_size_is_read_by_its_header(root):
    write_png(root / "test/a/image.png", np.zeros((8, 1 << 18, 3), np.uint8))
    with pytest.raises(DataError, match=r"the photo asks for float \[1, 8, 262144\]"):
        read(root)
