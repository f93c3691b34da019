"""The kernels compute what torch's own operations do: on a GPU, or by Triton's interpreter on the processor."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from marigold.backbones.fused import kernels as module
from marigold.backbones.fused.kernels import Kernels
from marigold.backbones.fused.ops import Plain

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bfloat16"])


@pytest.fixture
def random():
    """Numbers on the GPU where there is one."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator).to(DEVICE)


def image(x, dtype, *, last=True):
    """[B, C, H, W] in one of the two layouts."""
    return x.to(dtype, memory_format=torch.channels_last if last else torch.contiguous_format)


def layer(kind, random, *sizes, dtype=torch.float32):
    """A norm with random weights."""
    made = kind(*sizes).to(DEVICE).requires_grad_(False)
    made.weight.copy_(1 + 0.3 * random(*made.weight.shape))
    made.bias.copy_(random(*made.bias.shape))
    return made.to(dtype)


def assert_close(found, expected, dtype):
    """Equal to a rounding or two of the type; `expected` is that of float32."""
    assert found.dtype == dtype and found.shape == expected.shape
    bound = 2e-6 if dtype == torch.float32 else 2**-8
    torch.testing.assert_close(found.float(), expected, atol=bound * float(expected.abs().max()), rtol=bound)


OFFSETS = {"none": None, "one": (0,), "of one row": (1, 0), "of each image": (2, 0)}


@TYPES
@pytest.mark.parametrize("offset", OFFSETS.values(), ids=OFFSETS)
@pytest.mark.parametrize("activate", [True, False], ids=["silu", "plain"])
def test_a_group_norm_with_an_offset_is_that_of_torch(random, dtype, offset, activate):
    x = image(random(2, 32, 5, 7), dtype)
    given = None if offset is None else (3 * random(*offset[:-1], 32)).to(dtype)
    norm = layer(nn.GroupNorm, random, 8, 32, dtype=dtype)
    found = Kernels().norm(x, norm, given, activate=activate)
    added = x.float() + (0 if given is None else given.float().view(-1, 32, 1, 1))
    expected = F.group_norm(added, 8, norm.weight.float(), norm.bias.float(), norm.eps)
    assert_close(found, F.silu(expected) if activate else expected, dtype)


@pytest.mark.parametrize(
    ("channels", "groups", "size"),
    [(32, 32, (3, 3)), (64, 4, (1, 1)), (96, 32, (4, 9)), (320, 32, (3, 5)), (192, 2, (2, 3)), (8, 4, (33, 2))],
)
def test_a_group_norm_takes_any_width_and_size(random, channels, groups, size):
    x, norm = image(random(2, channels, *size), torch.float32), layer(nn.GroupNorm, random, groups, channels)
    expected = F.group_norm(x, groups, norm.weight, norm.bias, norm.eps)
    assert_close(Kernels().norm(x, norm, activate=False), expected, torch.float32)


@pytest.mark.parametrize("programs", [1, 3, 4, 1000])
def test_shares_of_the_places_come_to_the_same(random, monkeypatch, programs):
    monkeypatch.setattr(module, "_PROGRAMS", programs)
    x, norm = image(random(1, 32, 9, 11), torch.float32), layer(nn.GroupNorm, random, 4, 32)
    expected = F.group_norm(x, 4, norm.weight, norm.bias, norm.eps)
    assert_close(Kernels().norm(x, norm, activate=False), expected, torch.float32)


def test_more_shares_than_are_added_at_once_come_to_the_same(random, monkeypatch):
    monkeypatch.setattr(module, "_PROGRAMS", 1000)
    x, norm = image(random(1, 2, 65 * 32, 1), torch.float32), layer(nn.GroupNorm, random, 1, 2)
    expected = F.group_norm(x, 1, norm.weight, norm.bias, norm.eps)
    assert_close(Kernels().norm(x, norm, activate=False), expected, torch.float32)


@pytest.mark.parametrize("offset", [None, -1000.0], ids=["without", "with its negative"])
def test_a_mean_far_from_zero_loses_nothing(random, offset):
    deviation = random(1, 32, 9, 11).double()
    x = image(1000 + deviation, torch.float32)
    norm = layer(nn.GroupNorm, random, 4, 32)
    given = None if offset is None else torch.full((32,), offset, device=DEVICE)
    exactly = F.group_norm(x.double(), 4, norm.weight.double(), norm.bias.double(), norm.eps)
    found = Kernels().norm(x, norm, given, activate=False)
    # 1000 in float32 is exact to 3e-5, and so is what is multiplied and added.
    torch.testing.assert_close(found.double(), exactly, atol=5e-4, rtol=0)


