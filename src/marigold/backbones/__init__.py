"""Generators that can be adapted: one file per family, the file name is the name."""
