import math
import pickle

import imagecodecs
import numpy as np
import pytest
import torch

from marigold.core.config import decode
from marigold.core.errors import DataError
from marigold.data.source import Source
from marigold.datasets import _normal_files as files
from marigold.datasets._tree import opened
from marigold.datasets.dsine import Dsine
from marigold.datasets.oasis import Oasis
from marigold.datasets.published_normals import PublishedNormals
from toys import normal_sets
from toys.mutations import damaged_bytes, survives
from toys.rasters import png
from toys.worlds import exr, grey_photo, packed

SETS = ("nyuv2", "scannet", "ibims", "sintel", "vkitti", "oasis")


def vector(sample, row, column):
    return sample.maps["normals"][:, row, column].tolist()


def used(sample):
    return sample.valid["normals"][0].int().tolist()


# The published lists.


@pytest.mark.parametrize("prefix", [None, "", "./"])
def test_published_vectors_are_of_length_one_and_zero_is_none(tmp_path, prefix):
    normal_sets.published(tmp_path / "nyuv2")
    root = tmp_path / "nyuv2" if prefix is None else packed(tmp_path / "nyuv2", tmp_path / "nyuv2.tar", prefix)
    dataset = PublishedNormals()
    assert dataset.scan(root, "test") == ["000001_img.png", "000008_img.png"]
    sample = dataset.read(root, "000008_img.png")
    assert torch.equal(sample.image, torch.full((3, 4, 6), 8 / 255))
    assert vector(sample, 2, 1) == pytest.approx([0.6, 0, 0.8])
    assert used(sample) == [[0, 1, 1, 1, 1, 1]] * 4
    assert dataset.identity(root, "000008_img.png") != dataset.identity(root, "000001_img.png")


def test_a_published_list_gives_the_photos_and_their_order(tmp_path):
    normal_sets.published(tmp_path / "nyuv2")
    (tmp_path / "list.txt").write_text("000008_img.png 000001_normal.npy\n000001_img.png 000001_normal.npy\n")
    dataset = PublishedNormals(lists={"val": tmp_path / "list.txt"})
    root = tmp_path / "nyuv2"
    assert dataset.card_of(root).splits == ("val",)
    assert dataset.scan(root, "val") == ["000008_img.png", "000001_img.png"]
    (root / "000008_normal.npy").unlink()
    assert vector(dataset.read(root, "000008_img.png"), 0, 5) == pytest.approx([0.6, 0, 0.8])


@pytest.mark.parametrize(
    "stem", ["indoors/scene_00019/scan_00183/00019_00183_indoors_000_010", "outdoor/scene_00022/scan_00193/x"]
)
def test_photos_of_diode_are_called_as_they_are(tmp_path, stem):
    grey_photo(tmp_path / f"{stem}.png", 9, 6, 4)
    np.save(tmp_path / f"{stem}_normal.npy", np.full((4, 6, 3), (0, 0, 1), np.float32))
    dataset = PublishedNormals(set="diode")
    assert dataset.scan(tmp_path, "test") == [f"{stem}.png"]
    assert vector(dataset.read(tmp_path, f"{stem}.png"), 0, 0) == [0, 0, 1]


def test_only_a_vector_of_length_zero_or_that_is_no_number_is_none(tmp_path):
    normals = np.zeros((1, 5, 3), np.float16)
    normals[0, 1:, 2] = 1e-3, np.nan, np.inf, -2
    np.save(tmp_path / "x.npy", normals)
    values, valid = files.published(opened(tmp_path), "x.npy")
    assert values.dtype == torch.float32
    assert values[2, 0].tolist() == [0, 1, 0, 0, -1]
    assert valid[0, 0].tolist() == [False, True, False, False, True]


@pytest.mark.parametrize("wrong", [np.zeros((4, 6)), np.zeros((3, 4, 6)), np.zeros((4, 6, 3), np.int16)])
def test_what_is_no_map_of_vectors_is_refused(tmp_path, wrong):
    np.save(tmp_path / "x.npy", wrong)
    with pytest.raises(DataError, match=r"x\.npy: .* not normals \[H, W, 3\]"):
        files.published(opened(tmp_path), "x.npy")


def test_published_counts_are_those_of_the_set():
    counts = {name: PublishedNormals(set=name).card_of("").counts for name in ("nyuv2", "scannet", "ibims", "diode")}
    assert counts == {"nyuv2": {"test": 654}, "scannet": {"test": 300}, "ibims": {"test": 100}, "diode": {"test": 771}}
    assert PublishedNormals(set="oasis").card_of("").counts == {"test": 9999}
    assert [Dsine(set=name).card_of("").counts["test"] for name in SETS] == [654, 300, 100, 1064, 1000, 10000]


