"""Every backbone is found by its file and keeps the contract's names."""

import inspect

import pytest

from marigold.backbones.base import Backbone
from marigold.core.find import implementation, names


def test_files_that_serve_the_backbones_are_none_themselves():
    assert names(Backbone) == ["stable_diffusion"]


@pytest.mark.parametrize("name", names(Backbone))
def test_a_backbone_is_concrete_and_takes_the_contracts_arguments(name):
    kind = implementation(Backbone, name)
    assert not inspect.isabstract(kind)
    for method in Backbone.__abstractmethods__:
        promised, kept = getattr(Backbone, method), getattr(kind, method)
        if callable(promised):
            assert list(inspect.signature(kept).parameters) == list(inspect.signature(promised).parameters), method
