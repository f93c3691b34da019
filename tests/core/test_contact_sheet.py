"""Contact sheets, against pixels placed by hand."""

import numpy as np

from marigold.core.contact_sheet import TEXT, WHITE, grid, labelled


def plain(level, height, width):
    return np.full((height, width, 3), level, np.uint8)


def test_pictures_stand_in_rows_with_gaps_between_them():
    sheet = grid([[plain(1, 2, 3), plain(2, 2, 3)], [plain(3, 2, 3), plain(4, 2, 3)]], gap=1)
    expected = [[1, 1, 1, 255, 2, 2, 2]] * 2 + [[255] * 7] + [[3, 3, 3, 255, 4, 4, 4]] * 2
    assert sheet[..., 0].tolist() == expected and (sheet == sheet[..., :1]).all()


def test_smaller_pictures_are_centred_in_their_column_and_rows_may_be_short():
    sheet = grid([[plain(1, 1, 5), plain(2, 2, 2)], [plain(3, 1, 1)]])
    assert sheet[..., 0].tolist() == [[1] * 5 + [2] * 2, [255] * 5 + [2] * 2, [255, 255, 3] + [255] * 4]


def test_one_picture_is_itself():
    np.testing.assert_array_equal(grid([[plain(7, 4, 5)]], gap=9), plain(7, 4, 5))


def test_a_name_stands_below_its_picture_and_has_the_room_that_it_needs():
    wide, narrow = labelled(plain(0, 30, 200), "depth", gap=6), labelled(plain(0, 30, 4), "depth", gap=6)
    assert wide.shape == (30 + 6 + TEXT, 200, 3) and narrow.shape[1] > 30
    for sheet in (wide, narrow):
        assert (sheet[:30].max(axis=2) == 0).any() and (sheet[30:36] == WHITE).all() and sheet[36:].min() < 100
