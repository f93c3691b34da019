"""Layers of diffusers' networks rebuilt for inference: fewer passes over memory, the same weights and names."""
