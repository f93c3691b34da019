"""Networks rebuilt for inference give what diffusers' own give from the same weights, under the same names."""

import copy
import threading

import pytest
import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import nn

from marigold import checkpoint
from marigold.accel.plan import Plan
from marigold.accel.runtime import Runtime
from marigold.backbones import _networks as networks
from marigold.backbones.fused.attention import known_prompt
from marigold.backbones.fused.blocks import phases
from marigold.backbones.fused.ops import Plain, Switched, using
from marigold.backbones.fused.unet import FusedUNet
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.checkpoints.convention import Convention
from marigold.diffusion.schedule import Schedule
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from toys.scenes import NETWORK

UNET = {
    "block_out_channels": [8, 16],
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "layers_per_block": 1,
    "cross_attention_dim": 12,
    "norm_num_groups": 4,
    "attention_head_dim": [2, 4],
    "use_linear_projection": True,
}
"""As Stable Diffusion 2's: so many heads on each level, and linear projections."""
FIRST = {**UNET, "attention_head_dim": 4, "use_linear_projection": False}
"""As Stable Diffusion 1's: as many heads on all levels, and projections by convolution."""
AUTOENCODER = {
    "block_out_channels": [8, 8, 16],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "layers_per_block": 1,
    "latent_channels": 4,
    "norm_num_groups": 4,
}
TINY_AUTOENCODER = {
    "_class_name": "AutoencoderTiny",
    "encoder_block_out_channels": [8, 8, 8],
    "decoder_block_out_channels": [8, 8, 8],
    "num_encoder_blocks": [1, 1, 1],
    "num_decoder_blocks": [1, 1, 1],
    "latent_channels": 4,
}


def backbone(unet=UNET, vae=AUTOENCODER, *, words=2, targets=1, switch=()):
    """A backbone with random weights, those of norms too."""
    torch.manual_seed(0)
    sizes = {"in_channels": 4 * (1 + targets), "out_channels": 4 * targets}
    network = networks.make(networks.unet(), {**unet, **sizes}, "unet")
    autoencoder = networks.make(networks.autoencoder(vae), vae, "vae")
    prompt, schedule = torch.randn(1, words, 12), Schedule.from_config(NETWORK["schedule"])
    made = StableDiffusion(network, autoencoder, schedule, prompt, convention=Convention(switch=switch))
    for layer in made.modules():
        if isinstance(layer, nn.GroupNorm | nn.LayerNorm):
            nn.init.normal_(layer.weight, 1, 0.3)
            nn.init.normal_(layer.bias, 0, 0.3)
    return made.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def rebuilt(network, ops=None):
    """A copy that has been rebuilt."""
    made = copy.deepcopy(network)
    made.suit_inference(ops or Plain())
    return made


