"""Depth in metres: known distances and cameras, and what they make of a map that is right up to scale and shift."""
