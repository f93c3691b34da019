import numpy as np
import pytest
import torch

from marigold.core.errors import ConfigError, DataError
from marigold.datasets.middlebury import Middlebury
from toys.benchmarks import CALIBRATION, middlebury, pfm
from toys.worlds import packed

KEY = "Adirondack-perfect/im0.png"
QUARTER = "trainingQ/Vintage/im0.png"


@pytest.fixture
def root(tmp_path):
    middlebury(tmp_path / "middlebury")
    return tmp_path / "middlebury"


def test_depth_is_baseline_times_focal_length_by_disparity_and_offset(root):
    """200 mm * 1000 / (20 + 20) = 5 m and 200 mm * 1000 / (80 + 20) = 2 m, of rows that are stored bottom first."""
    sample = Middlebury().read(root, KEY)
    assert torch.equal(sample.image, torch.full((3, 4, 6), 51 / 255))
    assert sample.maps["depth"][0].tolist() == [[2, 2, 2, 2, 2, 0]] + [[5] * 6] * 3
    assert sample.valid["depth"][0].tolist() == [[True] * 5 + [False]] + [[True] * 6] * 3


def test_a_disparity_that_no_depth_explains_is_invalid(root):
    numbers = [[-20, -25, np.nan, -np.inf, -10, 0]] * 4
    pfm(root / "Adirondack-perfect/disp0.pfm", np.array(numbers))
    sample = Middlebury().read(root, KEY)
    assert sample.valid["depth"][0, 0].tolist() == [False] * 4 + [True] * 2
    assert sample.maps["depth"][0, 0].tolist() == [0, 0, 0, 0, 20, 10]


def test_the_variants_are_read_apart(root):
    assert Middlebury().scan(root, "test") == [KEY, "Piano-perfect/im0.png"]
    assert Middlebury(variant="imperfect").scan(root, "test") == ["Adirondack-imperfect/im0.png"]
    assert Middlebury(variant="trainingQ").scan(root, "test") == [QUARTER]
    with pytest.raises(DataError, match=r"no trainingF/SCENE/im0\.png; give the folder that holds it, or another"):
        Middlebury(variant="trainingF").scan(root, "test")


def test_pixels_that_one_camera_sees_may_be_left_out(root):
    every, both = Middlebury(variant="trainingQ"), Middlebury(variant="trainingQ", mask="nonoccluded")
    assert every.read(root, QUARTER).valid["depth"][0].sum(dim=1).tolist() == [5, 6, 6, 6]
    assert both.read(root, QUARTER).valid["depth"][0].sum(dim=1).tolist() == [5, 6, 0, 0]
    assert both.card_of(root).mask == "pixels with disparity that both cameras see"
    assert every.card_of(root).source.endswith("trainingQ")
    with pytest.raises(ConfigError, match=r"mask: .*among all of `variant: perfect`"):
        Middlebury(mask="nonoccluded")


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("top", ["", "MiddEval3"])
def test_the_archive_may_stay_packed(root, tmp_path, top, prefix):
    tar = packed(root / top, tmp_path / "middlebury.tar", prefix)
    dataset = Middlebury(variant="trainingQ")
    assert dataset.scan(tar, "test") == [QUARTER]
    assert dataset.read(tar, QUARTER).maps["depth"][0, 1, 0] == 5
    assert dataset.identity(tar, QUARTER)


@pytest.mark.parametrize("ends", ["", " ", "\t ", "\r"])
def test_lines_of_headers_may_have_trailing_blanks(root, ends):
    pfm(root / "Adirondack-perfect/disp0.pfm", np.full((4, 6), 20.0), ends)
    text = CALIBRATION.format(6, 4).replace("\n", f"{ends}\n")
    (root / "Adirondack-perfect/calib.txt").write_bytes(text.encode())
    assert Middlebury().read(root, KEY).maps["depth"].unique().tolist() == [5]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("doffs=20", "dofs=20"), "has not the numbers cam0"),
        (("cam0=[1000", "cam0=[x"), "has not the numbers cam0"),
        (("cam0=[1000", "cam0=1000"), "has not the numbers cam0"),
        (("width=6", "width=6.5"), "has not the numbers cam0"),
        (("cam0=[1000", "cam0=[-1000"), "its focal length or baseline is not above 0"),
        (("baseline=200", "baseline=nan"), "its focal length or baseline is not above 0"),
        (("width=6", "width=24"), "is of 24 x 4, the disparity 6 x 4; take that of this size"),
    ],
)
def test_a_calibration_that_is_damaged_or_of_another_size_is_named(root, change, complaint):
    (root / "Adirondack-perfect/calib.txt").write_text(CALIBRATION.format(6, 4).replace(*change))
    with pytest.raises(DataError, match=rf"Adirondack-perfect/calib\.txt: {complaint}"):
        Middlebury().read(root, KEY)


def test_what_is_missing_or_damaged_is_named(root):
    file = root / "Adirondack-perfect/disp0.pfm"
    before = Middlebury().identity(root, KEY)
    file.write_bytes(file.read_bytes()[:-4])
    assert Middlebury().identity(root, KEY) != before
    with pytest.raises(DataError, match=r"disp0\.pfm: damaged \(92 bytes of numbers, where 6 x 4 pixels have 96"):
        Middlebury().read(root, KEY)
    file.unlink()
    with pytest.raises(DataError, match=rf"{KEY} has no Adirondack-perfect/disp0\.pfm; unpack all of that scene"):
        Middlebury().scan(root, "test")
    with pytest.raises(DataError, match="no split named `val`"):
        Middlebury().scan(root, "val")
    with pytest.raises(ConfigError, match=r"variant: .* among perfect, imperfect, trainingF"):
        Middlebury(variant="trainingX")  # type: ignore[arg-type]
