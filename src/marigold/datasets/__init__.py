"""Where the truth comes from: one file per data set, the file name is the name."""
