"""Every number of every objective has ends, which are checked when it is made."""

import dataclasses

import pytest

from marigold.core.errors import ConfigError
from marigold.core.find import implementation, names
from marigold.objectives.base import Objective

OBJECTIVES = [implementation(Objective, name) for name in names(Objective)]
NUMBERS = [
    (kind, field.name)
    for kind in OBJECTIVES
    for field in dataclasses.fields(kind)
    if type(field.default) in (int, float)
]


@pytest.mark.parametrize(("kind", "name"), NUMBERS, ids=lambda value: getattr(value, "__name__", value))
@pytest.mark.parametrize("value", [-1, 1e300, 10**18, float("nan"), float("inf"), "1", None, [1]])
def test_a_number_out_of_its_ends_is_refused_by_name(kind, name, value):
    with pytest.raises(ConfigError, match=f"{name}: .* cannot be used; it must be "):
        kind(**{name: value})


def test_there_are_such_numbers():
    assert len(NUMBERS) >= 10
