"""The call from Python takes what the command line takes."""

import pytest

from marigold.core.errors import ConfigError
from marigold.evaluate.api import evaluate
from toys.measured import KEYS, Red


def test_settings_and_measures_are_those_of_the_command_line(tmp_path):
    """The first photo has no valid pixel by this setting, which makes it a hole."""
    more = {"settings": {"empty": KEYS[0]}, "measures": ["edges"], "split": "test"}
    (one,) = evaluate(Red(), "toys.measured", root=tmp_path, output=tmp_path / "out", **more)["sets"]
    assert one["settings"] == {"empty": KEYS[0]}
    assert [hole["key"] for hole in one["holes"]] == [KEYS[0]]
    assert "boundary_f1" in one["metrics"]
    assert "abs_rel" not in one["metrics"]


def test_a_setting_that_the_data_set_has_not_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no key named `mask`; there are: empty"):
        evaluate(Red(), "toys.measured", root=tmp_path, output=tmp_path / "out", settings={"mask": "garg"})
