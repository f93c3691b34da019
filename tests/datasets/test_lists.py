import pytest

from marigold.core.errors import DataError
from marigold.datasets._lists import read_list


def test_a_line_gives_its_first_words(tmp_path):
    (tmp_path / "list.txt").write_text("a.png a.npy 1\n\n  b.png\tb.npy\n")
    assert read_list(tmp_path / "list.txt", 2) == [("a.png", "a.npy"), ("b.png", "b.npy")]


def test_a_line_with_too_few_words_is_named(tmp_path):
    (tmp_path / "list.txt").write_text("a.png a.npy\nb.png\n")
    with pytest.raises(DataError, match=r"list\.txt: line 2 has 1 paths, 2 are needed"):
        read_list(tmp_path / "list.txt", 2)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe"])
def test_a_list_without_samples_is_refused(tmp_path, content):
    (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"list\.txt"):
        read_list(tmp_path / "list.txt", 1)


def test_a_list_may_come_from_windows(tmp_path):
    """A byte order mark before the first path, two characters at the end of each line, a line of blanks."""
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfa.png a.npy\r\n  \r\nb.png b.npy")
    assert read_list(tmp_path / "list.txt", 2) == [("a.png", "a.npy"), ("b.png", "b.npy")]
