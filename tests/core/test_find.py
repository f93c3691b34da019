"""Names of a family, and modules of other packages, are found or explained."""

import re

import pytest

from marigold.core.errors import UnknownNameError
from marigold.core.find import implementation, name_of
from marigold.modalities.base import Modality
from marigold.modalities.depth import Depth


def test_a_name_of_the_family_is_the_class_in_the_file_of_that_name():
    assert implementation(Modality, "depth") is Depth
    assert name_of(Depth()) == "depth"


@pytest.mark.parametrize("name", ["dept", "base"])
def test_a_name_that_stands_for_nothing_comes_with_what_there_is(name):
    with pytest.raises(UnknownNameError, match=r"\bdepth\b"):
        implementation(Modality, name)


@pytest.mark.parametrize("name", ["no_such_package.shading", "marigold.no_such_file", ".depth"])
def test_a_module_that_is_not_there_says_where_modules_are_looked_for(name):
    with pytest.raises(
        UnknownNameError, match=rf"no module `{re.escape(name)}`.*run `python -m marigold` in the folder"
    ):
        implementation(Modality, name)


def test_a_module_without_a_class_of_the_family_is_named():
    with pytest.raises(UnknownNameError, match=r"module `json\.decoder` defines no Modality"):
        implementation(Modality, "json.decoder")
