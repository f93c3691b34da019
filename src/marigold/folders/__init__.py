"""Runs over many photos: what is complete, reading ahead, writing behind, reports and logs."""
