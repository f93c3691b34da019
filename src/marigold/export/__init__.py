"""Maps as files: one file per format, whose name is the format's name."""