def test_normals_without_a_photo_and_a_photo_without_normals_are_named(tmp_path):
    normal_sets.published(tmp_path)
    (tmp_path / "000008_normal.npy").unlink()
    with pytest.raises(DataError, match=r"000008_img\.png: has no normals 000008_normal\.npy"):
        PublishedNormals().read(tmp_path, "000008_img.png")
    (tmp_path / "000001_img.png").unlink()
    with pytest.raises(DataError, match="000001_normal: has no photo beside it"):
        PublishedNormals().scan(tmp_path, "test")


# DSINE's archive.


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = tmp_path_factory.mktemp("dsine")
    normal_sets.dsine(root)
    return root


@pytest.mark.parametrize("name", SETS)
def test_each_set_of_the_archive_has_its_own_photos(archive, name):
    keys = {
        "nyuv2": ["test/000000_img.png", "test/000001_img.png"],
        "scannet": ["scene0002_00/000000_img.png", "scene0002_00/000001_img.png"],
        "ibims": ["ibims/corridor_00_img.png", "ibims/corridor_01_img.png"],
        "sintel": ["alley_1/frame_0000_img.png", "alley_1/frame_0001_img.png"],
        "vkitti": ["Scene01/000000_img.jpg", "Scene01/000001_img.jpg"],
        "oasis": ["val/0_DT_img.png", "val/1_DT_img.png"],
    }
    dataset = Dsine(set=name)
    for root in (archive, archive / "dsine_eval"):
        assert dataset.scan(root, "test") == keys[name]
        assert dataset.read(root, keys[name][1]).image[0, 0, 0] == pytest.approx(1 / 255)
        assert dataset.identity(root, keys[name][0]) != dataset.identity(root, keys[name][1])


def test_the_folder_of_a_set_may_be_given(archive):
    assert len(Dsine(set="sintel").scan(archive / "dsine_eval/sintel", "test")) == 2


def test_a_list_of_the_archive_names_photos_alone(archive, tmp_path):
    (tmp_path / "test.txt").write_text("train/000003_img.png\n")
    dataset = Dsine(lists={"test": tmp_path / "test.txt"})
    assert dataset.scan(archive, "test") == ["train/000003_img.png"]
    assert used(dataset.read(archive, "train/000003_img.png"))[0] == [0, 1, 1, 1, 1, 1]


def test_eight_bits_are_shares_of_255_with_x_to_the_left(archive):
    """(51, 204, 255) / 255 * 2 - 1 = (-0.6, 0.6, 1), of a length of sqrt(1.72)."""
    sample = Dsine(set="scannet").read(archive, "scene0002_00/000000_img.png")
    assert vector(sample, 3, 4) == pytest.approx([x / math.sqrt(1.72) for x in (0.6, 0.6, 1)])
    assert vector(sample, 3, 0) == [0, 0, 0]
    assert used(sample) == [[0, 1, 1, 1, 1, 1]] * 4


def test_sixteen_bits_are_not_cut_to_eight(archive):
    """33000 / 65535 * 2 - 1 = 0.0070954 and 32000 / 65535 * 2 - 1 = -0.0234226; of 8 bits 0.0039 and -0.0196 remain."""
    sample = Dsine(set="vkitti").read(archive, "Scene01/000000_img.jpg")
    assert vector(sample, 0, 1) == pytest.approx([-0.0070934, -0.0234160, 0.9997006], abs=1e-6)
    assert used(sample)[0] == [0, 1, 1, 1, 1, 1]


def test_black_in_one_channel_is_a_vector(tmp_path):
    png(tmp_path / "x_normal.png", np.array([[[0, 0, 0], [0, 0, 1]]], np.uint8))
    _, valid = files.dsine(opened(tmp_path), "x_normal.png", (1, 2))
    assert valid[0, 0].tolist() == [False, True]


def test_vectors_of_openexr_count_when_longer_than_half(archive, tmp_path):
    sample = Dsine(set="ibims").read(archive, "ibims/corridor_00_img.png")
    assert used(sample) == [[0, 0, 1, 1, 1, 1]] * 4
    assert vector(sample, 0, 2) == pytest.approx([0.6, 0, 0.8])
    exr(tmp_path / "x_normal.exr", np.array([[[0, 0, 0.5], [0, 0.51, 0]]]))
    values, valid = files.dsine(opened(tmp_path), "x_normal.exr", (1, 2))
    assert valid[0, 0].tolist() == [False, True]
    assert values[:, 0, 1].tolist() == [0, 1, 0]