def test_channels_of_one_group_may_lie_far_apart(random):
    x = random(2, 8, 6, 7) + torch.tensor([0.0, 500, -500, 3, 1000, 1000, 0, 1]).to(DEVICE).view(1, 8, 1, 1)
    norm = layer(nn.GroupNorm, random, 2, 8)
    exactly = F.group_norm(x.double(), 2, norm.weight.double(), norm.bias.double(), norm.eps)
    found = Kernels().norm(image(x, torch.float32), norm, activate=False)
    torch.testing.assert_close(found.double(), exactly, atol=1e-5, rtol=1e-5)


def test_a_constant_image_gives_the_bias(random):
    norm = layer(nn.GroupNorm, random, 2, 8)
    found = Kernels().norm(image(torch.full((1, 8, 5, 5), 7.0, device=DEVICE), torch.float32), norm, activate=False)
    # No variance but `eps`: what 7 is multiplied by, and what is taken off then, are rounded in float32.
    rounding = 7 * float(norm.weight.abs().max()) * norm.eps**-0.5 * 2**-23
    torch.testing.assert_close(found, norm.bias.view(1, 8, 1, 1).expand(1, 8, 5, 5), atol=rounding, rtol=0)


def test_an_offset_may_be_a_part_of_a_longer_row(random):
    x, norm, row = image(random(2, 32, 3, 3), torch.float32), layer(nn.GroupNorm, random, 4, 32), random(2, 100)
    expected = F.group_norm(x + row[:, 40:72, None, None], 4, norm.weight, norm.bias, norm.eps)
    assert_close(Kernels().norm(x, norm, row[:, 40:72], activate=False), expected, torch.float32)


@pytest.mark.parametrize("operation", ["norm", "add", "interleave"])
def test_images_with_channels_first_give_the_same(random, operation):
    norm, offset = layer(nn.GroupNorm, random, 4, 32), random(32)
    x, y = random(2, 32, 5, 3), random(2, 32, 5, 3)

    def computed(last):
        one, other = (image(each, torch.float32, last=last) for each in (x, y))
        if operation == "norm":
            return Kernels().norm(one, norm, offset)
        return Kernels().add(one, other, offset) if operation == "add" else Kernels().interleave([one, other] * 2, None)

    assert torch.equal(computed(False), computed(True))
    assert computed(False).is_contiguous(memory_format=torch.channels_last)


@TYPES
@pytest.mark.parametrize("offset", [True, False], ids=["offset", "none"])
@pytest.mark.parametrize("size", [(3, 5), (33, 3)])
def test_images_and_an_offset_are_added(random, dtype, offset, size):
    x, y = (image(random(2, 96, *size), dtype) for _ in range(2))
    given = random(96).to(dtype) if offset else None
    expected = x.float() + y.float() + (given.float().view(-1, 1, 1) if offset else 0)
    assert_close(Kernels().add(x, y, given), expected, dtype)


@TYPES
@pytest.mark.parametrize("offset", [True, False], ids=["offset", "none"])
@pytest.mark.parametrize("channels", [32, 96, 320])
def test_sequences_are_added_and_normalised(random, dtype, offset, channels):
    x, y = (random(2, 3, channels).to(dtype) for _ in range(2))
    given = random(channels).to(dtype) if offset else None
    norm = layer(nn.LayerNorm, random, channels, dtype=dtype)
    found, normal = Kernels().add_norm(x, y, given, norm)
    expected = x.float() + y.float() + (given.float() if offset else 0)
    assert_close(found, expected, dtype)
    normal_of = F.layer_norm(expected, (channels,), norm.weight.float(), norm.bias.float(), norm.eps)
    assert_close(normal, normal_of, dtype)


def test_a_layer_norm_far_from_zero_loses_nothing(random):
    x, norm = 1000 + random(1, 3, 96), layer(nn.LayerNorm, random, 96)
    _, normal = Kernels().add_norm(x, torch.zeros_like(x), None, norm)
    exactly = F.layer_norm(x.double(), (96,), norm.weight.double(), norm.bias.double(), norm.eps)
    torch.testing.assert_close(normal.double(), exactly, atol=5e-4, rtol=0)


@TYPES
@pytest.mark.parametrize("shape", [(2, 5, 64), (1, 7, 192), (1, 65, 64)])
def test_a_gate_multiplies_by_gelu(random, dtype, shape):
    x = 2 * random(*shape).to(dtype)
    value, gate = x.float().chunk(2, dim=-1)
    assert_close(Kernels().gate(x), value * F.gelu(gate), dtype)


@TYPES
@pytest.mark.parametrize("count", [1, 32, 37, 150])
def test_shares_are_a_softmax(random, dtype, count):
    scores = (10 * random(2, 5, count)).to(dtype)
    expected = (0.3 * scores.float()).softmax(dim=-1)
    assert_close(Kernels().shares(scores.clone(), 0.3), expected, dtype)


