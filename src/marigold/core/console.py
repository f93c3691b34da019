"""Words for a console, where a file's name must neither break the line nor steer the terminal."""

import re

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line separators, changes of the writing direction, and bytes of a name that are no UTF-8."""


def printable(words: object) -> str:
    r"""Words on one line, with escapes such as `\n` and `\x1b` where a character is not to be printed."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), str(words))
