"""Numbers about predictions: alignment, metrics, ensembles, and sums that merge."""
