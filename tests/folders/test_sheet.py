"""The contact sheet shows every picture, at the photo's proportions, with its name."""

import numpy as np
import PIL.Image
import pytest

from marigold.folders.sheet import GAP, TEXT, TILE, contact_sheet, write_sheet


def plain(colour, height=100, width=200):
    return np.full((height, width, 3), colour, np.uint8)


def test_pictures_of_any_size_are_shown_at_the_size_of_the_first():
    sheet = contact_sheet({"photo": plain((255, 0, 0)), "depth": plain((0, 0, 255), 50, 100)})
    # Each tile is 480 x 240; below it are the words and a gap above and under them.
    below, beside = (TILE + 2 * GAP, 2 * (240 + TEXT + 2 * GAP) + GAP), (2 * TILE + 3 * GAP, 240 + TEXT + 3 * GAP)
    assert sheet.size in (below, beside)
    colours = {colour for count, colour in sheet.getcolors(1 << 20) if count > TILE * 240 / 2}
    assert {(255, 0, 0), (0, 0, 255)} <= colours


def test_names_are_drawn_below_their_pictures():
    sheet = np.asarray(contact_sheet({"depth": plain((255, 255, 255))}))
    words = sheet[GAP + 240 :]
    assert words.min() < 100 and sheet[: GAP + 240].min() == 255


@pytest.mark.parametrize("count", range(1, 12))
def test_there_is_a_tile_for_every_picture_and_no_empty_row(count):
    tiles = {f"map {number}": plain((number * 20, 9, 99)) for number in range(count)}
    sheet = contact_sheet(tiles)
    columns, rows = sheet.width // (TILE + GAP), sheet.height // (240 + TEXT + 2 * GAP)
    assert columns * (rows - 1) < count <= columns * rows
    shown = {colour for number, colour in sheet.getcolors(1 << 22) if number >= TILE * 240}
    assert {(number * 20, 9, 99) for number in range(count)} <= shown


def test_a_sliver_has_a_sheet():
    assert contact_sheet({"photo": plain((0, 0, 0), 8, 100_000)}).width == TILE + 2 * GAP


def test_the_sheet_is_written_as_jpeg(tmp_path):
    path = write_sheet(tmp_path / "a_all.jpg", {"photo": plain((10, 200, 30))})
    with PIL.Image.open(path) as picture:
        assert picture.format == "JPEG" and abs(picture.getpixel((TILE // 2, 100))[1] - 200) < 4
