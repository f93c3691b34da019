"""Losses on what one step predicts, one file each."""
