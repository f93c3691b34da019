"""Losses that are named after what they compare: latents, and what the modality itself compares."""

import pytest
import torch

from marigold.core.sample import Batch, Sample
from marigold.modalities.depth import Depth
from marigold.objectives.losses.base import Outcome
from marigold.objectives.losses.latent import Latent
from marigold.objectives.losses.value import Value
from toys.outcomes import outcome, random, value


def test_the_latent_s_error_is_the_mean_square_of_the_cells_that_may_be_used():
    empty = torch.zeros(0, 1, 3, 2, 2)
    truth = Batch(empty[:, 0], empty, empty[:, :, :1] > 0, Sample("", empty[:, 0], {}, {}))
    cells = torch.tensor([[True, True], [True, False]]).expand(1, 4, 2, 2)
    latent = torch.tensor([[1.0, 2.0], [3.0, 100.0]]).expand(1, 4, 2, 2)
    shown = Outcome(latent, empty, truth, torch.zeros(1, 4, 2, 2), cells)
    assert float(value(Latent(), shown)) == pytest.approx(14 / 3)


def test_the_value_s_error_is_the_modality_s_own():
    shown = outcome(random(2, 1, 3, 4, 5, seed=1).float(), random(2, 1, 3, 4, 5, seed=2).float())
    modality = Depth(target_space="log")
    expected = modality.loss(modality.decode(shown.pixels), shown.truth)
    torch.testing.assert_close(value(Value(), shown, modality), expected)
