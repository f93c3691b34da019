"""Families of scenes: one file each, with one function `sample(rng)`."""

FAMILIES = ("room", "tabletop", "street", "landscape", "objects")
