"""Uncertainty comes out at the photo's size, for every modality that looks at a photo."""

import pytest
import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.core.find import implementation, names
from marigold.estimator import Estimator
from marigold.modalities.base import Modality
from marigold.predict.predictor import Predictor
from toys.scenes import NETWORK

PAINTERS = [name for name in names(Modality) if implementation(Modality, name)().needs]
DEFAULTS = {"steps": 1, "resolution": 24, "ensemble": 3}


@pytest.mark.parametrize("name", PAINTERS)
def test_uncertainty_has_the_photos_size(name):
    modality = implementation(Modality, name)()
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(1, len(modality.targets))
    predictor = Predictor(Estimator(backbone, modality, Card("toy", name, defaults=DEFAULTS)).eval())
    photo = torch.rand(3, 37, 53, generator=torch.Generator().manual_seed(0))
    prediction = predictor.predict(photo)
    assert {values.shape[:2] for values in prediction.maps.values()} == {(37, 53)}
    assert prediction.uncertainty.shape == (37, 53)
    assert prediction.uncertainty.min() >= 0
    assert prediction.uncertainty.max() > 0
