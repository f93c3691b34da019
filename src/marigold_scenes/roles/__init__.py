"""Recipes of materials: for each role a function that rolls the dice for a packed row."""
