"""Synthetic scenes with exact maps: a seeded scene, a ray-caster and a camera."""
