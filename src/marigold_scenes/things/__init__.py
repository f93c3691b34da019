"""Composites: things of many solids, each with its own range of proportions and styles."""
