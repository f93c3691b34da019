"""The algebra of noisy latents: schedules, samplers and noise."""
