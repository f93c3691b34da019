"""Words for a console: one line, nothing that steers the terminal."""

import os

import pytest

from marigold.core.console import printable


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("été 深度 👩‍👧.png", "été 深度 👩‍👧.png"),
        ("a\nb\tc\r.png", r"a\nb\tc\r.png"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\u2028b\x85c\u202egnp.exe", r"a\u2028b\x85c\u202egnp.exe"),
        (os.fsdecode(b"caf\xe9.png"), r"caf\udce9.png"),
        (3, "3"),
    ],
)
def test_what_is_not_to_be_printed_is_escaped(words, shown):
    assert printable(words) == shown