def test_a_grey_file_of_normals_is_refused(tmp_path):
    png(tmp_path / "x_normal.png", np.full((2, 2), 5, np.uint8))
    with pytest.raises(DataError, match=r"x_normal\.png: \[2, 2\], not normals"):
        files.dsine(opened(tmp_path), "x_normal.png", (2, 2))


def test_a_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="no photo with normals of `ibims`"):
        Dsine(set="ibims").scan(tmp_path, "test")
    with pytest.raises(DataError, match="no split named `val`"):
        Dsine().scan(tmp_path, "val")


def test_settings_are_those_of_a_recipe():
    assert decode(Source, {"dataset": "dsine", "set": "vkitti"}).dataset == Dsine(set="vkitti")
    assert decode(Source, {"dataset": "published_normals", "set": "diode"}).dataset == PublishedNormals(set="diode")


# OASIS.


def test_both_ends_of_a_box_are_inside(archive):
    sample = Dsine(set="oasis").read(archive, "val/0_DT_img.png")
    assert used(sample) == [[0] * 6, [0, 0, 0, 1, 1, 0], [0, 0, 1, 1, 1, 0], [0] * 6]


def test_vectors_of_oasis_point_down_by_y_alone(archive, tmp_path):
    normal_sets.oasis(tmp_path)
    for sample in (
        Dsine(set="oasis").read(archive, "val/0_DT_img.png"),
        Oasis().read(tmp_path, "image/d_DT.png"),
    ):
        assert vector(sample, 2, 4) == pytest.approx([0.6, -0.48, 0.64])


def test_oasis_splits_are_those_of_its_tables(tmp_path):
    normal_sets.oasis(tmp_path)
    assert Oasis().scan(tmp_path, "train") == ["image/a_DT.png", "image/b_DT.png"]
    assert Oasis().scan(tmp_path / "OASIS_trainval", "val") == ["image/d_DT.png", "image/c_ALI.png"]
    assert Oasis().identity(tmp_path, "image/a_DT.png")
    with pytest.raises(DataError, match="no split named `test`"):
        Oasis().scan(tmp_path, "test")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("image/a.png,,\n", "2: 3 columns, not the 14"),
        ("image/a.png,,,normal/b.pkl,,\n", r"2: b\.pkl is not called like a\.png"),
        ("image/a.png,,,,,\n\n", "no photo with normals"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path, line, words):
    (tmp_path / "OASIS_val.csv").write_text(normal_sets.HEADER + line)
    with pytest.raises(DataError, match=rf"OASIS_val\.csv: {words}"):
        Oasis().scan(tmp_path, "val")


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["<f8", ">f4", "<f2"])
def test_a_box_is_read_however_it_was_pickled(tmp_path, protocol, kind):
    normals = np.asfortranarray(np.arange(1, 13, dtype=kind).reshape(2, 2, 3))
    ends = {name: np.int64(value) for name, value in (("min_y", 0), ("max_y", 1), ("min_x", 1), ("max_x", 2))}
    (tmp_path / "x_normal.pkl").write_bytes(pickle.dumps({**ends, "normal": normals}, protocol))
    values, valid = files.dsine(opened(tmp_path), "x_normal.pkl", (2, 3))
    assert valid[0].tolist() == [[False, True, True]] * 2
    # Of (10, 11, 12), with y turned, at a length of sqrt(365).
    assert values[:, 1, 2].tolist() == pytest.approx([x / math.sqrt(365) for x in (10, -11, 12)])


def test_a_box_of_an_old_python_is_read(tmp_path):
    """As Python 2 writes it, whose strings are the bytes of an array too, here beyond ASCII."""
    raw = np.array([0, 0, -1], "<f4").tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01(K\x01K\x01K\x03t"
        b"cnumpy\ndtype\n(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x0c"
    )
    ends = b"".join(b"U\x05" + name + b"K\x00s" for name in (b"min_y", b"max_y", b"min_x", b"max_x"))
    content = b"\x80\x02}U\x06normal" + array + raw + b"tbs" + ends + b"."
    (tmp_path / "x_normal.pkl").write_bytes(content)
    values, valid = files.dsine(opened(tmp_path), "x_normal.pkl", (1, 1))
    assert valid.all()
    assert values[:, 0, 0].tolist() == [0, 0, -1]


