"""Scores of an estimator on held-out samples."""
