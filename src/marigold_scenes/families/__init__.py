"""Families of scenes: one file each, with one function `plan(rng)`."""

FAMILIES = ("room", "tabletop", "street", "landscape", "objects")
