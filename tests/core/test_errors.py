"""Messages of errors are one line that can be printed, whatever names they repeat."""

import pytest

from marigold.core.errors import CheckpointError, ConfigError, ImageError, MissingExtraError, OutputError


@pytest.mark.parametrize("kind", [CheckpointError, ConfigError, ImageError, OutputError])
def test_a_message_is_one_printable_line(kind):
    assert str(kind("a\nb \x1b[2J \ud800 caf\udce9 \u202e.png: no such file")) == (
        r"a\nb \x1b[2J \ud800 caf\udce9 \u202e.png: no such file"
    )


def test_a_message_is_escaped_once():
    assert str(ConfigError(f"recipe: {ImageError('a' + chr(10))}")) == r"recipe: a\n"


def test_a_missing_library_has_its_message():
    assert str(MissingExtraError("transformers", "text", "this")).startswith("this needs transformers, which is not")


def test_an_indented_line_follows_after_a_space():
    assert str(ConfigError("a: broken;\n    correct it")) == "a: broken; correct it"
