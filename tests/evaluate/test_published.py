"""Published scores, with protocol and source."""

import re

import pytest

from marigold.core.find import names
from marigold.evaluate import published
from marigold.modalities.base import Modality

ROWS = [(table, row) for table in published.tables() for row in table.rows]
NUMBER = re.compile(r"(-|\d*\.?\d+(-\d*\.?\d+)?)")
SOURCES = (
    "printed in the primary paper",
    "printed in another paper",
    "stated in the method's repository",
    "one secondary source",
)
SHARES = ("delta1", "below_11.25", "edge_precision", "edge_recall", "abs_rel")


def only(method, table, **wanted):
    (row,) = (
        row
        for row in table.rows
        if row.method == method and all(getattr(row, name) == value for name, value in wanted.items())
    )
    return row


def of(modality, **protocol):
    (table,) = (table for table in published.of(modality) if table.protocol == protocol)
    return table


def test_every_table_is_of_modalities_that_exist():
    assert {modality for table in published.tables() for modality in table.modalities} <= set(names(Modality))


@pytest.mark.parametrize(("table", "row"), ROWS, ids=[f"{row.method} {row.source}" for _, row in ROWS])
def test_a_row_has_a_number_for_each_metric_and_says_where_it_stands(table, row):
    assert row.scores
    for name in row.scores:
        numbers = row.numbers(name)
        assert len(numbers) == len(table.metrics)
        assert all(NUMBER.fullmatch(number) for number in numbers)
        assert any(number != "-" for number in numbers)
    assert row.source.startswith(SOURCES)
    assert (row.steps is None) == (row.ensemble is None)


@pytest.mark.parametrize(("table", "row"), ROWS, ids=[f"{row.method} {row.source}" for _, row in ROWS])
def test_shares_and_errors_are_within_their_range(table, row):
    for name in row.scores:
        for metric, text in zip(table.metrics, row.numbers(name), strict=True):
            ends = [float(end) for end in text.split("-") if end]
            assert ends == sorted(ends)
            assert all(0 < end <= (100 if metric in SHARES else 90) for end in ends)


def test_what_one_secondary_source_has_is_unconfirmed():
    for _, row in ROWS:
        assert row.confirmed == (row.source != "one secondary source" and "garbled" not in row.note)


def test_no_row_is_there_twice():
    seen = [(row.method, row.source, row.steps, name, table.words) for table, row in ROWS for name in row.scores]
    assert len(seen) == len(set(seen))


def test_the_papers_main_rows_are_as_printed():
    """Ke et al. 2024, Garcia et al. 2025, He et al. 2025."""
    depth = of("depth", space="depth", fit="least-squares", pooling="image")
    marigold = only("Marigold v1-0", depth, steps=50, ensemble=10)
    assert marigold.numbers("NYUv2") == ["5.5", "96.4"]
    assert marigold.numbers("KITTI") == ["9.9", "91.6"]
    assert only("E2E-FT on Marigold", depth).numbers("NYUv2") == ["5.2", "96.6"]
    disparity = of("depth", space="disparity", fit="least-squares", pooling="image")
    assert only("Lotus-D", disparity).numbers("ETH3D") == ["6.1", "97.0"]


def test_the_same_model_differs_by_protocol():
    """Marigold on DIODE: 30.8 by least squares in depth, 10.0 by RANSAC in log depth under a further mask."""
    depth = of("depth", space="depth", fit="least-squares", pooling="image")
    ransac = of("depth", space="log", fit="ransac")
    assert only("Marigold v1-0", depth, ensemble=10).numbers("DIODE")[0] == "30.8"
    assert only("Marigold v1", ransac).numbers("DIODE")[0] == "10.0"


def test_a_set_that_is_not_printed_has_no_numbers():
    assert only("Edit2Perc", published.of("depth")[0]).numbers("DIODE") == []


def test_a_table_is_beside_results_of_its_own_protocol_alone():
    depth = of("depth", space="depth", fit="least-squares", pooling="image")
    same = {"space": "depth", "fit": "least-squares", "pooling": "image", "longest": 1024}
    kitti = {"set": "kitti", "split": "test", "settings": {"lists": {"test": "mine.txt"}}}
    assert depth.is_of(kitti | {"protocol": same})
    assert not depth.is_of(kitti | {"protocol": same | {"space": "disparity"}})
    assert not depth.is_of(kitti | {"protocol": same | {"pooling": "pixel"}})
    assert not depth.is_of(kitti | {"protocol": {}})


@pytest.mark.parametrize(
    ("name", "split", "settings", "are_the_same"),
    [
        *(("KITTI", "val", {}, False), ("KITTI", "test", {"mask": "garg"}, False), ("KITTI", "test", {}, True)),
        *(("DIODE", "indoors", {}, False), ("DIODE", "val", {}, True), ("ScanNet", "val", {}, True)),
        ("another set", "train", {"mask": "garg"}, True),
    ],
)
def test_rows_are_of_their_own_split_and_mask(name, split, settings, are_the_same):
    depth = of("depth", space="depth", fit="least-squares", pooling="image")
    one = {"set": name, "split": split, "settings": settings}
    assert depth.is_data(one) is are_the_same
    assert (depth.words_of([one]) == depth.words) is are_the_same


def test_the_masks_of_interiorverse_are_no_part_of_the_published_protocol():
    (table,) = (table for table in published.of("appearance") if table.metrics == ("albedo_psnr",))
    one = {"set": "InteriorVerse", "split": "test", "settings": {"fields": ["albedo"], "masked": False}}
    assert table.is_data(one)
    assert not table.is_data(one | {"settings": {}})


def test_the_data_of_a_table_are_those_of_its_rows():
    for table in published.tables():
        assert {*table.data} <= {name for row in table.rows for name in row.scores}


def test_what_is_not_established_is_no_result_s_protocol():
    for table in published.tables():
        unknown = {name for name, value in table.protocol.items() if value == "unknown"}
        assert bool(unknown) == ("not established" in table.words)
