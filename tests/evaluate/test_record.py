"""What a journal keeps: tallies of every kind to the last bit, and no line that was cut short."""

import errno
from fractions import Fraction

import pytest
import torch

from marigold.core.documents import from_json
from marigold.core.errors import OutputError
from marigold.core.files import as_json
from marigold.evaluate.record import Journal, Record, from_plain, to_plain
from marigold.measure.tally import Tally, histogram, risk

TALLIES = [
    Tally(),
    Tally(0.1, 1),
    Tally(0.1, 3) + Tally(0.2, 4),
    Tally(2.5, 7, "root"),
    Tally(2.5, 7, "deviation", 9.1),
    histogram(torch.tensor([0.1, 0.1, 7.3])),
    risk(0.25, 0.5) + risk(0.125, 0.1),
    Tally(float("inf"), 2),
]


@pytest.mark.parametrize("tally", TALLIES)
def test_a_tally_comes_back_as_it_was(tally):
    found = from_plain(from_json(as_json(to_plain(tally))))
    assert found == tally and str(found.mean) == str(tally.mean)


def test_exact_sums_stay_exact():
    exact = Tally(0.1, 1) + Tally(0.2, 1)
    assert from_plain(to_plain(exact)).total == Fraction(0.1) + Fraction(0.2)


@pytest.mark.parametrize("content", [{}, {"counts": 3}, {"counts": [], "nothing": 1}, {"counts": [], "total": "x"}])
def test_what_is_no_tally_is_refused(content):
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_plain(content)


def noted(path, digest="one"):
    journal = Journal(path, digest)
    journal.close(done=False)
    return journal.known


def test_records_come_back_with_their_set(tmp_path):
    journal = Journal(tmp_path / "journal", "one")
    record = Record("a", tallies={"red": {"abs_rel": Tally(0.1, 1)}}, seconds={"read": 0.5})
    journal.add(1, record)
    journal.add(2, Record("a", "hole", "none there"))
    journal.close(done=False)
    assert noted(tmp_path / "journal") == {(1, "a"): record, (2, "a"): Record("a", "hole", "none there")}


@pytest.mark.parametrize("rest", [b'{"set": 0, "key"', b"\xff\xfe\n", b"[1]\n", b'{"set": 0}\n', b"\n"])
def test_what_is_behind_a_broken_line_is_left_out_and_written_over(tmp_path, rest):
    path = tmp_path / "journal"
    journal = Journal(path, "one")
    journal.add(0, Record("a"))
    journal.close(done=False)
    whole = path.read_bytes()
    path.write_bytes(whole + rest + b'{"set": 0, "key": "later"}\n')
    assert noted(path).keys() == {(0, "a")}
    assert path.read_bytes() == whole


def test_a_journal_of_something_else_begins_anew(tmp_path):
    path = tmp_path / "journal"
    journal = Journal(path, "one")
    journal.add(0, Record("a"))
    journal.close(done=False)
    assert noted(path, "two") == {}
    assert noted(path, "one") == {}


def test_a_journal_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(OutputError):
        Journal(tmp_path / "nowhere" / "journal", "one")


def test_a_finished_journal_is_gone(tmp_path):
    Journal(tmp_path / "journal", "one").close(done=True)
    assert not (tmp_path / "journal").exists()


def test_a_full_disk_is_told_where_it_is(tmp_path, monkeypatch):
    journal = Journal(tmp_path / "j", "d")

    class Full:
        def write(self, content):
            raise OSError(errno.ENOSPC, "No space left on device")

        def flush(self):
            self.write(b"")

        close = flush

    journal.close(done=False)
    monkeypatch.setattr(journal, "_file", Full())
    with pytest.raises(OutputError, match=r"j: cannot be written \(no space left on device\); free some space"):
        try:
            journal.add(0, Record("a"))
        finally:
            journal.close(done=False)
