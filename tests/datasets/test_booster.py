import numpy as np
import pytest
import torch

from marigold.core.config import decode
from marigold.core.errors import DataError
from marigold.data.source import Source
from marigold.datasets._opencv import matrix
from marigold.datasets.booster import Booster
from toys.benchmarks import booster, png8, projection, save
from toys.worlds import packed

SCENE = "train/balanced/Bathroom"
KEY = f"{SCENE}/camera_00/im1.png"
XML = '<?xml version="1.0"?>\n<opencv_storage>\n{}</opencv_storage>\n'


@pytest.fixture
def root(tmp_path):
    booster(tmp_path / "data")
    return tmp_path / "data"


def test_depth_is_focal_length_times_baseline_by_disparity(root):
    """500 * 80 mm / 20 = 2 m, and 1 m in the last row; a pixel has no disparity, the mask leaves out a column."""
    sample = Booster().read(root, KEY)
    assert torch.equal(sample.image, torch.full((3, 4, 6), 51 / 255))
    expected = [[0, 0, 2, 2, 2, 2], [0, 2, 2, 2, 2, 2], [0, 2, 2, 2, 2, 2], [0, 1, 1, 1, 1, 1]]
    assert sample.maps["depth"][0].tolist() == expected
    assert sample.valid["depth"][0].tolist() == [[value > 0 for value in row] for row in expected]


def test_every_photo_of_the_left_camera_is_a_sample(root):
    assert Booster().scan(root, "test") == [f"{SCENE}/camera_00/im{number}.png" for number in (0, 1)]


def test_surfaces_can_be_chosen_by_their_kind(root):
    dataset = Booster(kinds=(1, 3))
    assert dataset.read(root, KEY).valid["depth"][0].sum(dim=1).tolist() == [0, 5, 0, 0]
    assert dataset.card_of(root).mask.endswith("of the kinds 1, 3")
    assert decode(Source, {"dataset": "booster", "kinds": [1, 3]}).dataset == dataset
    (root / SCENE / "mask_cat.png").unlink()
    assert Booster().scan(root, "test")
    with pytest.raises(DataError, match=r"has no train/balanced/Bathroom/mask_cat\.png; unpack all of that scene"):
        dataset.scan(root, "test")


@pytest.mark.parametrize("layout", ["folder above", "tar", "tar with ./"])
def test_the_archive_may_lie_in_a_folder_or_stay_packed(root, tmp_path, layout):
    given = tmp_path
    if layout == "folder above":
        root.rename(tmp_path / "booster_gt")
    else:
        given = packed(root, tmp_path / "booster_gt.tar", "./" if layout.endswith("./") else "")
    assert KEY in Booster().scan(given, "test")
    assert Booster().read(given, KEY).maps["depth"][0, 3, 5] == 1
    assert Booster().identity(given, KEY)


def test_arrays_and_cameras_of_another_kind_are_refused(root):
    save(root / SCENE / "disp_00.npy", np.ones((4, 6, 1), np.float32))
    with pytest.raises(DataError, match=r"disp_00\.npy: float32 \[4, 6, 1\], not disparity \[H, W\]"):
        Booster().read(root, KEY)
    save(root / SCENE / "disp_00.npy", np.ones((4, 6), np.float32))
    png8(root / SCENE / "mask_00.png", np.ones((2, 3)))
    with pytest.raises(DataError, match=r"mask_00\.png: a mask uint8 \[2, 3\] for values of 6 x 4"):
        Booster().read(root, KEY)
    swapped = XML.format(projection("proj_matL", 0) + projection("proj_matR", 40000))
    (root / SCENE / "calib_00-02.xml").write_text(swapped)
    with pytest.raises(DataError, match=r"calib_00-02\.xml: proj_matL and proj_matR are not those of two cameras"):
        Booster().read(root, KEY)


def test_what_is_missing_or_damaged_is_named(root):
    file = root / SCENE / "disp_00.npy"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"disp_00\.npy: damaged"):
        Booster().read(root, KEY)
    file.unlink()
    with pytest.raises(DataError, match=r"im0\.png has no train/balanced/Bathroom/disp_00\.npy"):
        Booster().scan(root, "test")
    with pytest.raises(DataError, match=r"no train/balanced/SCENE/camera_00/im0\.png; give the folder that holds"):
        Booster().scan(root / "train", "test")
    with pytest.raises(DataError, match="no split named `train`"):
        Booster().scan(root, "train")


def test_a_matrix_of_opencv_is_read_from_xml_and_yaml():
    numbers = [[500, 0, 3.5, -7], [0, 500, 2, 0], [0, 0, 1, 0]]
    xml = XML.format(projection("proj_matR", -7)).encode()
    assert matrix(xml, "a.xml", "proj_matR").tolist() == numbers
    yaml = (
        "%YAML:1.0\n---\nproj_matL: !!opencv-matrix\n   rows: 1\n   cols: 1\n   dt: d\n   data: [ 4. ]\n"
        "proj_matR: !!opencv-matrix\n   rows: 3\n   cols: 4\n   dt: d\n   data: [ 500., 0., 3.5e+00, -7.,\n"
        "       0., 500., 2., 0., 0., 0., 1., 0. ]\n"
    )
    assert matrix(yaml.encode(), "a.yml", "proj_matR").tolist() == numbers


BOMB = (
    '<?xml version="1.0"?>\n<!DOCTYPE x [<!ENTITY a "1 1">]>\n<opencv_storage><m><data>&a;</data></m></opencv_storage>'
)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (BOMB, "defines entities or types of its own"),
        (XML.format(projection("other", 0)), "no matrix `m`"),
        (XML.format("<m><rows>1</rows><cols>2</cols><data>1</data></m>"), "`m` has not 1 x 2 numbers"),
        (XML.format("<m><rows>-1</rows><cols>-1</cols><data>1</data></m>"), "`m` has not -1 x -1 numbers"),
        (XML.format("<m><rows>1</rows><cols>1</cols><data>nan</data></m>"), "`m` has not 1 x 1 numbers"),
        (XML.format("<m><rows>1</rows><cols>99</cols><data>" + "1 " * 99 + "</data></m>"), "has not 1 x 99 numbers"),
        (XML.format("<m><rows>a</rows></m>"), "invalid literal"),
        (XML.format("<m>")[:-20], "mismatched|unclosed|no element"),
        ("m: [1, 2]", "no matrix `m`"),
        (" " * ((1 << 20) + 1), "more than 1 MB"),
    ],
)
def test_other_files_are_refused_by_name(text, complaint):
    with pytest.raises(DataError, match=rf"a\.xml: not OpenCV's calibration \(.*({complaint}).*\); download it again"):
        matrix(text.encode(), "a.xml", "m")


def test_xml_in_another_encoding_hides_no_entities():
    with pytest.raises(DataError, match=r"a\.xml: not OpenCV's calibration"):
        matrix(BOMB.encode("utf-16"), "a.xml", "m")
