"""The running average of weights."""

import torch
from torch import nn

from marigold.train.average import Average


def test_the_average_moves_by_the_stated_fraction():
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average = Average(module, decay=0.5)
    module.weight.data.fill_(1.0)
    average.update(module, step=1000)  # (1 + 1000) / (10 + 1000) is above 0.5, so the decay is 0.5
    assert average.values["weight"].item() == 0.5


def test_early_steps_use_a_shorter_memory():
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average = Average(module, decay=0.999)
    module.weight.data.fill_(1.0)
    average.update(module, step=0)  # decay (1 + 0) / (10 + 0)
    assert torch.isclose(average.values["weight"], torch.tensor(0.9)).all()


def test_the_module_has_the_average_inside_the_block_only():
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(2.0)
    average = Average(module, decay=0.9)
    module.weight.data.fill_(4.0)
    with average.applied(module):
        assert module.weight.item() == 2.0
    assert module.weight.item() == 4.0
