"""The autoencoder in stripes of rows: what the whole gives, whatever the stripes' height, in bounded memory."""

import weakref
from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from marigold.backbones.fused.activations import Size
from marigold.backbones.fused.moments import CACHED, moments
from marigold.backbones.fused.ops import Plain
from marigold.backbones.fused.stripes import Turn
from marigold.backbones.stable_diffusion import StableDiffusion
from toys.apple import OnDevice, apple_gpu
from toys.scenes import NETWORK

AUTOENCODER = {
    **NETWORK["vae"],
    "block_out_channels": [8, 16, 24],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "layers_per_block": 2,
}
HEIGHT, WIDTH = 44, 36
INPUTS = {"encoder": (3, HEIGHT, WIDTH), "decoder": (4, HEIGHT // 4, WIDTH // 4)}
"""A latent of 11 x 9 cells."""


def backbone(*, attention=True, dtype=torch.float32, **changes):
    torch.manual_seed(0)
    vae = {**AUTOENCODER, "mid_block_add_attention": attention, **changes}
    made = StableDiffusion.tiny(**{**NETWORK, "vae": vae}).eval().requires_grad_(False)
    for name, weight in made.vae.named_parameters():  # norms that do something
        if "norm" in name:
            weight.add_(0.3 * torch.randn_like(weight))
    return made.to(dtype, memory_format=torch.channels_last)


def halves(network, dtype=torch.float32):
    """A function of each half, and inputs [2, C, H, W] for it."""
    inputs = {name: torch.randn(2, *size, generator=torch.Generator().manual_seed(1)) for name, size in INPUTS.items()}
    return [(getattr(network.vae, name), inputs[name].to(dtype)) for name in INPUTS]


@torch.inference_mode()
@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 7, 43, 44])
def test_stripes_of_any_height_give_what_the_networks_of_diffusers_give(monkeypatch, rows, attention):
    monkeypatch.setattr(Turn, "rows", property(lambda turn: rows))
    network = backbone(attention=attention)
    expected = [half(x) for half, x in halves(network)]
    network.suit_inference(Plain())
    network.bound(1)
    for (half, x), wanted in zip(halves(network), expected, strict=True):
        torch.testing.assert_close(half(x), wanted, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("most", [1, 10_000, 100_000, 200_000, 300_000, 10**6])
def test_layers_that_fit_are_computed_whole_and_others_in_stripes(most):
    network = backbone()
    network.suit_inference(Plain())
    (_, image), (decoder, latent) = halves(network)
    expected = network.encode(image), network.decode(latent)
    network.bound(most)
    torch.testing.assert_close((network.encode(image), network.decode(latent)), expected, atol=1e-5, rtol=1e-5)
    # The first residual block at full size has [16, 44, 36] as its input: four times as much in float32 is the most.
    whole = 4 * 16 * HEIGHT * WIDTH * 4
    assert decoder.whole_bytes(*INPUTS["decoder"][1:]) == whole
    assert decoder.is_striped(1, *INPUTS["decoder"][1:]) == (whole > most)
    assert decoder.is_striped(2, *INPUTS["decoder"][1:]) == (2 * whole > most)


@torch.inference_mode()
def test_half_precision_is_as_exact_in_stripes_as_whole():
    exact, network = backbone(), backbone(dtype=torch.bfloat16)
    exact.load_state_dict(network.state_dict())
    network.suit_inference(Plain())
    for (reference, x), (half, halved) in zip(halves(exact), halves(network, torch.bfloat16), strict=True):
        wanted, whole = reference(halved.to(x)), half(halved)
        half.bound(1)
        error, usual = (half(halved) - wanted).abs().mean(), (whole - wanted).abs().mean()
        assert 0 < error < 1.2 * usual


def test_heights_of_stripes_go_by_the_bound():
    network = backbone()
    network.suit_inference(Plain())
    *_, step, _, _ = network.vae.decoder._steps
    # A row of [8, 44, 36] has 1152 bytes, of which a stripe has eight at once; a quarter of the bound is for them.
    turns = [Turn(step, Size(8, HEIGHT, WIDTH), torch.float32, most) for most in (1, 4 * 8 * 1152 * 5, 10**9)]
    assert [turn.rows for turn in turns] == [1, 5, 44]
    assert [turn.stripe_bytes for turn in turns] == [8 * 1152, 8 * 1152 * 5, 8 * 1152 * 44]
    # Input and output together have 2 x 44 rows, of which three quarters of the bound have to hold all.
    bounds = [88 * 1152 * 4 // 3, 88 * 1152 * 4 // 3 - 2]
    assert [Turn(step, Size(8, HEIGHT, WIDTH), torch.float32, most).on_device for most in bounds] == [True, False]


class Peak(TorchDispatchMode):
    """The most bytes that the results of operations on the device held at once; views hold what they are views of."""

    def __init__(self):
        super().__init__()
        self.sizes, self.holders, self.most = {}, Counter(), 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if isinstance(found, OnDevice):
            if func.overloadpacket is torch.ops.aten.to:  # which copies nothing, as the device is played by the CPU
                found = OnDevice(found.held.clone())
            storage = found.held.untyped_storage()
            place = storage.data_ptr()
            self.sizes[place] = storage.nbytes()
            self.holders[place] += 1
            weakref.finalize(found, self.leave, place)
            self.most = max(self.most, sum(size for place, size in self.sizes.items() if self.holders[place]))
        return found

    def leave(self, place):
        self.holders[place] -= 1


@pytest.mark.parametrize(("name", "most"), [("encoder", 100_000), ("decoder", 150_000), ("decoder", 30_000)])
def test_a_device_holds_a_few_stripes_while_the_rest_waits_in_the_computers_memory(monkeypatch, name, most):
    network = backbone(attention=False)
    half, x = dict(zip(INPUTS, halves(network), strict=True))[name]
    expected, peaks = half(x[:1]), []
    network.suit_inference(Plain())
    with apple_gpu(monkeypatch):
        on_device, there = getattr(network.to("mps").vae, name), x[:1].to("mps")
        for bound in (None, most):
            network.bound(bound)
            with torch.inference_mode(), Peak() as peak:
                found = on_device(there)
            peaks.append(peak.most)
            torch.testing.assert_close(found.cpu(), expected, atol=1e-5, rtol=1e-5)
    assert on_device.striped_bytes(*x.shape[2:])[1] > 0
    assert peaks[1] < most + found.numel() * 4 < 0.7 * peaks[0]


@torch.inference_mode()
def test_an_input_is_not_written_over():
    network = backbone()
    network.suit_inference(Plain())
    network.bound(1)
    for half, x in halves(network):
        kept = x.contiguous(memory_format=torch.channels_last)
        before = kept.clone()
        half(kept)
        assert torch.equal(kept, before)


@torch.inference_mode()
def test_stripes_are_not_called_by_what_records():
    network, calls = backbone(), []

    def recorded(function, *inputs):
        calls.append(len(inputs[0]))
        return function(*inputs)

    network.suit_inference(Plain(), recorded)
    (_, image), (_, latent) = halves(network)
    network.decode(latent), network.encode(image)
    network.bound(4 * 16 * HEIGHT * WIDTH * 4)  # one image is computed whole, two are not
    network.decode(latent[:1]), network.decode(latent)
    network.bound(1)
    network.decode(latent), network.encode(image)
    assert calls == [2, 2, 1]


def test_an_autoencoder_without_rebuilt_layers_has_no_stripes():
    network = backbone()
    network.bound(1)
    assert (network.is_striped(HEIGHT, WIDTH), network.whole_bytes(HEIGHT, WIDTH)) == (False, 0)
    assert network.waiting_bytes(HEIGHT, WIDTH) == 0


@torch.inference_mode()
def test_the_layers_of_an_autoencoder_keep_their_weights_and_names():
    network = backbone()
    before = {name: weight.clone() for name, weight in network.vae.state_dict().items()}
    network.suit_inference(Plain())
    after = network.vae.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], weight) for name, weight in before.items())


