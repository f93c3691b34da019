"""Pattern functions: from the packed columns of a material and a point on it to colour, gloss, relief and glow."""
