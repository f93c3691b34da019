"""Suites as people write them: what is wrong is said before anything is scored."""

import pytest

from marigold.core.errors import ConfigError
from marigold.evaluate import suite

SET = "{title: A, dataset: procedural%s}"


def loaded(tmp_path, text):
    (tmp_path / "mine.yaml").write_text(text)
    return suite.load(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        (", count: -1", "count: -1 cannot be used"),
        (", modality: nosuch", "no modality named `nosuch`"),
        (", prediction: {stepz: 3}", "prediction.stepz: no key named `stepz`; did you mean `steps`"),
        (", prediction: {steps: many}", "prediction.steps: expected int"),
        (", prediction: {precision: fp64}", "prediction.precision: no choice named `fp64`"),
        (", prediction: {device: cuda}", "prediction.device: is not a suite's to say"),
        (", prediction: {checkpoint: depth}", "prediction.checkpoint: is not a suite's to say"),
        (", prediction: {match_input: false}", "prediction.match_input: is not a suite's to say"),
    ],
)
def test_what_a_set_cannot_say_is_told(tmp_path, more, complaint):
    with pytest.raises(ConfigError, match=complaint):
        loaded(tmp_path, f"title: Mine\nsets: [{SET % more}]\n")


def test_a_title_tells_sets_apart(tmp_path):
    with pytest.raises(ConfigError, match="two are called A, so that results could not tell them apart"):
        loaded(tmp_path, f"title: Mine\nsets: [{SET % ''}, {SET % ', modality: depth'}]\n")
    two = f"{SET % ', modality: normals'}, {SET % ', modality: depth'}"
    assert len(loaded(tmp_path, f"title: Mine\nsets: [{two}]\n").sets) == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("title: Mine\nsets: []\n", "it must be at least one data set"),
        (f"title: Mine\ncheckpoints: []\nsets: [{SET % ''}]\n", "it must be at least one name"),
        ("title: Mine\nsets: [{title: '', dataset: procedural}]\n", "it must be what tables call it"),
    ],
)
def test_a_suite_of_nothing_is_refused(tmp_path, text, complaint):
    with pytest.raises(ConfigError, match=complaint):
        loaded(tmp_path, text)
