"""Results as Markdown, ours and published ones by protocol."""

import pytest

from marigold.evaluate.comparison import comparisons, count_warning, main_columns
from marigold.evaluate.table import md
from toys.results import METRICS, one_set, scored, summary

ANOTHER = "Published under another protocol: "


def sections(document):
    """What stands below each heading, by the heading."""
    parts = [part.partition("\n") for part in document.split("\n## ")]
    return {heading: content for heading, _, content in parts}


def cells(content, method):
    """The cells of the line of a method, of several the first."""
    line = next(line for line in content.splitlines() if line.startswith(f"| {method}"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def head(content):
    return next(line for line in content.splitlines() if line.startswith("| method"))


def first(document):
    return list(sections(document).values())[1]


def test_methods_stand_in_rows_and_sets_are_groups_of_columns():
    found = first(md(summary(one_set("NYUv2"), one_set("KITTI"))))
    assert head(found) == (
        "| method | steps x members | NYUv2 AbsRel [%] ↓ | NYUv2 δ1 [%] ↑ "
        "| KITTI AbsRel [%] ↓ | KITTI δ1 [%] ↑ | source |"
    )


def test_our_row_has_intervals_and_the_others_have_none():
    found = first(md(summary()))
    assert cells(found, "**ours**") == ["**ours**", "1 x 10", "5.52 (5.27 to 5.77)", "96.40 (95.60 to 97.20)", ""]
    assert cells(found, "constant") == ["constant", "", "40.00", "26.00", ""]


def test_the_model_comes_first_then_the_ceiling_then_baselines_then_what_is_published():
    (found, *_) = comparisons(summary())
    assert [line.method for line in found.lines][:4] == ["ours", "representation ceiling", "constant", "MiDaS"]
    assert [line.is_model for line in found.lines][:2] == [True, False]
    assert all(line.source for line in found.lines[3:])


def test_the_model_comes_first_whatever_the_order_of_the_file():
    one = one_set()
    one["scores"] = dict(reversed(one["scores"].items()))
    assert comparisons(summary(one))[0].lines[0].method == "ours"


def test_published_rows_of_the_same_protocol_stand_beside_ours_with_their_source():
    found = first(md(summary(one_set("KITTI"))))
    row = cells(found, "Marigold v1-0")
    assert row == ["Marigold v1-0", "50 x 10", "9.9", "91.6", "printed in the primary paper"]


def test_rows_of_another_protocol_have_a_table_of_their_own():
    parts = sections(md(summary()))
    (disparity,) = (content for heading, content in parts.items() if heading.startswith(f"{ANOTHER}least squares"))
    assert "cannot be compared" in disparity
    assert cells(disparity, "Lotus-D") == ["Lotus-D", "1 x 1", "5.1", "97.2", "printed in the primary paper"]
    assert "Lotus-D" not in first(md(summary()))
    assert any(heading.startswith(f"{ANOTHER}RANSAC") for heading in parts)


def test_rows_of_another_crop_of_the_same_set_are_not_put_beside_ours():
    crops = one_set("KITTI"), one_set("NYUv2")
    crops[0]["settings"] = {"mask": "garg"}
    found = md(summary(*crops))
    assert cells(first(found), "Marigold v1-0")[2:6] == ["", "", "5.5", "96.4"]
    (other,) = (name for name in sections(found) if name.startswith(ANOTHER) and "in depth" in name)
    assert other.endswith("KITTI: split test with the usual settings")
    assert cells(sections(found)[other], "Marigold v1-0")[2:4] == ["9.9", "91.6"]


def test_under_disparity_the_rows_change_places():
    document = md(summary(one_set(protocol={"space": "disparity", "words": "in disparity"})))
    assert "Lotus-D" in first(document)
    assert "MiDaS" not in first(document)
    assert "MiDaS" in document


def test_two_protocols_of_one_set_are_two_tables():
    ransac = one_set(protocol={"space": "log", "fit": "ransac", "words": "RANSAC in log"})
    found = comparisons(summary(one_set(), ransac))
    assert [each.protocol for each in found if each.is_ours] == [one_set()["protocol"]["words"], "RANSAC in log"]
    assert [len(each.groups) for each in found if each.is_ours] == [1, 1]
    assert "Marigold V2" in [line.method for line in found[1].lines]
    assert [each.protocol for each in found if not each.is_ours] == [
        "least squares scale and shift in disparity, mean over images"
    ]


def test_pooled_normals_are_never_beside_normals_averaged_over_images():
    metrics = {"mean_angle": {"unit": "°", "higher_is_better": False}, "below_11.25": METRICS["delta1"]}
    scores = {"ours": {"mean_angle": scored(16.25), "below_11.25": scored(0.605)}}
    (pooled, *_) = comparisons(
        summary(one_set(protocol={"pooling": "pixel"}, metrics=metrics, scores=scores), modality="normals")
    )
    methods = [line.method for line in pooled.lines]
    assert "DSINE" in methods
    assert "Marigold normals v1-1" not in methods
    assert [cell.text for cell in pooled.lines[0].cells] == ["16.25", "60.50"]
    assert [column.heading for column in pooled.groups[0].columns] == ["mean [°] ↓", "below 11.25° [%] ↑"]


def test_sets_of_one_fit_with_other_ranges_share_a_table_that_says_so():
    other = one_set("KITTI", protocol={"farthest": 80.0, "words": "clipped to 80 m"})
    (found, *_) = comparisons(summary(one_set(), other))
    assert len(found.groups) == 2
    assert found.protocol == ("least squares in depth, mean over images; range, size and mask as listed for each set")


def test_unconfirmed_rows_have_a_mark_and_a_legend():
    found = first(md(summary()))
    assert cells(found, "Marigold v1-1†")[1:3] == ["4 x 10", "5.5"]
    assert "† unconfirmed" in found
    assert "†" not in first(md(summary(one_set("KITTI"))))


def test_a_set_of_which_nothing_is_published_shows_what_papers_print():
    document = md(summary(one_set("procedural", published_count=None)))
    assert head(first(document)) == "| method | steps x members | procedural AbsRel [%] ↓ | procedural δ1 [%] ↑ |"
    assert ANOTHER not in document


def test_metrics_of_which_no_paper_tells_are_the_first_two():
    one = one_set(metrics={name: {"unit": "", "higher_is_better": None} for name in ("x", "y", "z")}, scores={})
    assert [column.metric for column in main_columns(summary(), one)] == ["x", "y"]
    assert [column.metric for column in main_columns(summary(), {**one, "shown": ["z", "none", "x"]})] == ["z", "x"]


def test_all_metrics_of_all_methods_are_there():
    found = sections(md(summary()))["All metrics"]
    assert head(found) == "| method | steps x members | AbsRel [%] ↓ | rmse [m] ↓ | δ1 [%] ↑ |"
    assert cells(found, "**ours**")[2:] == ["5.52", "0.2500", "96.40"]
    assert cells(found, "constant")[2:] == ["40.00", "", "26.00"]


def test_another_number_of_samples_than_published_is_said_before_all_else():
    document = md(summary(one_set("KITTI", count=600, published_count=652)))
    warning = "**Warning: KITTI: 600 samples scored, published scores are of 652: this is not the published split.**"
    assert document.index(warning) < document.index("## ")
    assert "600 of 652 published samples scored" in sections(document)["Protocol of each set"]


@pytest.mark.parametrize("wanted", [654, None])
def test_the_published_number_and_an_unknown_one_need_no_warning(wanted):
    assert count_warning(one_set(published_count=wanted)) == ""
    assert "Warning" not in md(summary(one_set(published_count=wanted)))


def test_the_protocol_of_every_set_is_listed():
    kitti = one_set("KITTI", settings={"crop": "benchmark"}, notes=["LPIPS is left out"])
    found = sections(md(summary(one_set(), kitti)))["Protocol of each set"]
    nyu, other = found.strip().splitlines()
    assert nyu == (
        "- NYUv2: nyuv2 test, 654 of 654 published samples scored; least squares scale and shift in depth, clipped to "
        "0.001 .. 10 m; mean over images; scored pixels: Eigen crop; prediction: steps 1, ensemble 10, resolution 0, "
        "seed 1234; seconds: read 1.5, predict 20.2, score 0.5"
    )
    assert "; settings: crop benchmark; " in other
    assert "; LPIPS is left out; " in other


def test_holes_are_listed_and_many_are_counted():
    holes = [{"key": f"scene/{number}", "reason": "cannot be read"} for number in range(25)]
    found = sections(md(summary(one_set(holes=holes, count=629))))
    lines = found["Holes"].strip().splitlines()
    assert lines[0] == "- NYUv2: scene/0: cannot be read"
    assert lines[20:] == ["- NYUv2: 5 more, all of them in `per_sample.csv`"]
    assert "629 of 654 published samples scored, 25 holes" in found["Protocol of each set"]
    assert "None: every sample was scored." in md(summary())


def test_names_neither_break_the_table_nor_become_tags():
    one = one_set(holes=[{"key": "a|b", "reason": "<script>\nx"}])
    one["scores"] = {"a|b\n<i>": one["scores"]["ours"]}
    document = md(summary(one, model="a|b\n<i>"))
    assert "| **a\\|b\\n&lt;i&gt;** |" in document
    assert "- NYUv2: a\\|b: &lt;script&gt;\\nx" in document
    assert "<i>" not in document


def test_pixels_pooled_over_images_have_no_interval():
    one = one_set(protocol={"pooling": "pixel"}, scores={"ours": {"abs_rel": scored(0.05), "delta1": scored(0.9)}})
    assert cells(first(md(summary(one))), "**ours**")[2:4] == ["5.00", "90.00"]
