"""Miniature trees of the benchmarks of depth in the formats of their makers, with content known in closed form.

Every photo is of one grey, and depth is 1 m + 1 m for each column unless something else is said.
"""

from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import scipy.io

from toys.worlds import grey_photo, png16

WIDTH, HEIGHT = 6, 4


def columns(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """1, 2, 3, ... from left to right, [H, W] float64."""
    return np.broadcast_to(1.0 + np.arange(width), (height, width)).copy()


def save(path: Path, array: np.ndarray) -> None:
    """An array as NPY."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)


def png8(path: Path, samples: np.ndarray) -> None:
    """A grey PNG of 8 bits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(samples.astype(np.uint8)).save(path)


def pfm(path: Path, values: np.ndarray, ends: str = "") -> None:
    """A little-endian PFM, whose rows are stored from the bottom up; `ends` follows each line of its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = values.shape
    header = "".join(f"{line}{ends}\n" for line in ("Pf", f"{width} {height}", "-1"))
    path.write_bytes(header.encode() + values[::-1].astype("<f4").tobytes())


def nyuv2(root: Path) -> None:
    """The published tar's folders: a scene for each split, with a photo whose depth is 1 m + 0.01 m for each column."""
    depth = 1000 + 10 * np.broadcast_to(np.arange(640), (480, 640))
    for split, scene in (("train", "office_0001"), ("test", "kitchen_0002")):
        grey_photo(root / f"{split}/{scene}/rgb_0001.png", 51, 640, 480)
        png16(root / f"{split}/{scene}/depth_0001.png", depth)


def nyuv2_archive(root: Path, width: int = WIDTH, height: int = HEIGHT) -> None:
    """The labelled archive with three photos and the splits [1, 3] to train and [2] to test.

    The red of photo n, from 1, is 50 n + its column, the green its row, the blue 0. Measured depth is n m in the first
    column and 1 m more in each other; the filled one is 9 m everywhere.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows, places = np.mgrid[:height, :width]
    photos = np.stack([np.stack([50 * n + places, rows, 0 * rows]) for n in (1, 2, 3)]).astype(np.uint8)
    depth = np.stack([n + places for n in (1, 2, 3)]).astype(np.float32)
    with h5py.File(root / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        file["images"] = photos.transpose(0, 1, 3, 2)  # [N, 3, W, H]
        file["rawDepths"] = depth.transpose(0, 2, 1)  # [N, W, H]
        file["depths"] = np.full((3, width, height), 9, np.float32)
    splits = {"trainNdxs": np.array([[1], [3]], np.uint16), "testNdxs": np.array([[2]], np.uint16)}
    scipy.io.savemat(root / "splits.mat", splits)


def kitti(root: Path, width: int = 1242, height: int = 375) -> None:
    """Two drives of the depth benchmark, one in each part, with their raw photos; depth of 2 m in every pixel."""
    for part, drive in (("train", "2011_09_26_drive_0001_sync"), ("val", "2011_09_30_drive_0033_sync")):
        grey_photo(root / f"{drive[:10]}/{drive}/image_02/data/0000000005.png", 51, width, height)
        folder = root / f"{part}/{drive}/proj_depth/groundtruth"
        png16(folder / "image_02/0000000005.png", np.full((height, width), 512))


def eth3d(root: Path) -> None:
    """Two scenes with a photo each; depth is infinite in the last column."""
    depth = columns()
    depth[:, -1] = np.inf
    for scene in ("courtyard", "pipes"):
        grey_photo(root / f"{scene}/images/dslr_images/DSC_0286.JPG", 51, WIDTH, HEIGHT)
        (root / f"{scene}/ground_truth_depth/dslr_images").mkdir(parents=True)
        file = root / f"{scene}/ground_truth_depth/dslr_images/DSC_0286.JPG"
        file.write_bytes(depth.astype("<f4").tobytes())


def scannet(root: Path, name: str = "{:06d}") -> None:
    """A scene with frames 0, 20 and 100; photos are larger than depth, which is 0 in the last row."""
    depth = 1000 * columns()
    depth[-1] = 0
    for number in (0, 20, 100):
        stem = name.format(number)
        grey_photo(root / f"scene0001_00/color/{stem}.jpg", number, 13, 9)
        png16(root / f"scene0001_00/depth/{stem}.png", depth)


def diode(root: Path) -> None:
    """A photo indoors, whose mask is float32, and one outdoors, whose mask is float64; both leave out the first row."""
    for part, name, kind in (("indoors", "00019_a", np.float32), ("outdoor", "00022_b", np.float64)):
        stem = root / f"val/{part}/scene_00019/scan_00183/{name}"
        grey_photo(stem.with_name(f"{name}.png"), 51, WIDTH, HEIGHT)
        save(stem.with_name(f"{name}_depth.npy"), columns().astype(np.float32)[..., None])
        mask = np.ones((HEIGHT, WIDTH), kind)
        mask[0] = 0
        save(stem.with_name(f"{name}_depth_mask.npy"), mask)


def ibims(root: Path, folder: str = "ibims1_core_mat") -> None:
    """The archive of MATLAB files, two photos; the masks leave out the first and the last row, depth lacks a pixel.

    Red is the column, green the row and blue 0.
    """
    rows, places = np.mgrid[:HEIGHT, :WIDTH]
    depth = columns()
    depth[1, 0] = 0
    invalid, transparent = np.ones((HEIGHT, WIDTH), np.uint8), np.ones((HEIGHT, WIDTH), bool)
    invalid[0], transparent[-1] = 0, False
    (root / folder).mkdir(parents=True)
    for name in ("corridor_01", "office_02"):
        photo = np.stack([places, rows, 0 * rows], axis=-1).astype(np.uint8)
        fields = {"rgb": photo, "depth": depth, "mask_invalid": invalid, "mask_transp": transparent}
        scipy.io.savemat(root / folder / f"{name}.mat", {"data": fields}, do_compression=True)
    (root / folder / "imagelist.txt").write_text("office_02\ncorridor_01\n\n")


def ibims_pictures(root: Path) -> None:
    """The archive of pictures, one photo; 13107 of 65535 is 10 m, and the masks leave out the first and last row."""
    invalid, transparent = np.full((HEIGHT, WIDTH), 255), np.ones((HEIGHT, WIDTH))
    invalid[0], transparent[-1] = 0, 0
    grey_photo(root / "rgb/corridor_01.png", 51, WIDTH, HEIGHT)
    png16(root / "depth/corridor_01.png", np.full((HEIGHT, WIDTH), 13107))
    png8(root / "mask_invalid/corridor_01.png", invalid)
    png8(root / "mask_transp/corridor_01.png", transparent)


CALIBRATION = (
    "cam0=[1000 0 3.5; 0 1000 2; 0 0 1] \ncam1=[1000 0 4; 0 1000 2; 0 0 1]\ndoffs=20 \nbaseline=200\t\n"
    "width={}\nheight={}\nndisp=290\nisint=0\n"
)
"""Depth in metres is 200 * 1000 / (disparity + 20) / 1000 = 200 / (disparity + 20); lines may have trailing blanks."""


def middlebury(root: Path) -> None:
    """Two scenes, of which one has both variants, and one of the third evaluation; depth is 200 / (disparity + 20) m.

    Disparity is 20 pixels, and 80 in the first row; the last pixel of the first row has none.
    """
    disparity = np.full((HEIGHT, WIDTH), 20.0)
    disparity[0] = 80
    disparity[0, -1] = np.inf
    for folder in ("Adirondack-perfect", "Adirondack-imperfect", "Piano-perfect", "MiddEval3/trainingQ/Vintage"):
        grey_photo(root / folder / "im0.png", 51, WIDTH, HEIGHT)
        (root / folder / "calib.txt").write_text(CALIBRATION.format(WIDTH, HEIGHT))
        pfm(root / folder / ("disp0GT.pfm" if "training" in folder else "disp0.pfm"), disparity, " ")
    seen = np.full((HEIGHT, WIDTH), 255)
    seen[2], seen[3] = 128, 0
    png8(root / "MiddEval3/trainingQ/Vintage/mask0nocc.png", seen)


def projection(name: str, last: float) -> str:
    """A matrix of a rectified camera with a focal length of 500 pixels, in OpenCV's XML."""
    numbers = f"500. 0. 3.5e+00 {last}\n    0. 500. 2. 0. 0. 0. 1. 0."
    parts = f"<rows>3</rows>\n  <cols>4</cols>\n  <dt>d</dt>\n  <data>\n    {numbers}</data>"
    return f'<{name} type_id="opencv-matrix">\n  {parts}</{name}>\n'


def booster(root: Path) -> None:
    """A scene in two kinds of light. The baseline is 80 mm: depth is 500 * 0.08 / disparity = 40 / disparity metres.

    Disparity is 20 pixels, 40 in the last row, and 0 in the second pixel; the mask leaves out the first column, and the
    second row is of kind 3.
    """
    scene = root / "train/balanced/Bathroom"
    for number in (0, 1):
        grey_photo(scene / f"camera_00/im{number}.png", 51 * number, WIDTH, HEIGHT)
        grey_photo(scene / f"camera_02/im{number}.png", 0, WIDTH, HEIGHT)
    disparity = np.full((HEIGHT, WIDTH), 20, np.float32)
    disparity[-1], disparity[0, 1] = 40, 0
    save(scene / "disp_00.npy", disparity)
    mask, kinds = np.full((HEIGHT, WIDTH), 255), np.zeros((HEIGHT, WIDTH))
    mask[:, 0], kinds[1] = 0, 3
    png8(scene / "mask_00.png", mask)
    png8(scene / "mask_cat.png", kinds)
    matrices = projection("proj_matL", 0) + projection("proj_matR", -40000)
    text = f'<?xml version="1.0"?>\n<opencv_storage>\n{matrices}</opencv_storage>\n'
    (scene / "calib_00-02.xml").write_text(text)
