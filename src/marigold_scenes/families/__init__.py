"""Families of scenes: one file each, with one function `plan(dice)`."""

FAMILIES = ("room", "tabletop", "street", "landscape", "objects")
