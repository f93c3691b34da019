"""What a checkpoint is beside its networks: card, files, hub, and the checkpoints that are known."""
