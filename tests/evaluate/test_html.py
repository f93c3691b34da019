"""The page of an evaluation: one file, safe, and for everybody to read."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from marigold.evaluate import charts
from marigold.evaluate.gallery import Bin, ColourBar, Picture, Shown, address
from marigold.evaluate.html import page
from toys.results import one_set, scored, summary

VOID = {"meta", "img", "br", "rect", "line", "circle", "path", "polygon", "polyline"}
HOSTILE = "<script>alert('x')</script>\"' onload=\"y\" &lt;"
ROWS = [
    {
        "set": "NYUv2",
        "key": f"scene/{place}",
        "status": "scored",
        "reason": "",
        "abs_rel": 0.01 * place,
        "delta1": "0.9",
    }
    for place in range(1, 10)
]


class Page(HTMLParser):
    """Every element with its attributes, the words, and whether all elements are closed in order."""

    def __init__(self, content):
        super().__init__()
        self.elements, self.words, self.open = [], [], []
        self.feed(content)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def picture(caption="photo", bar=None):
    return Picture(caption, address(np.zeros((8, 12, 3), np.uint8)), 12, 8, bar)


def gallery(key="scene/3", of="NYUv2", title="best"):
    bar = ColourBar("inferno", 0.0, 12.5, "°")
    bins = tuple(Bin(float(place), 2.0 * place, place, 3.0 * place) for place in range(1, 5))
    return [Shown(title, key, of, (picture(), picture("error", bar)), 3, bins)]


def full():
    return page(summary(one_set(), one_set("KITTI", count=600, published_count=652)), ROWS, gallery())


def test_every_element_is_closed_and_the_language_and_title_are_there():
    found = Page(full())
    assert found.open == []
    assert found.all("html") == [{"lang": "en"}]
    assert "ours: depth" in found.words


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs():
    content = full()
    found = Page(content)
    tags = {tag for tag, _ in found.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "base", "form"}
    for _, attributes in found.elements:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:").startswith("data:")
        assert attributes.get("href", "#").startswith("#")
    assert not re.search(r"https?://|@import|url\(", content)


def test_hostile_words_are_shown_and_not_obeyed():
    one = one_set(HOSTILE, dataset=HOSTILE, holes=[{"key": HOSTILE, "reason": HOSTILE}], count=1)
    one["protocol"] |= {"words": HOSTILE, "mask": HOSTILE}
    one["settings"] = {HOSTILE: HOSTILE}
    one["metrics"] = {HOSTILE: {"unit": HOSTILE, "higher_is_better": True}}
    one["scores"] = {HOSTILE: {HOSTILE: scored(0.5, 0.1)}}
    content = summary(one, model=HOSTILE)
    content["suite"] = content["created"] = content["versions"]["torch"] = content["model"]["licence"] = HOSTILE
    rows = [{"set": HOSTILE, "key": HOSTILE, HOSTILE: 0.5}]
    shown = [Shown(HOSTILE, HOSTILE, HOSTILE, (picture(HOSTILE, ColourBar("viridis", 0, 1, HOSTILE)),), 3)]
    found = Page(page(content, rows, shown))
    assert found.open == []
    assert found.all("script") == []
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert HOSTILE in found.words
    assert any(HOSTILE in attributes["alt"] for attributes in found.all("img"))


def test_every_picture_has_words_and_every_heading_a_scope():
    found = Page(full())
    assert all(attributes["alt"] for attributes in found.all("img"))
    assert all(attributes["aria-label"] and attributes["role"] == "img" for attributes in found.all("svg"))
    assert {attributes.get("scope") for attributes in found.all("th")} <= {"col", "row", "colgroup", "rowgroup"}


def test_links_within_the_page_lead_somewhere():
    found = Page(full())
    marks = {attributes["id"] for _, attributes in found.elements if "id" in attributes}
    assert {attributes["href"][1:] for attributes in found.all("a")} == marks


def test_every_row_of_a_table_is_as_wide_as_its_head():
    for table in re.findall(r"<table>.*?</table>", full(), re.S):
        rows = [Page(row).elements for row in re.findall(r"<tr.*?</tr>", table, re.S)]
        widths = [
            sum(int(attributes.get("colspan", 1)) for tag, attributes in row if tag in ("th", "td")) for row in rows
        ]
        spanned = sum(attributes.get("rowspan") == "2" for _, attributes in rows[0])
        if spanned:
            widths[1] += spanned
        assert len(set(widths)) == 1


def test_scores_sources_and_intervals_are_there():
    found = Page(full())
    assert {"5.52", "5.27 to 5.77", "AbsRel [%] ↓", "representation ceiling", "printed in the primary paper"} <= set(
        found.words
    )
    assert found.words.count("5.27 to 5.77") == 4  # two sets, in the papers' columns and among all metrics


def test_rows_of_another_protocol_are_folded_and_say_so():
    (*_, content) = re.findall(r"<details>.*?</details>", full(), re.S)
    assert "Published under another protocol" in content
    assert "cannot be compared" in content


def test_another_number_of_samples_is_said_loudly():
    found = Page(full())
    assert {"class": "loud"} in found.all("p")
    assert any("600 samples scored, published scores are of 652" in words for words in found.words)
    assert {"class": "loud"} not in Page(page(summary(), ROWS, [])).all("p")


def test_a_sample_has_its_scores_its_pictures_and_the_range_of_the_error():
    found = Page(full())
    assert "AbsRel [%] ↓ 3.00; δ1 [%] ↑ 90.00; " in found.words
    assert "scene/3" in found.words
    assert {"0°", "12.5°"} <= set(found.words)
    assert any(attributes["alt"] == "photo of NYUv2 scene/3" for attributes in found.all("img"))
    assert any("mean error by uncertainty in 4 bins" in attributes["aria-label"] for attributes in found.all("svg"))


def test_samples_stand_below_their_own_set():
    content = page(summary(one_set(), one_set("KITTI")), ROWS, [*gallery(of="KITTI", key="k"), *gallery(key="n")])
    samples = content[content.index('id="samples"') : content.index('id="metrics"')]
    places = [samples.index(words) for words in ("<h3>NYUv2", "<code>n<", "<h3>KITTI", "<code>k<")]
    assert places == sorted(places)


def test_holes_are_listed_with_their_reasons():
    found = Page(page(summary(one_set(holes=[{"key": "a/7", "reason": "cut short"}])), ROWS, []))
    assert {"a/7", "cut short"} <= set(found.words)


def test_without_rows_and_pictures_the_page_says_so():
    found = Page(page(summary(), [], []))
    assert {"No sample has a value.", "No sample is shown.", "None: every sample was scored."} <= set(found.words)


def test_light_and_dark_have_enough_contrast():
    """WCAG 2.1, 1.4.3: 4.5 to 1 for text, for every pair that the page has."""
    schemes = re.findall(r":root \{(.*?)\}", page(summary(), [], []), re.S)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", scheme))
        pairs = [(ink, paper) for ink in ("ink", "quiet", "accent") for paper in ("paper", "raised", "ours")]
        for ink, paper in [*pairs, ("loud-ink", "loud")]:
            light, dark = sorted(map(luminance, (colours[ink], colours[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


def luminance(colour):
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * share for weight, share in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def bars(values):
    """The heights of the bars from left to right."""
    found = Page(charts.histogram(values, "x", str)).all("rect")
    return [float(attributes["height"]) for attributes in sorted(found, key=lambda each: float(each["x"]))]


def test_bars_are_as_high_as_samples_are_many():
    """Five bars from 0 to 5: three, one, none, none and two samples."""
    assert bars([0.0, 0.5, 0.5, 1.5, 5.0, 4.5]) == pytest.approx([98, 98 / 3, 98 * 2 / 3], abs=0.1)


def test_equal_samples_make_one_bar():
    assert len(bars([0.25] * 5)) == 1
    assert len(bars([0.0])) == 1


def test_the_line_of_the_mean_stands_at_the_mean():
    (line,) = Page(charts.histogram([0.0, 0.0, 0.0, 4.0], "x", str)).all("line")
    low, high = 42.0, 310.0
    assert float(line["x1"]) == pytest.approx(low + (high - low) / 4, abs=0.1)


def test_one_bin_and_bins_without_error_are_drawn():
    assert Page(charts.reliability((Bin(0.5, 0.0, 0.0, 0.0),), "")).open == []
