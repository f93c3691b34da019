"""Refiners: one whose answer is a function of what it sees, and small random networks."""

import copy
from dataclasses import replace
from functools import cache

import torch

from marigold.backbones.stable_diffusion import StableDiffusion
from marigold.checkpoints.card import Card
from marigold.estimator import Estimator
from marigold.modalities.depth import Depth
from marigold.predict.predictor import Predictor
from marigold.predict.refiner import RefinerSource
from toys.identity import CARD, Identity, identity_estimator
from toys.peers import AUTOENCODERS, MODALITIES
from toys.scenes import NETWORK

REFINER_CARD = replace(CARD, name="sharper", revision="r2", defaults={"steps": 1, "resolution": 64})


class Refining(Identity):
    """A refiner whose network says `answer(photo, coarse, x)`, latents of tiles; `seen` are the batches that it had."""

    def __init__(self, answer, stride=4):
        super().__init__(stride, conditions=2)
        self.answer, self.seen = answer, []

    def network(self, x, t, condition):
        photo, coarse = condition.to(x.dtype).chunk(2, dim=1)
        self.seen.append(tuple(x.shape))
        return self.answer(photo, coarse, x)


def refined_by(answer, card=REFINER_CARD, modality=None, base=None, **options):
    """A predictor of the photo's brightness with a refiner that says `answer`."""
    predictor = Predictor(base or identity_estimator(modality=modality))
    predictor.refine_by(RefinerSource.given(Estimator(Refining(answer, **options), modality or Depth(), card)))
    return predictor


def networks(modality="depth", *, refines=False, autoencoder=7, **card):
    """Small random networks that predict or refine a modality; those of one `autoencoder`, a seed, have the same."""
    kind = MODALITIES[modality][0]
    known = {"name": "refiner" if refines else "toy", "modality": modality, "defaults": {"steps": 2, "resolution": 32}}
    return Estimator(copy.deepcopy(_networks(modality, refines, autoencoder)), kind, Card(**{**known, **card}))


@cache
def _networks(modality, refines, autoencoder):
    targets = len(MODALITIES[modality][0].targets)
    backbone = _generator(1 + refines)
    backbone.vae.load_state_dict(_generator(autoencoder).vae.state_dict())
    backbone.adapt(1 + targets if refines else 1, targets)
    return backbone


def _generator(seed):
    torch.manual_seed(seed)
    options = {"schedule": NETWORK["schedule"], "prompt_dim": NETWORK["prompt_dim"]}
    return StableDiffusion.tiny(unet=NETWORK["unet"], vae=AUTOENCODERS["kl"], **options)
