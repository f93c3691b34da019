import sys

import numpy as np
import pytest
import scipy.io
import torch

from marigold.core.errors import ConfigError, DataError, MissingExtraError
from marigold.datasets.ibims import Ibims
from toys.benchmarks import ibims, ibims_pictures, png8
from toys.mutations import damaged_bytes, survives
from toys.worlds import packed, png16

KEY = "corridor_01"


@pytest.fixture
def root(tmp_path):
    ibims(tmp_path / "ibims")
    return tmp_path / "ibims"


@pytest.fixture
def pictures(tmp_path):
    ibims_pictures(tmp_path / "pictures")
    return tmp_path / "pictures"


def test_both_masks_are_one_where_depth_may_be_used(root):
    """The first row is not in `mask_invalid`, the last not in `mask_transp`, and a pixel has no depth."""
    sample = Ibims().read(root, KEY)
    assert sample.valid["depth"][0].tolist() == [[False] * 6, [False] + [True] * 5, [True] * 6, [False] * 6]
    assert sample.maps["depth"][0, 1:3].tolist() == [[0, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]]


def test_the_photo_of_a_structure_is_by_rows_and_columns(root):
    image = Ibims().read(root, KEY).image * 255
    assert image[0].round().tolist() == [[0, 1, 2, 3, 4, 5]] * 4
    assert image[1].round()[:, 0].tolist() == [0, 1, 2, 3]
    assert int(image[2].count_nonzero()) == 0


def test_the_list_gives_the_order_and_is_not_needed(root):
    assert Ibims().scan(root, "test") == ["office_02", "corridor_01"]
    (root / "ibims1_core_mat/imagelist.txt").unlink()
    assert Ibims().scan(root, "test") == ["corridor_01", "office_02"]


@pytest.mark.parametrize("layout", ["the folder itself", "tar", "tar with ./"])
def test_the_archive_may_be_given_itself_or_packed(root, tmp_path, layout):
    expected = Ibims().read(root, KEY)
    inner = root / "ibims1_core_mat"
    if layout != "the folder itself":
        inner = packed(root, tmp_path / "ibims.tar", "./" if layout.endswith("./") else "")
    assert Ibims().scan(inner, "test") == ["office_02", "corridor_01"]
    assert torch.equal(Ibims().read(inner, KEY).maps["depth"], expected.maps["depth"])
    assert Ibims().identity(inner, KEY)


def test_the_depth_of_pictures_is_50_metres_of_65535(pictures):
    assert Ibims().scan(pictures, "test") == [KEY]
    sample = Ibims().read(pictures, KEY)
    assert torch.equal(sample.image, torch.full((3, 4, 6), 51 / 255))
    assert sample.valid["depth"][0].tolist() == [[False] * 6, [True] * 6, [True] * 6, [False] * 6]
    assert sample.maps["depth"][sample.valid["depth"]].tolist() == pytest.approx([10] * 12)
    png16(pictures / f"depth/{KEY}.png", np.array([[1] * 6, [0, 1, 2, 3, 4, 65535]] + [[1] * 6] * 2))
    depth = Ibims().read(pictures, KEY).maps["depth"][0, 1].tolist()
    assert depth == pytest.approx([0, 50 / 65535, 100 / 65535, 150 / 65535, 200 / 65535, 50])


def test_a_root_with_both_archives_reads_the_one_that_is_chosen(root):
    ibims_pictures(root / "ibims1_core_raw")
    (root / "ibims1_core_mat/imagelist.txt").unlink()
    assert Ibims().scan(root, "test") == ["corridor_01", "office_02"]
    assert Ibims(layout="raw").scan(root, "test") == ["corridor_01"]
    assert Ibims(layout="raw").read(root, KEY).maps["depth"].max() == pytest.approx(10)
    assert Ibims().read(root, KEY).maps["depth"].max() == 6
    assert Ibims(layout="raw").identity(root, KEY) != Ibims().identity(root, KEY)
    with pytest.raises(ConfigError, match=r"layout: .* among auto, mat, raw"):
        Ibims(layout="png")  # type: ignore[arg-type]


def test_the_card_has_the_published_count():
    assert Ibims().card.counts == {"test": 100}


def write(root, **fields):
    scipy.io.savemat(root / f"ibims1_core_mat/{KEY}.mat", {"data": fields})


