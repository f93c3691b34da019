"""Runs over photos of one colour, by predictors whose answer is the photo itself."""

import numpy as np
import PIL.Image

from marigold.checkpoints.card import Card
from marigold.folders.batch import predict_photos
from marigold.modalities.normals import Normals
from marigold.predict.predictor import Predictor
from marigold.predict.settings import Request
from marigold.predict.together import MultiPredictor
from toys.identity import CARD, identity_estimator


def identity(**options):
    """A run's only predictor, whose depth is the photo itself."""
    return MultiPredictor([Predictor(identity_estimator(**options))])


def photo(path, value):
    """Saves 24 x 16 pixels of one grey, 0 to 255, and returns the path."""
    PIL.Image.fromarray(np.full((16, 24, 3), value, np.uint8)).save(path)
    return path


def both():
    """Predictors of depth and of normals."""
    card = Card("other", "normals", revision="n1", defaults=CARD.defaults)
    return MultiPredictor([Predictor(identity_estimator()), Predictor(identity_estimator(card, Normals()))])


def run(photos, output, predictors=None, request=Request(), **options):  # noqa: B008
    """`predict_photos` with the usual settings."""
    return predict_photos(predictors or identity(), photos, request, output, **options)
