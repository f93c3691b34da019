"""Clips in, steady maps out: reading, one scale and shift per frame solved jointly, smoothing, writing."""