def test_structures_of_another_kind_are_refused(root):
    photo, grey = np.zeros((4, 6, 3), np.uint8), np.ones((4, 6))
    write(root, rgb=photo, depth=grey)
    with pytest.raises(DataError, match=r"corridor_01\.mat: its structure `data` has no mask_invalid, mask_transp"):
        Ibims().read(root, KEY)
    write(root, rgb=photo[..., 0], depth=grey, mask_invalid=grey, mask_transp=grey)
    with pytest.raises(DataError, match=r"corridor_01\.mat: rgb is uint8 \[4, 6\], depth float64 \[4, 6\]"):
        Ibims().read(root, KEY)
    write(root, rgb=photo, depth=grey[..., None] * [1, 2], mask_invalid=grey, mask_transp=grey)
    with pytest.raises(DataError, match=r"corridor_01\.mat: rgb is .* depth float64 \[4, 6, 2\]"):
        Ibims().read(root, KEY)
    write(root, rgb=photo, depth=grey, mask_invalid=grey[1:], mask_transp=grey)
    with pytest.raises(DataError, match=r"mask_invalid of corridor_01: a mask float64 \[3, 6\]"):
        Ibims().read(root, KEY)
    scipy.io.savemat(root / f"ibims1_core_mat/{KEY}.mat", {"data": grey})
    with pytest.raises(DataError, match=r"its structure `data` has no rgb, depth"):
        Ibims().read(root, KEY)
    scipy.io.savemat(root / f"ibims1_core_mat/{KEY}.mat", {"other": grey})
    with pytest.raises(DataError, match=r"corridor_01\.mat: damaged \(has no variable `data`\)"):
        Ibims().read(root, KEY)


def test_a_damaged_structure_is_read_or_named(root):
    file = root / f"ibims1_core_mat/{KEY}.mat"
    good = 0
    for number, content in enumerate(damaged_bytes(file.read_bytes(), 60)):
        file.write_bytes(content)
        good += survives(lambda: Ibims().read(root, KEY), (DataError,), f"corridor_01, variant {number}")
    assert good < 40


def test_a_structure_that_unpacks_to_too_much_is_refused(root, monkeypatch):
    monkeypatch.setattr("marigold.datasets._decode._UNPACKED", 100)
    with pytest.raises(DataError, match=r"corridor_01\.mat: damaged \(more than 0 MB of variables\)"):
        Ibims().read(root, KEY)


def test_what_is_missing_is_named(root, pictures):
    (pictures / f"mask_transp/{KEY}.png").unlink()
    with pytest.raises(DataError, match=rf"{KEY} has no mask_transp/{KEY}\.png; unpack all of iBims-1"):
        Ibims().scan(pictures, "test")
    (root / f"ibims1_core_mat/{KEY}.mat").unlink()
    with pytest.raises(DataError, match=rf"{KEY} has no {KEY}\.mat; unpack all of iBims-1"):
        Ibims().scan(root, "test")
    with pytest.raises(DataError, match=r"neither NAME\.mat nor rgb/NAME\.png"):
        Ibims().scan(pictures / "depth", "test")
    with pytest.raises(DataError, match="no split named `val`"):
        Ibims().scan(root, "val")


def test_masks_of_pictures_of_another_size_are_refused(pictures):
    png8(pictures / f"mask_invalid/{KEY}.png", np.ones((4, 5)))
    with pytest.raises(DataError, match=r"mask_invalid of corridor_01: a mask uint8 \[4, 5\] for values of 6 x 4"):
        Ibims().read(pictures, KEY)


def test_the_extra_that_is_missing_is_named(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(MissingExtraError, match=r"corridor_01\.mat needs scipy.*eval"):
        Ibims().read(root, KEY)


def test_the_drawn_edges_are_a_map_where_they_are_there(root, pictures):
    photo, grey = np.zeros((4, 6, 3), np.uint8), np.ones((4, 6))
    edges = np.zeros((4, 6), np.uint8)
    edges[1, 2], edges[3, 5] = 1, 255
    assert "edges" not in Ibims().read(root, KEY).maps
    write(root, rgb=photo, depth=grey, mask_invalid=grey, mask_transp=grey, edges=edges)
    found = Ibims().read(root, KEY)
    assert found.maps["edges"].nonzero().tolist() == [[0, 1, 2], [0, 3, 5]]
    assert found.maps["edges"].max() == 1 and found.valid["edges"].all()
    assert "edges" not in Ibims().read(pictures, KEY).maps
    (pictures / "edges").mkdir()
    png16(pictures / f"edges/{KEY}.png", 65535 * edges.clip(0, 1).astype(np.uint16))
    assert Ibims().read(pictures, KEY).maps["edges"].nonzero().tolist() == [[0, 1, 2], [0, 3, 5]]
    write(root, rgb=photo, depth=grey, mask_invalid=grey, mask_transp=grey, edges=photo)
    with pytest.raises(DataError, match=r"edges of corridor_01: uint8 \[4, 6, 3\], not a drawing"):
        Ibims().read(root, KEY)
