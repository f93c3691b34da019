"""The learning rate follows the published schedule, and Muon its reference."""

import copy
import math

import pytest
import torch
from torch import nn

from marigold.core.config import decode
from marigold.core.errors import ConfigError
from marigold.train.muon import orthogonal
from marigold.train.optim import make_optimizer, rate
from marigold.train.recipe import Optim

PUBLISHED = Optim(lr=3e-5, warmup=100, decay=25_000, final=0.01)


def test_the_first_update_has_rate_zero():
    assert rate(0, PUBLISHED) == 0


def test_warm_up_is_linear():
    assert rate(50, PUBLISHED) == pytest.approx(1.5e-5)


def test_half_way_through_the_decay_the_rate_is_a_tenth():
    assert rate(12_550, PUBLISHED) == pytest.approx(3e-6)


@pytest.mark.parametrize("step", [25_000, 30_000])
def test_after_the_decay_the_rate_stays_at_one_percent(step):
    assert math.isclose(rate(step, PUBLISHED), 3e-7)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8 * 4, 5), nn.Linear(5, 5))


def trained(module: nn.Module, optimizer: torch.optim.Optimizer, steps: int = 3) -> nn.Module:
    rng = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x, y = torch.randn(7, 3, 4, 4, generator=rng), torch.randn(7, 5, generator=rng)
        optimizer.zero_grad()
        (module(x) - y).square().mean().backward()
        optimizer.step()
    return module


MUON = Optim(name="muon", lr=0.02, weight_decay=0.1)


def test_muon_moves_matrices_as_torch_does():
    mine, theirs = (nn.Linear(12, 5, bias=False) for _ in range(2))
    theirs.load_state_dict(mine.state_dict())
    ours = make_optimizer(mine.parameters(), MUON)
    reference = torch.optim.Muon(
        theirs.parameters(), lr=0.02, weight_decay=0.1, momentum=0.95, nesterov=True, adjust_lr_fn="match_rms_adamw"
    )
    before, rng = mine.weight.detach().clone(), torch.Generator().manual_seed(1)
    for _ in range(4):
        x = torch.randn(9, 12, generator=rng)
        for module, optimizer in ((mine, ours), (theirs, reference)):
            optimizer.zero_grad()
            module(x).square().mean().backward()
            optimizer.step()
    moved, reference_moved = mine.weight - before, theirs.weight - before
    assert (moved - reference_moved).norm() < 0.05 * reference_moved.norm()  # both compute in bfloat16


def test_muon_takes_a_convolution_for_a_matrix():
    torch.manual_seed(0)
    convolution, linear = nn.Conv2d(3, 8, 3, bias=False), nn.Linear(27, 8, bias=False)
    with torch.no_grad():
        linear.weight.copy_(convolution.weight.flatten(1))
    gradient = torch.randn(8, 27)
    for module in (convolution, linear):
        module.weight.grad = gradient.view_as(module.weight).clone()
        make_optimizer(module.parameters(), MUON).step()
    assert torch.equal(convolution.weight.flatten(1), linear.weight)


def test_muon_leaves_vectors_to_adamw():
    muon, adamw = nn.Linear(4, 3), nn.Linear(4, 3)
    adamw.load_state_dict(muon.state_dict())
    for module, optim in ((muon, MUON), (adamw, Optim(lr=0.02, weight_decay=0.1))):
        module.weight.grad, module.bias.grad = torch.ones(3, 4), torch.tensor([1.0, -2.0, 3.0])
        make_optimizer(module.parameters(), optim).step()
    assert torch.equal(muon.bias, adamw.bias)
    assert not torch.equal(muon.weight, adamw.weight)


@pytest.mark.parametrize("shape", [(4, 16, 16), (2, 8, 40), (2, 40, 8)])
def test_orthogonal_keeps_singular_vectors_and_evens_out_their_values(shape):
    rng = torch.Generator().manual_seed(0)
    matrices = torch.randn(*shape, generator=rng)
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    inner = u.mT @ orthogonal(matrices) @ v.mT
    values = inner.diagonal(dim1=-2, dim2=-1)
    assert values.min() > 0.3
    assert values.max() < 1.4
    assert (inner - torch.diag_embed(values)).abs().max() < 0.05


def test_a_reloaded_muon_goes_on_the_same():
    first, second = network(), network()
    optimizer = make_optimizer(first.parameters(), MUON)
    trained(first, optimizer)
    second.load_state_dict(first.state_dict())
    other = make_optimizer(second.parameters(), MUON)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for module, its in ((first, optimizer), (second, other)):
        trained(module, its)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_the_name_of_the_optimizer_belongs_to_the_recipe():
    with pytest.raises(ConfigError, match="name"):
        decode(Optim, {"name": "sgd"}, "recipe.optim")
