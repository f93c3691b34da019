"""Layers in the order of computation that suits a compiler give what torch and diffusers give."""

import pytest
import torch
from torch import nn

from marigold.backbones import _for_compiler
from marigold.backbones._for_compiler import AttentionByProducts, GroupNormByChannel
from marigold.backbones.stable_diffusion import StableDiffusion
from toys.scenes import NETWORK

AUTOENCODER = {**NETWORK["vae"], "block_out_channels": [32, 64], "mid_block_add_attention": True}


@pytest.fixture
def compiled():
    """Compiles by tracing alone; the traced operations run as they are."""
    yield lambda work: torch.compile(work, backend="eager", fullgraph=True)
    torch.compiler.reset()


@pytest.fixture
def backbone():
    torch.manual_seed(0)
    made = StableDiffusion.tiny(**{**NETWORK, "vae": AUTOENCODER}).eval()
    made.vae.requires_grad_(False)
    return made


@pytest.mark.parametrize("shape", [(2, 12, 5, 7), (2, 12, 9)])
def test_a_norm_by_channel_is_torchs(compiled, shape):
    layer = nn.GroupNorm(3, 12, eps=1e-3)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    # Means far from zero, which differ between the channels of a group
    x = torch.randn(shape) + torch.linspace(-50, 50, 12).view(1, 12, *[1] * (len(shape) - 2))
    found = compiled(GroupNormByChannel.like(layer))(x)
    torch.testing.assert_close(found, layer(x), rtol=1e-5, atol=1e-5)


def test_a_norm_by_channel_computes_in_float32_under_autocast(compiled):
    layer, x = nn.GroupNorm(2, 8), 1000 + torch.randn(2, 8, 6, 6)
    with torch.autocast("cpu", torch.bfloat16):
        found = compiled(GroupNormByChannel.like(layer))(x)
        assert found.dtype == torch.float32
    torch.testing.assert_close(found, layer(x), rtol=1e-3, atol=1e-3)


@torch.no_grad()
def test_a_compiled_encoder_gives_the_same_latents(backbone, compiled):
    image = torch.rand(2, 3, 32, 48) * 2 - 1
    before, names = backbone.encode(image), list(backbone.state_dict())
    backbone.suit_compiler()
    backbone.suit_compiler()  # again, which changes nothing
    layers = [type(layer) for layer in backbone.vae.encoder.modules()]
    assert nn.GroupNorm not in layers and GroupNormByChannel in layers
    (attention,) = backbone.vae.encoder.mid_block.attentions
    assert isinstance(attention.processor, AttentionByProducts)
    assert not isinstance(attention.processor.otherwise, AttentionByProducts)
    backbone.vae.encoder.compile(backend="eager", fullgraph=True)
    torch.testing.assert_close(backbone.encode(image), before, rtol=1e-4, atol=1e-5)
    assert list(backbone.state_dict()) == names


@torch.no_grad()
def test_in_half_precision_latents_stay_within_a_percent(backbone, compiled):
    image = torch.rand(2, 3, 32, 48) * 2 - 1
    exact = backbone.encode(image)
    backbone.suit_compiler()
    backbone.vae.encoder.compile(backend="eager", fullgraph=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = backbone.encode(image)
    assert (found.float() - exact).norm() < 0.02 * exact.norm()


@torch.no_grad()
def test_without_a_compiler_an_encoder_runs_as_it_was_written(backbone):
    image = torch.rand(1, 3, 32, 32)
    before = backbone.encode(image)
    backbone.suit_compiler()
    assert torch.equal(backbone.encode(image), before)


@torch.no_grad()
@pytest.mark.parametrize(("most", "fused"), [(2 * 16 * 16 - 1, True), (2 * 16 * 16, False)])
def test_more_scores_than_memory_holds_are_left_to_the_fused_kernel(backbone, compiled, monkeypatch, most, fused):
    monkeypatch.setattr(_for_compiler, "SCORES", most)
    backbone.suit_compiler()
    (attention,) = backbone.vae.encoder.mid_block.attentions
    traced = []
    attention.compile(backend=lambda graph, inputs: traced.append(graph.code) or graph.forward)
    attention(torch.randn(2, 64, 4, 4))  # 16 places in each of 2 samples
    assert ("scaled_dot_product_attention" in "".join(traced)) == fused


def test_gradients_through_a_compiled_encoder_are_the_same(backbone, compiled):
    image = (torch.rand(1, 3, 32, 32) * 2 - 1).requires_grad_()
    (before,) = torch.autograd.grad(backbone.encode(image).square().sum(), image)
    backbone.suit_compiler()
    backbone.vae.encoder.compile(backend="eager", fullgraph=True)
    (found,) = torch.autograd.grad(backbone.encode(image).square().sum(), image)
    torch.testing.assert_close(found, before, rtol=1e-3, atol=1e-4)
