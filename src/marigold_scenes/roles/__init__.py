"""Recipes of materials: for each role a function that rolls the rng for a packed row."""
