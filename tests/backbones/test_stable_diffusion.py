"""The Stable Diffusion backbone: widened layers, latents and the empty prompt."""

import pytest
import torch
from torch import nn

from marigold.backbones._prompt import make_text_encoder
from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.core.errors import ConfigError
from toys.scenes import NETWORK

TINY_AUTOENCODER = {
    "_class_name": "AutoencoderTiny",
    "encoder_block_out_channels": [8, 8, 8],
    "decoder_block_out_channels": [8, 8, 8],
    "num_encoder_blocks": [1, 1, 1],
    "num_decoder_blocks": [1, 1, 1],
    "latent_channels": 4,
}


def backbone(**changes) -> StableDiffusion:
    torch.manual_seed(0)
    return StableDiffusion.tiny(**{**NETWORK, **changes}).eval()


def widened(conditions: int, targets: int) -> StableDiffusion:
    network = backbone()
    network.adapt(conditions, targets)
    return network


@pytest.mark.parametrize(
    ("vae", "changes"),
    [
        (NETWORK["vae"], {"up_block_types": []}),
        (NETWORK["vae"], {"down_block_types": ()}),
        (TINY_AUTOENCODER, {"encoder_block_out_channels": [8, 8], "num_encoder_blocks": [1, 1]}),
        (TINY_AUTOENCODER, {"decoder_block_out_channels": [8, 8], "num_decoder_blocks": [1, 1]}),
    ],
)
def test_an_autoencoder_that_shrinks_by_another_factor_than_it_enlarges_is_refused(vae, changes):
    with pytest.raises(ConfigError, match=r"vae: .* cannot be used; it must be a list of \d, like `block"):
        backbone(vae={**vae, **changes})


@torch.no_grad()
@pytest.mark.parametrize("targets", [1, 3])
def test_a_widened_network_gives_the_same_on_copies_of_its_input(targets):
    network, x, t = backbone(), torch.randn(2, 4, 8, 8), torch.tensor([5, 900])
    expected = network.network(x, t, None)
    network.adapt(1, targets)
    found = network.network(x.repeat(1, targets, 1, 1), t, x)
    torch.testing.assert_close(found, expected.repeat(1, targets, 1, 1))


def test_widening_divides_the_weights_and_keeps_the_bias():
    network = backbone()
    before = network.unet.conv_in
    network.adapt(1, 2)
    after = network.unet.conv_in
    assert after.weight.shape == (8, 12, 3, 3)
    torch.testing.assert_close(after.weight[:, 4:8], before.weight / 3)
    assert torch.equal(after.bias, before.bias)
    assert (network.unet.config.in_channels, network.unet.config.out_channels) == (12, 8)


def test_widened_layers_can_be_trained():
    network = widened(1, 1)
    assert all(isinstance(p, nn.Parameter) and p.requires_grad for p in network.unet.conv_in.parameters())
    network.network(torch.randn(1, 4, 8, 8), torch.tensor([9]), torch.randn(1, 4, 8, 8)).sum().backward()
    assert network.unet.conv_in.weight.grad.abs().sum() > 0


@torch.no_grad()
@pytest.mark.parametrize("layers", [(2, 1), (1, 3), (3, 2)])
def test_a_deeper_network_gives_the_same_until_it_is_trained(layers):
    network, x, t = widened(1, 1), torch.randn(2, 4, 16, 16), torch.tensor([5, 900])
    expected, before = network.network(x, t, x), sum(p.numel() for p in network.unet.parameters())
    network.deepen(layers)
    torch.testing.assert_close(network.network(x, t, x), expected)
    assert network.unet.config.layers_per_block == list(layers)
    assert sum(p.numel() for p in network.unet.parameters()) > before


def test_the_added_layers_of_a_deeper_network_learn():
    network = widened(1, 1)
    network.deepen((1, 2))
    network.network(torch.randn(1, 4, 16, 16), torch.tensor([9]), torch.randn(1, 4, 16, 16)).square().sum().backward()
    for block in (network.unet.down_blocks[1], network.unet.up_blocks[0]):
        assert block.resnets[1].conv2.weight.grad.abs().sum() > 0
        assert block.attentions[1].proj_out.weight.grad.abs().sum() > 0


def test_a_network_that_is_deep_enough_keeps_its_layers():
    network = backbone()
    before = {name: x.clone() for name, x in network.unet.state_dict().items()}
    network.deepen((0, 1))
    after = network.unet.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(x, after[name]) for name, x in before.items())


@pytest.mark.parametrize("layers", [(1,), (2, 2, 2)])
def test_layers_for_other_blocks_are_refused(layers):
    with pytest.raises(ConfigError, match=rf"recipe\.layers: .* is for {len(layers)} blocks, but the U-Net has 2"):
        backbone().deepen(layers)


def test_adapting_twice_is_adapting_once():
    network = widened(1, 1)
    layer = network.unet.conv_in
    network.adapt(1, 1)
    assert network.unet.conv_in is layer


@pytest.mark.parametrize("other", [(1, 2), (2, 2), (0, 1)])
def test_adapting_to_another_width_is_refused(other):
    with pytest.raises(ConfigError, match="already takes 1 conditions and 1 targets"):
        widened(1, 1).adapt(*other)


@torch.no_grad()
@pytest.mark.parametrize("targets", [1, 2])
def test_an_added_condition_changes_nothing_until_it_is_trained(targets):
    network, t = widened(1, targets), torch.tensor([5, 900])
    photo, added, x = (torch.randn(2, 4 * count, 8, 8) for count in (1, targets, targets))
    expected = network.network(x, t, photo)
    network.adapt(1 + targets, targets)
    torch.testing.assert_close(network.network(x, t, torch.cat([photo, added], dim=1)), expected)
    assert network.unet.config.in_channels == 4 * (1 + 2 * targets)


