"""The sheet of a photo shows every picture, at the photo's proportions, with its name."""

import numpy as np
import PIL.Image
import pytest

from marigold.core.contact_sheet import TEXT
from marigold.folders.sheet import GAP, NARROWEST, TILE, sheet_of, write_sheet


def plain(colour, height=100, width=200):
    return np.full((height, width, 3), colour, np.uint8)


def colours(sheet, fewest):
    """The colours that fill more than so many pixels."""
    return {colour for count, colour in PIL.Image.fromarray(sheet).getcolors(1 << 22) if count >= fewest}


def test_pictures_of_any_size_are_shown_at_the_size_of_the_first():
    sheet = sheet_of({"photo": plain((255, 0, 0)), "depth": plain((0, 0, 255), 50, 100)})
    # Each picture is 480 x 240; below it are the words and a gap above and under them.
    below, beside = (2 * (240 + TEXT + 2 * GAP) + GAP, TILE + 2 * GAP), (240 + TEXT + 3 * GAP, 2 * TILE + 3 * GAP)
    assert sheet.shape[:2] in (below, beside)
    assert {(255, 0, 0), (0, 0, 255)} <= colours(sheet, TILE * 240)


@pytest.mark.parametrize("count", range(1, 12))
def test_there_is_a_place_for_every_picture_and_no_empty_row(count):
    sheet = sheet_of({f"map {number}": plain((number * 20, 9, 99)) for number in range(count)})
    columns, rows = sheet.shape[1] // (TILE + GAP), sheet.shape[0] // (240 + TEXT + 2 * GAP)
    assert columns * (rows - 1) < count <= columns * rows
    assert {(number * 20, 9, 99) for number in range(count)} <= colours(sheet, TILE * 240)


@pytest.mark.parametrize("size", [(60_000, 8), (8, 100_000), (66_000, 9)])
def test_slivers_can_be_seen_and_their_names_do_not_overlap(size):
    names = ("photo", "appearance: metallicity", "depth")
    sheet = sheet_of({name: plain((200, 0, 0), *size) for name in names})
    assert max(sheet.shape) < 3000
    assert (200, 0, 0) in colours(sheet, len(names) * TILE * NARROWEST)
    ink = (sheet < 100).all(axis=2)
    gaps = np.diff(np.flatnonzero(ink.any(axis=0)))
    assert size[1] > size[0] or np.count_nonzero(gaps >= GAP) == len(names) - 1


def test_the_sheet_is_written_as_jpeg(tmp_path):
    path = write_sheet(tmp_path / "a_all.jpg", {"photo": plain((10, 200, 30))})
    with PIL.Image.open(path) as picture:
        assert picture.format == "JPEG" and abs(picture.getpixel((TILE // 2, 100))[1] - 200) < 4