def test_large_scores_have_shares(random):
    scores = 1e4 * random(1, 3, 40)
    found = Kernels().shares(scores.clone(), 1.0)
    torch.testing.assert_close(found.sum(dim=-1), torch.ones(1, 3, device=DEVICE))
    assert torch.equal(found.argmax(dim=-1), scores.argmax(dim=-1))


def test_more_scores_than_registers_hold_are_left_to_torch(random, monkeypatch):
    monkeypatch.setattr(module, "_LONGEST", 16)
    scores = random(1, 3, 17)
    assert torch.equal(Kernels().shares(scores.clone(), 0.5), Plain().shares(scores.clone(), 0.5))


@TYPES
@pytest.mark.parametrize("offset", [True, False], ids=["offset", "none"])
@pytest.mark.parametrize(("channels", "size"), [(32, (3, 4)), (96, (1, 1)), (8, (2, 35))])
def test_phases_are_interleaved(random, dtype, offset, channels, size):
    height, width = size
    phases = [image(random(2, channels, height + 1, width + 1), dtype) for _ in range(4)]
    given = random(channels).to(dtype) if offset else None
    expected = torch.empty(2, channels, 2 * height, 2 * width, device=DEVICE)
    for number, phase in enumerate(phases):
        down, right = divmod(number, 2)
        expected[:, :, down::2, right::2] = phase[:, :, down : down + height, right : right + width].float()
    expected += given.float().view(-1, 1, 1) if offset else 0
    assert_close(Kernels().interleave(phases, given), expected, dtype)


@TYPES
@pytest.mark.parametrize("ops", [Kernels(), Plain()], ids=["kernels", "torch"])
@pytest.mark.parametrize(("groups", "channels", "size"), [(8, 32, (5, 7)), (4, 64, (33, 3)), (32, 96, (1, 1))])
def test_a_group_norm_in_two_stripes_is_that_of_torch(random, dtype, ops, groups, channels, size):
    x = image(random(1, channels, *size) + 3 * random(1, channels, 1, 1), dtype)
    norm = layer(nn.GroupNorm, random, groups, channels, dtype=dtype)
    first, *others = (ops.moments(part) for part in x.split(20, dim=2))
    for other in others:
        first = first.joined(other)
    variance, mean = torch.var_mean(x.double(), (0, 2, 3), correction=0)
    torch.testing.assert_close(first.mean.double(), mean, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(first.squares.double() / first.count, variance, atol=1e-5, rtol=1e-4)
    found = torch.cat([ops.activate(part, *first.affine(norm)) for part in x.split(20, dim=2)], dim=2)
    expected = F.silu(F.group_norm(x.double(), groups, norm.weight.double(), norm.bias.double(), norm.eps))
    bound = 2e-5 if dtype == torch.float32 else 2**-7
    torch.testing.assert_close(found.double(), expected, atol=bound, rtol=bound)


@TYPES
def test_torchs_operations_agree(random, dtype):
    """`Plain` gives what the kernels give, where both take the same."""
    x, y, offset = image(random(2, 32, 5, 3), dtype), image(random(2, 32, 5, 3), dtype), random(32).to(dtype)
    group, norm = layer(nn.GroupNorm, random, 8, 32, dtype=dtype), layer(nn.LayerNorm, random, 32, dtype=dtype)
    sequence, scores = random(2, 4, 32).to(dtype), random(2, 4, 9).to(dtype)

    def computed(ops):
        return (
            ops.norm(x, group, offset),
            ops.add(x, y.clone(), offset),
            *ops.add_norm(sequence, sequence.flip(0), offset, norm),
            ops.gate(sequence),
            ops.shares(scores.clone(), 0.7),
            ops.interleave([x, y, y, x], offset),
        )

    bound = 1e-5 if dtype == torch.float32 else 2**-5
    for one, other in zip(computed(Kernels()), computed(Plain()), strict=True):
        torch.testing.assert_close(one, other, atol=bound, rtol=bound)


# The interpreter multiplies no matrices of bfloat16.
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=["float32", "float16"])
@pytest.mark.parametrize(("channels", "size"), [(16, (3, 5)), (32, (2, 67)), (24, (4, 3)), (8, (1, 1))])
def test_the_last_convolution_is_as_exact_as_its_weights(random, dtype, channels, size):
    torch.manual_seed(0)
    x, convolution = image(random(2, channels, *size), dtype), nn.Conv2d(channels, 3, 3, padding=1).to(DEVICE)
    convolution.requires_grad_(False)
    exactly = F.conv2d(x.double(), convolution.weight.double(), convolution.bias.double(), padding=1)
    found = Kernels().picture(x, convolution)
    assert found.dtype == torch.float32
    # A weight as two halves of float16 is exact to 2**-21 of it, or to the smallest number there is.
    torch.testing.assert_close(found.double(), exactly, atol=4e-6 * float(exactly.abs().max()), rtol=0)
