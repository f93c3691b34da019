"""SSIM and LPIPS against scikit-image and torchmetrics."""

import hashlib
import io

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity
from torchmetrics.functional.image import lpips as published

from marigold.core.errors import DataError
from marigold.measure import perceptual


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


EVERYWHERE = torch.ones(1, 40, 48, dtype=torch.bool)


def test_ssim_is_scikit_images():
    truth = random(3, 40, 48)
    prediction = (truth + 0.3 * random(3, 40, 48, seed=1)).clamp(0, 1)
    # Both average over the map but for a border of half a window.
    _, map_ = structural_similarity(
        prediction.double().numpy(),
        truth.double().numpy(),
        channel_axis=0,
        data_range=1.0,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    found = perceptual.ssim(prediction, truth, EVERYWHERE).item()
    assert found == pytest.approx(map_[:, 5:-5, 5:-5].mean(), abs=1e-4)
    assert perceptual.ssim(truth, truth, EVERYWHERE).item() == pytest.approx(1)


def test_pixels_that_are_not_valid_are_black_in_both():
    truth, prediction, valid = random(3, 40, 48), random(3, 40, 48, seed=1), random(1, 40, 48, seed=2) > 0.5
    black = perceptual.ssim(prediction * valid, truth * valid, EVERYWHERE)
    hidden = torch.where(valid, truth, torch.nan)
    assert perceptual.ssim(prediction, hidden, valid) == black


@pytest.fixture
def network(tmp_path, monkeypatch):
    """AlexNet with random weights where torch's hub keeps it, under a name that holds its hash."""
    torch.manual_seed(0)
    features = perceptual.alexnet()
    stored = {f"features.{name}": value for name, value in features.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(stored | {"classifier.1.weight": torch.zeros(1)}, buffer)
    name = f"alexnet-owt-{hashlib.sha256(buffer.getvalue()).hexdigest()[:8]}.pth"
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    (folder / name).write_bytes(buffer.getvalue())
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(perceptual, "NETWORK", name)
    return features


def test_lpips_is_torchmetrics(network, monkeypatch):
    monkeypatch.setattr(published, "_get_tv_model_features", lambda *_: network)
    reference = published._LPIPS(pretrained=True, net="alex")
    truth, prediction = random(3, 40, 48), random(3, 40, 48, seed=1)
    with torch.no_grad():
        expected = reference(prediction[None], truth[None], normalize=True).item()
    assert not perceptual.missing_weights()
    assert perceptual.lpips(prediction, truth, EVERYWHERE).item() == pytest.approx(expected, rel=1e-5)
    assert perceptual.lpips(truth, truth, EVERYWHERE).item() == 0


def test_missing_weights_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "none"))
    assert "AlexNet" in perceptual.missing_weights()
    assert "linear heads" not in perceptual.missing_weights()
    with pytest.raises(DataError, match="AlexNet"):
        perceptual.lpips(random(3, 40, 48), random(3, 40, 48), EVERYWHERE)


def test_another_file_of_that_name_is_refused(network):
    with perceptual.network_file().open("ab") as file:
        file.write(b"more")
    with pytest.raises(DataError, match="download it again"):
        perceptual.lpips(random(3, 40, 48), random(3, 40, 48), EVERYWHERE)


@pytest.mark.parametrize("measure", [perceptual.ssim, perceptual.lpips])
def test_a_picture_that_is_too_small_is_refused(measure):
    with pytest.raises(DataError, match="too small"):
        measure(torch.zeros(3, 40, 10), torch.zeros(3, 40, 10), torch.ones(1, 40, 10, dtype=torch.bool))


def test_the_published_heads_are_never_negative():
    heads = perceptual.read_heads(perceptual.heads_file())
    assert [head.shape[1] for head in heads] == [64, 192, 384, 256, 256]
    assert np.all([head.min() >= 0 for head in heads])


def test_the_features_are_those_of_alexnet():
    # Krizhevsky 2014: 55, 27 and 13 pixels a side of a picture of 224, and 2 469 696 parameters.
    x, sizes = torch.zeros(1, 3, 224, 224), []
    for layer in perceptual.alexnet():
        x = layer(x)
        sizes += [tuple(x.shape[1:])] if isinstance(layer, torch.nn.ReLU) else []
    assert sizes == [(64, 55, 55), (192, 27, 27), (384, 13, 13), (256, 13, 13), (256, 13, 13)]
    assert sum(weight.numel() for weight in perceptual.alexnet().parameters()) == 2_469_696


def test_a_picture_of_the_least_size_is_enough(network):
    least = torch.ones(1, 32, 32, dtype=torch.bool)
    assert perceptual.lpips(random(3, 32, 32), random(3, 32, 32, seed=1), least).item() > 0
    window = torch.ones(1, 11, 11, dtype=torch.bool)
    assert perceptual.ssim(random(3, 11, 11), random(3, 11, 11), window).item() == pytest.approx(1)
