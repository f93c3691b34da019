"""What is scored is what a user gets: the evaluation's painter against the predictor."""

import pytest
import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.estimator import Estimator
from marigold.evaluate.runner import painter
from marigold.modalities.depth import Depth
from marigold.predict.predictor import Predictor
from toys.scenes import NETWORK


@pytest.mark.parametrize(("resolution", "ensemble"), [(28, 1), (28, 3), (20, 1), (41, 3)])
def test_the_evaluated_map_is_the_predicted_map(resolution, ensemble):
    torch.manual_seed(0)
    backbone = StableDiffusion.tiny(**NETWORK)
    backbone.adapt(conditions=1, targets=1)
    estimator = Estimator(backbone, Depth(), Card(name="tiny", modality="depth")).eval()
    photo = torch.rand(3, 22, 28, generator=torch.Generator().manual_seed(1))
    settings = {"steps": 2, "ensemble": ensemble, "resolution": resolution, "seed": 5}
    predicted = Predictor(estimator).predict(photo, **settings).maps["depth"]
    painted = painter(estimator, **settings)(photo[None])[0, 0]
    torch.testing.assert_close(painted, torch.from_numpy(predicted), rtol=0, atol=1e-4)