def test_an_added_condition_lies_between_the_photo_and_the_noisy_latents():
    network = widened(1, 1)
    before = network.unet.conv_in.weight.detach().clone()
    network.adapt(2, 1)
    photo, added, noisy = network.unet.conv_in.weight.split(4, dim=1)
    assert torch.equal(torch.cat([photo, noisy], dim=1), before)
    assert not added.any() and network.unet.conv_in.weight.requires_grad
    network.network(torch.randn(1, 4, 8, 8), torch.tensor([9]), torch.randn(1, 8, 8, 8)).square().sum().backward()
    assert network.unet.conv_in.weight.grad[:, 4:8].abs().sum() > 0


@torch.no_grad()
def test_a_generator_takes_several_conditions_as_copies_of_its_input():
    network, x, t = backbone(), torch.randn(2, 4, 8, 8), torch.tensor([5, 900])
    expected = network.network(x, t, None)
    network.adapt(2, 1)
    torch.testing.assert_close(network.network(x, t, x.repeat(1, 2, 1, 1)), expected)


@torch.no_grad()
def test_the_condition_comes_before_the_noisy_latents():
    network, seen = widened(1, 1), []
    network.unet.conv_in.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    network.network(torch.ones(1, 4, 8, 8), torch.tensor([3]), torch.zeros(1, 4, 8, 8))
    assert seen[0].mean(dim=(0, 2, 3)).tolist() == [0] * 4 + [1] * 4


@torch.no_grad()
def test_members_do_not_depend_on_their_batch():
    network, x, condition = widened(1, 1), torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    together = network.network(x, torch.tensor([5, 5, 900]), condition)
    alone = network.network(x[2:], torch.tensor([900]), condition[2:])
    torch.testing.assert_close(together[2:], alone)


@torch.no_grad()
def test_denoising_splits_the_latent_by_the_schedule():
    network, x, condition = widened(1, 1), torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    clean, noise = network.denoise(x, 600, condition)
    torch.testing.assert_close(network.schedule.mix(clean, noise, 600), x)
    output = network.network(x, torch.tensor([600, 600]), condition)
    torch.testing.assert_close(network.schedule.target(clean, noise, 600), output)


@torch.no_grad()
def test_a_half_precision_network_answers_in_the_type_it_was_asked_in():
    network = widened(1, 1).bfloat16()
    x = torch.randn(1, 4, 8, 8)
    clean, noise = network.denoise(x, torch.tensor([600]), network.encode(torch.zeros(1, 3, 16, 16)))
    assert clean.dtype == noise.dtype == torch.float32


@torch.no_grad()
def test_latents_are_the_scaled_posterior_mean():
    network = backbone(vae={**NETWORK["vae"], "scaling_factor": 0.5, "shift_factor": 0.25})
    image = torch.rand(2, 3, 8, 6)
    mean = network.vae.encode(image).latent_dist.mean
    torch.testing.assert_close(network.encode(image), (mean - 0.25) * 0.5)
    torch.testing.assert_close(network.decode((mean - 0.25) * 0.5), network.vae.decode(mean).sample)


@torch.no_grad()
def test_a_tiny_autoencoder_serves_as_well():
    network = backbone(vae=TINY_AUTOENCODER)
    image = torch.rand(1, 3, 16, 8) * 2 - 1
    latent = network.encode(image)
    assert latent.shape == (1, 4, 4, 2)
    assert torch.equal(latent, network.vae.encode(image).latents)
    assert network.decode(latent).shape == image.shape


def test_stride_and_widths_are_those_of_the_networks():
    unet = {name: value for name, value in NETWORK["unet"].items() if name not in ("in_channels", "out_channels")}
    network = backbone(unet=unet, vae={**NETWORK["vae"], "latent_channels": 6})
    assert (network.stride, network.latent_channels, network.conditions, network.targets) == (2, 6, 0, 1)


def test_the_prompt_of_a_width_is_always_the_same():
    assert torch.equal(backbone().prompt, backbone().prompt)
    assert backbone().prompt.shape == (1, 2, 8)


def test_making_a_text_encoder_leaves_the_global_random_state():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    make_text_encoder(8)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"unet": {**NETWORK["unet"], "chanels": 3}}, ConfigError, "unet: .*chanels"),
        ({"unet": {**NETWORK["unet"], "in_channels": 5}}, ConfigError, "5 input and 4 output channels"),
        ({"vae": {"_class_name": "AutoencoderDC"}}, ConfigError, "no autoencoder named `AutoencoderDC`"),
        ({"unet": {**NETWORK["unet"], "cross_attention_dim": 16}}, ConfigError, "cross_attention_dim is 16"),
        ({"schedule": {"beta_schedule": "none"}}, ConfigError, "beta_schedule"),
    ],
)
def test_networks_that_do_not_fit_are_refused(changes, error, words):
    with pytest.raises(error, match=words):
        backbone(**changes)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("out_channels", 1),
        ("in_channels", 4),
        ("scaling_factor", 0),
        ("scaling_factor", -1),
        ("scaling_factor", 1e-300),
    ],
)
def test_an_autoencoder_that_cannot_be_used_is_refused_before_any_work(key, value):
    with pytest.raises(ConfigError, match=rf"^vae: {key}: .* cannot be used; it must be "):
        backbone(vae={**NETWORK["vae"], key: value})
