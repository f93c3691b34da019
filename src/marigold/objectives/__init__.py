"""What training minimises: one file per objective, the file name is the name."""