def latents(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def assert_close(found, expected, bound=2e-5):
    torch.testing.assert_close(found, expected, atol=bound * float(expected.abs().max()), rtol=0)


def assert_same_answers(one, other, size=(8, 8), bound=2e-5):
    """At two times, at one time for both images, and once more, when that is known."""
    x, condition = latents(2, 4 * one.targets, *size), latents(2, 4, *size)
    times = torch.tensor([999, 40])
    assert_close(other.network(x, times, condition), one.network(x, times, condition), bound)
    for t in (999, 7, 999):
        expected = one.network(x, torch.full((2,), t), condition)
        assert_close(other.network_at(x, t, condition), expected, bound)


@torch.inference_mode()
@pytest.mark.parametrize("size", [(16, 16), (12, 20), (36, 28)])
@pytest.mark.parametrize("vae", [AUTOENCODER, {**AUTOENCODER, "mid_block_add_attention": False}], ids=["whole", "bare"])
def test_an_autoencoder_encodes_and_decodes_as_that_of_diffusers(vae, size):
    network = backbone(vae=vae)
    other = rebuilt(network)
    image = latents(2, 3, *size)
    latent = network.encode(image)
    assert_close(other.encode(image), latent)
    assert_close(other.decode(latent), network.decode(latent))


@torch.inference_mode()
def test_attention_in_parts_is_that_of_diffusers(monkeypatch):
    network, image = backbone(), latents(2, 3, 36, 28)
    expected = network.encode(image)
    monkeypatch.setattr("marigold.backbones.fused.attention.SCORES", 2 * 63 * 5)
    assert_close(rebuilt(network).encode(image), expected)


@torch.inference_mode()
@pytest.mark.parametrize("unet", [FIRST, UNET], ids=["first", "second"])
@pytest.mark.parametrize("size", [(8, 8), (9, 7), (5, 12)])
def test_a_unet_answers_as_that_of_diffusers(unet, size):
    network = backbone(unet)
    other = rebuilt(network)
    assert isinstance(other.unet, FusedUNet)
    assert_same_answers(network, other, size)


@torch.inference_mode()
@pytest.mark.parametrize(
    "change",
    [
        {"transformer_layers_per_block": 2},
        {"mid_block_type": None},
        {"layers_per_block": [1, 2]},
        {"time_embedding_act_fn": "silu"},
        {"resnet_out_scale_factor": 1.0, "upcast_attention": True},
        {"down_block_types": ["DownBlock2D"] * 2, "up_block_types": ["UpBlock2D"] * 2},
    ],
    ids=lambda change: ",".join(change),
)
def test_a_unet_of_other_options_answers_as_that_of_diffusers(change):
    network = backbone({**UNET, **change})
    other = rebuilt(network)
    assert isinstance(other.unet, FusedUNet)
    assert_same_answers(network, other)


@torch.inference_mode()
@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize("words", [2, 77])
def test_any_number_of_targets_and_words_is_answered(targets, words):
    network = backbone(words=words, targets=targets)
    assert_same_answers(network, rebuilt(network))


@torch.inference_mode()
@pytest.mark.parametrize(
    ("options", "switch"),
    [
        ({"class_embed_type": "projection", "projection_class_embeddings_input_dim": 4}, (1, 0)),
        ({"class_embed_type": "projection", "projection_class_embeddings_input_dim": 2}, (1, 0)),
        ({"class_embed_type": "simple_projection", "projection_class_embeddings_input_dim": 2}, (1, 0)),
        ({"class_embed_type": "timestep"}, (3,)),
        ({"num_class_embeds": 5}, (2,)),
    ],
    ids=["sines", "projection", "linear", "timestep", "index"],
)
@pytest.mark.parametrize("joined", [False, True], ids=["added", "joined"])
def test_a_class_embedding_is_part_of_what_a_time_adds(options, switch, joined):
    network = backbone({**UNET, **options, "class_embeddings_concat": joined}, switch=switch)
    other = rebuilt(network)
    assert isinstance(other.unet, FusedUNet)
    assert_same_answers(network, other)


@torch.inference_mode()
@pytest.mark.parametrize(
    "change",
    [
        {"resnet_time_scale_shift": "scale_shift"},
        {"act_fn": "gelu"},
        {"mid_block_scale_factor": 2},
        {"only_cross_attention": True},
        {"attention_type": "gated"},
        {"center_input_sample": True},
        {"down_block_types": ["ResnetDownsampleBlock2D"] * 2, "up_block_types": ["ResnetUpsampleBlock2D"] * 2},
    ],
    ids=lambda change: ",".join(change),
)
def test_a_unet_with_other_layers_stays_as_it_is(change):
    network = backbone({**UNET, **change})
    other = rebuilt(network)
    assert type(other.unet) is type(network.unet)
    x, t = latents(2, 4, 8, 8), torch.tensor([999, 40])
    assert torch.equal(other.network(x, t, x), network.network(x, t, x))
    assert other.state_dict().keys() == network.state_dict().keys()


@torch.inference_mode()
def test_a_tiny_autoencoder_stays_as_it_is_beside_a_unet_that_is_rebuilt():
    network, image = backbone(vae=TINY_AUTOENCODER), latents(2, 3, 16, 16)
    other = copy.deepcopy(network)
    assert other.suit_inference(Plain())
    latent = network.encode(image)
    assert torch.equal(other.encode(image), latent)
    assert torch.equal(other.decode(latent), network.decode(latent))
    assert_same_answers(network, other)


def test_what_has_no_layers_to_rebuild_says_so():
    network = backbone({**UNET, "act_fn": "gelu"}, TINY_AUTOENCODER)
    assert not network.suit_inference(Plain())


def test_weights_and_their_names_stay():
    network = backbone({**UNET, "num_class_embeds": 5}, switch=(1,))
    other = rebuilt(network)
    before, after = network.state_dict(), other.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


@torch.inference_mode()
def test_a_copy_of_a_rebuilt_network_is_a_network_of_its_own():
    other = rebuilt(backbone())
    x = latents(1, 4, 8, 8)
    expected = other.network_at(x, 999, x), other.decode(x)
    copied = copy.deepcopy(other)
    for parameter in other.parameters():
        parameter.zero_()
    for found, wanted in zip((copied.network_at(x, 999, x), copied.decode(x)), expected, strict=True):
        assert torch.equal(found, wanted)


def test_a_rebuilt_estimator_is_saved_as_it_was_before(tmp_path):
    card = Card("small", "depth", defaults={"steps": 1, "resolution": 16, "ensemble": 1})
    estimator = Estimator(backbone(), Depth(), card)
    checkpoint.save(estimator, tmp_path / "before")
    Runtime(estimator)
    assert isinstance(estimator.backbone.unet, FusedUNet)
    checkpoint.save(estimator, tmp_path / "after")
    before, after = (
        {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
        for folder in (tmp_path / "before", tmp_path / "after")
    )
    assert after == before


class Counted(Plain):
    """Counts what is asked of it."""

    def __init__(self, defers=False):
        self.defers, self.calls = defers, 0

    def norm(self, x, layer, offset=None, *, activate=True):
        self.calls += 1
        return super().norm(x, layer, offset, activate=activate)


@torch.inference_mode()
def test_biases_may_be_left_to_the_operation_that_follows():
    network, image = backbone(), latents(2, 3, 12, 20)
    other, latent = rebuilt(network, Counted(defers=True)), network.encode(image)
    assert_close(other.encode(image), latent)
    assert_close(other.decode(latent), network.decode(latent))
    assert_same_answers(network, other)


@torch.inference_mode()
def test_other_operations_take_over_in_networks_that_are_there():
    first, second = Counted(), Counted()
    network, x = backbone(), latents(1, 4, 8, 8)
    assert network.suit_inference(first)
    unet, expected = network.unet, network.decode(x)
    counted = first.calls
    assert counted > 0
    assert network.suit_inference(second)
    assert network.unet is unet
    assert torch.equal(network.decode(x), expected)
    assert (first.calls, second.calls) == (counted, counted)


@torch.inference_mode()
def test_operations_of_a_block_are_those_of_one_thread_alone():
    usual, here = Counted(), Counted()
    network, x = rebuilt(backbone(), usual), latents(1, 4, 8, 8)
    with using(here):
        network.decode(x)
        counted = here.calls
        assert counted > 0 and usual.calls == 0
        thread = threading.Thread(target=network.decode, args=(x,))
        thread.start()
        thread.join()
    assert (usual.calls, here.calls) == (counted, counted)
    network.decode(x)
    assert (usual.calls, here.calls) == (2 * counted, counted)


def test_whether_biases_are_deferred_is_asked_of_the_operations_in_use():
    switched = Switched(Plain())
    with using(Counted(defers=True)):
        assert switched.defers
    assert not switched.defers


@torch.inference_mode()
def test_float32_takes_over_from_half_precision():
    card = Card("small", "depth", defaults={"steps": 1, "resolution": 16, "ensemble": 1})
    network = backbone()
    rounded = copy.deepcopy(network).bfloat16().float()
    runtime = Runtime(Estimator(network, Depth(), card), Plan(dtype=torch.bfloat16))
    x = latents(2, 4, 8, 8)
    rough = runtime.estimator.backbone.network_at(x, 999, x)
    runtime.use_float32()
    assert_close(rough, rounded.network(x, torch.tensor([999, 999]), x), 0.05)
    assert_same_answers(rounded, runtime.estimator.backbone)
    assert_close(runtime.estimator.backbone.decode(x), rounded.decode(x))


@torch.inference_mode()
def test_half_precision_is_near_single():
    network, image = backbone(), latents(2, 3, 16, 16)
    other = rebuilt(copy.deepcopy(network).bfloat16())
    assert_close(other.encode(image).float(), network.encode(image), 0.05)
    assert_same_answers(network, other, bound=0.05)


def test_the_phases_of_a_doubled_convolution_are_sums_of_its_taps():
    a, b, c, d, e, f, g, h, i = (2.0**power for power in range(9))
    weight = torch.tensor([[a, b, c], [d, e, f], [g, h, i]]).view(1, 1, 3, 3)
    even_even, even_odd, odd_even, odd_odd = phases(weight).view(4, 2, 2).tolist()
    # An even pixel sees, of the input, the one before it by its first tap, and itself by the other two.
    assert even_even == [[a, b + c], [d + g, e + f + h + i]]
    assert even_odd == [[a + b, c], [d + e + g + h, f + i]]
    assert odd_even == [[a + d, b + c + e + f], [g, h + i]]
    assert odd_odd == [[a + b + d + e, c + f], [g + h, i]]


@torch.inference_mode()
def test_a_doubled_convolution_is_that_of_the_doubled_image():
    generator = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(*shape, generator=generator) for shape in ((2, 3, 4, 5), (6, 3, 3, 3)))
    bias = torch.randn(6, generator=generator)
    found = [F.conv2d(x, phase, padding=1) for phase in phases(weight).chunk(4)]
    expected = F.conv2d(F.interpolate(x, scale_factor=2.0, mode="nearest"), weight, bias, padding=1)
    torch.testing.assert_close(Plain().interleave(found, bias), expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("words", [1, 2, 77])
def test_attention_to_a_known_prompt_is_that_of_diffusers(words):
    torch.manual_seed(0)
    layer = Attention(query_dim=8, cross_attention_dim=12, heads=2, dim_head=3)
    x, prompt = torch.randn(2, 5, 8), torch.randn(1, words, 12)
    seen, said = known_prompt(layer, prompt)
    assert (seen.shape, said.shape) == ((2 * words, 8), (8, 2 * words))
    shares = F.linear(x, seen).unflatten(-1, (2, words)).softmax(-1).flatten(2)
    expected = layer(x, encoder_hidden_states=prompt.expand(2, -1, -1))
    torch.testing.assert_close(F.linear(shares, said, layer.to_out[0].bias), expected, atol=1e-6, rtol=1e-5)
