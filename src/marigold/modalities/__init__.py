"""What can be predicted: one file per modality, the file name is the name."""
