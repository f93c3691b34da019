"""Two results side by side, with differences that are known."""

import pytest

from marigold.core.console import printable
from marigold.core.errors import DataError
from marigold.evaluate.compare import compare, table


def result(values, *, name="A", metric="abs_rel", higher=False, space="depth", title="made", skip=(), dataset="made"):
    protocol = {"space": space, "fit": "least-squares", "words": name}
    one = {"set": title, "dataset": dataset, "split": "test", "settings": {}, "protocol": protocol}
    one["metrics"] = {metric: {"unit": "", "higher_is_better": higher}}
    rows = [
        {
            "set": printable(title),
            "key": str(key),
            "status": "hole" if key in skip else "scored",
            "reason": "",
            metric: repr(value),
        }
        for key, value in enumerate(values)
    ]
    return {"model": {"name": name}, "sets": [one]}, rows


def test_a_constant_difference_is_certain():
    found = compare(result([1.0, 2.0, 5.0]), result([1.5, 2.5, 5.5]))
    (line,) = found.lines
    assert (line.first, line.second) == pytest.approx((8 / 3, 8 / 3 + 0.5))
    assert (line.paired.difference, line.paired.low, line.paired.high) == pytest.approx((-0.5, -0.5, -0.5))
    assert (line.better, line.verdict) == (1, "A")


def test_the_direction_of_better_is_the_metric_s():
    (line,) = compare(result([0.5, 0.6], higher=True), result([0.7, 0.8], higher=True)).lines
    assert (line.better, line.verdict) == (0, "B")


def test_a_difference_whose_interval_holds_zero_is_open():
    (line,) = compare(result([1.0, 2.0, 3.0, 4.0]), result([2.0, 1.0, 4.0, 3.0])).lines
    assert line.verdict == "open" and line.better == 0.5


def test_only_samples_that_both_have_scored_count_and_that_is_said():
    found = compare(result([1.0, 2.0, 30.0], skip=(2,)), result([1.0, 2.0, 3.0]))
    assert found.lines[0].second == 1.5
    assert found.remarks == ["made: 2 samples in both, of 2 scored in A and 3 in B"]


def test_results_of_different_protocols_are_not_compared_in_silence():
    first, second = result([1.0, 2.0]), result([1.0, 2.0], space="disparity")
    with pytest.raises(DataError, match=r"different protocols \(space: depth and disparity\)"):
        compare(first, second)
    assert "different protocols" in table(compare(first, second, across=True))


def test_results_without_a_common_set_are_refused():
    with pytest.raises(DataError, match="nothing to compare: made: only in A; other: only in B"):
        compare(result([1.0, 2.0]), result([1.0, 2.0], title="other", dataset="other"))


def test_a_data_set_is_compared_whatever_a_suite_calls_it():
    (line,) = compare(result([1.0, 2.0]), result([2.0, 3.0], title="Made")).lines
    assert (line.set, line.first, line.second) == ("made", 1.5, 2.5)


def test_one_title_goes_before_one_data_set():
    """Of two sets that are the same data, each is compared with its namesake, and two that could be either are not."""
    (mine, rows), (theirs, others) = result([1.0, 2.0]), result([5.0, 5.0])
    (copy, more) = result([8.0, 8.0], title="copy")
    both = {"model": {"name": "B"}, "sets": [*copy["sets"], *theirs["sets"]]}, [*more, *others]
    (line,) = compare((mine, rows), both).lines
    assert line.second == 5
    with pytest.raises(DataError, match="third: only in A; copy: only in B; made: only in B"):
        compare(result([1.0, 2.0], title="third"), both)


def test_the_table_shows_both_means_and_the_interval():
    text = table(compare(result([1.0, 2.0]), result([0.5, 1.5])))
    assert "| made | abs_rel ↓ | 1.5 | 1 | +0.5 | +0.5 to +0.5 | 0% | B |" in text


def test_text_from_a_result_is_escaped():
    text = table(compare(result([1.0, 2.0], title="\x1b[2J"), result([1.0, 2.0], title="\x1b[2J")))
    assert "\x1b" not in text and "[2J" in text


def test_units_and_metrics_from_a_result_are_escaped():
    both = [result([1.0, 2.0], metric="\x1b[31m"), result([1.0, 2.0], metric="\x1b[31m")]
    for summary, _ in both:
        summary["sets"][0]["metrics"]["\x1b[31m"]["unit"] = "\x1b[32m\n"
    assert "\x1b" not in (text := table(compare(*both))) and len(text.splitlines()) == 3


@pytest.mark.parametrize("value", [float("inf"), 1e308, -1e308])
def test_numbers_that_no_metric_has_are_named(value):
    with pytest.raises(DataError, match=r"made: abs_rel is -?(inf|1e\+308) on a sample, which cannot be compared"):
        compare(result([1.0, value]), result([1.0, 2.0]))