@pytest.mark.parametrize("parts", [(20,), (1, 19), (7, 7, 6), (5, 1, 14)])
def test_moments_of_parts_are_those_of_the_whole_far_from_zero_too(parts):
    x = torch.randn(1, 6, 20, 11) + 1000 * torch.arange(6.0).view(1, 6, 1, 1)
    first, *others = (moments(part) for part in x.split(parts, dim=2))
    for other in others:
        first = first.joined(other)
    variance, mean = torch.var_mean(x.double(), (0, 2, 3), correction=0)
    assert first.count == 220
    torch.testing.assert_close(first.mean.double(), mean, atol=1e-3, rtol=1e-7)
    torch.testing.assert_close(first.squares.double() / 220, variance, atol=0, rtol=1e-4)


def test_what_caches_do_not_hold_is_passed_over_in_parts():
    x = torch.randn(1, 4, 600, CACHED // 1000)
    found = moments(x)
    variance, mean = torch.var_mean(x.double(), (0, 2, 3), correction=0)
    torch.testing.assert_close(found.mean.double(), mean, atol=1e-6, rtol=0)
    torch.testing.assert_close(found.squares.double() / found.count, variance, atol=0, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_group_norm_by_moments_is_that_of_torch(dtype):
    norm = nn.GroupNorm(3, 12).to(dtype).requires_grad_(False)
    norm.weight.normal_()
    norm.bias.normal_()
    x = (torch.randn(1, 12, 9, 7) + torch.arange(12).view(1, 12, 1, 1)).to(dtype)
    expected = F.silu(F.group_norm(x.double(), 3, norm.weight.double(), norm.bias.double(), norm.eps))
    found = Plain().activate(x, *moments(x).affine(norm))
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, atol=1e-5 if dtype == torch.float32 else 1e-2, rtol=5e-3)
