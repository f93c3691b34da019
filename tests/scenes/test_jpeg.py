"""The losses of JPEG against SciPy's transform and Pillow's encoder."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.fft import dctn

from marigold_scenes import jpeg


def picture(height: int = 64, width: int = 80) -> torch.Tensor:
    """A smooth picture with edges, in steps of 1/255."""
    coarse = torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(4))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    smooth[..., height // 3 : height // 2, width // 4 : width // 2] = 0.9
    return (smooth * 255).round() / 255


def quality(value: float) -> torch.Tensor:
    return torch.full((1, 1, 1, 1), value)


def psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return -10 * torch.log10((a - b).square().mean()).item()


def through_pillow(image: torch.Tensor, level: int) -> torch.Tensor:
    file = io.BytesIO()
    pixels = (image[0].permute(1, 2, 0) * 255).round().byte().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=level, subsampling=2)
    return torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)[None] / 255


def test_the_transform_is_orthonormal():
    matrix = jpeg.dct_matrix()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(8), atol=1e-6, rtol=0)


def test_the_transform_is_scipys():
    block = torch.rand(8, 8, generator=torch.Generator().manual_seed(0))
    matrix = jpeg.dct_matrix()
    np.testing.assert_allclose((matrix @ block @ matrix.T).numpy(), dctn(block.numpy(), norm="ortho"), atol=1e-5)


def test_high_quality_is_nearly_lossless():
    grey = picture()[:, :1].expand(-1, 3, -1, -1)
    assert psnr(jpeg.compress(grey, quality(95)), grey) > 44
    assert psnr(jpeg.compress(picture(), quality(95)), picture()) > 35  # colour edges lose to halved chroma


def test_above_100_nothing_is_lost():
    torch.testing.assert_close(jpeg.compress(picture(), quality(101)), picture())


@pytest.mark.parametrize("level", [30, 50, 75, 95])
def test_losses_are_those_of_a_real_encoder(level):
    ours, real = jpeg.compress(picture(), quality(level)), through_pillow(picture(), level)
    assert psnr(ours, real) > psnr(real, picture()) + 3
    assert psnr(ours, picture()) == pytest.approx(psnr(real, picture()), abs=1.5)


def test_lower_quality_loses_more():
    losses = [psnr(jpeg.compress(picture(), quality(level)), picture()) for level in (95, 75, 50, 30)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 30), (5, 3)])
def test_sizes_need_not_be_multiples_of_a_block(height, width):
    small = picture(64, 80)[..., :height, :width]
    assert jpeg.compress(small, quality(80)).shape == small.shape


def test_each_image_has_its_own_quality():
    pair = picture().expand(2, -1, -1, -1)
    both = jpeg.compress(pair, torch.tensor([30.0, 95.0]).view(2, 1, 1, 1))
    torch.testing.assert_close(both[:1], jpeg.compress(picture(), quality(30)), atol=1e-6, rtol=0)
    torch.testing.assert_close(both[1:], jpeg.compress(picture(), quality(95)), atol=1e-6, rtol=0)
