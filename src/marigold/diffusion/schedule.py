"""The algebra of one noisy latent: x = a * clean + s * noise, and what a network says about the pair."""
