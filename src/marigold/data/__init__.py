"""From data sets to batches: mixing, augmentation, collation."""