class Order:
    """What a pickle can ask for."""

    def __init__(self, *parts):
        self.parts = parts

    def __reduce__(self):
        return self.parts


def test_no_code_of_a_file_is_run(tmp_path):
    spoiled = tmp_path / "spoiled"
    for order in (Order(open, (str(spoiled), "w")), Order(eval, ("1",)), Order(np.load, (str(spoiled),))):
        for content in (order, {"min_y": order}):
            (tmp_path / "x_normal.pkl").write_bytes(pickle.dumps(content))
            with pytest.raises(DataError, match=r"x_normal\.pkl: damaged \(it names .*, which is not followed\)"):
                files.dsine(opened(tmp_path), "x_normal.pkl", (4, 6))
    assert not spoiled.exists()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"max_y": 4}, r"its box \(rows 1 to 4, columns 2 to 4\) leaves the photo of 6 x 4"),
        ({"min_x": -1}, "leaves the photo"),
        ({"max_x": 6}, "leaves the photo"),
        ({"max_x": 3}, r"has vectors \[2, 3, 3\], where its box asks for \[2, 2, 3\]"),
        ({"min_y": 1.0}, "its ends are no whole numbers"),
        ({"min_y": True}, "its ends are no whole numbers"),
        ({"normal": [0, 0, 1]}, "or its normals no array"),
        ({"normal": np.zeros((2, 3))}, r"its normals are no array \[H, W, 3\]"),
        ({"normal": np.full((2, 3, 3), None)}, "an array of something else than numbers"),
        ({"normal": np.full((2, 3, 3), "a")}, "an array of something else than numbers"),
    ],
)
def test_a_box_that_is_none_is_refused(tmp_path, changed, words):
    content = {**pickle.loads(normal_sets.box()), **changed}  # made here
    (tmp_path / "x_normal.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match=rf"x_normal\.pkl: .*{words}"):
        files.dsine(opened(tmp_path), "x_normal.pkl", (4, 6))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02",
        normal_sets.box()[:-20],
        pickle.dumps([1]),
        pickle.dumps({"normal": 1}),
        b"cnumpy\nndarray\n(J\xff\xff\xff\x7ftR.",  # asks for an array of 2147483647 numbers
    ],
)
def test_a_damaged_box_is_refused(tmp_path, content):
    (tmp_path / "x_normal.pkl").write_bytes(content)
    with pytest.raises(DataError, match=r"x_normal\.pkl: damaged"):
        files.dsine(opened(tmp_path), "x_normal.pkl", (4, 6))


@pytest.mark.parametrize(
    "content",
    [
        b"N0" * 600 + b"N.",
        b"N" + b"r\xff\xff\xff\x7f" + b".",  # keeps a value in place 2147483647
    ],
)
def test_a_pickle_of_more_steps_or_places_than_a_box_needs_is_refused_before_it_is_loaded(tmp_path, content):
    (tmp_path / "x_normal.pkl").write_bytes(content)
    with pytest.raises(DataError, match=r"x_normal\.pkl: damaged \(more than 1000 instructions or places\)"):
        files.dsine(opened(tmp_path), "x_normal.pkl", (4, 6))


def test_however_a_box_is_damaged_it_is_read_or_refused(tmp_path):
    tree, file = opened(tmp_path), tmp_path / "x_normal.pkl"
    good = 0
    for number, content in enumerate([*damaged_bytes(normal_sets.box(), 120), *damaged_bytes(normal_sets.box(5), 120)]):
        file.write_bytes(content)
        good += survives(lambda: files.dsine(tree, file.name, (4, 6)), (DataError,), f"variant {number}")
    assert good < 160


def test_a_file_of_another_size_than_the_photo_is_refused(tmp_path):
    normal_sets.published(tmp_path)
    np.save(tmp_path / "000001_normal.npy", np.ones((6, 4, 3)))
    with pytest.raises(DataError, match="normals is 4 x 6, the photo 6 x 4"):
        PublishedNormals().read(tmp_path, "000001_img.png")


def test_the_toy_of_sixteen_bits_is_what_a_library_reads(archive):
    samples = imagecodecs.png_decode((archive / "dsine_eval/vkitti/Scene01/000000_normal.png").read_bytes())
    assert samples.dtype == np.uint16
    assert samples[2, 3].tolist() == [33000, 32000, 65535]
