"""A door: `predict_photos` is found here too; it lives in `folders/batch.py`, and nothing inside uses this file."""

from marigold.folders.batch import Outcome, predict_photos

__all__ = ["Outcome", "predict_photos"]
