"""What an evaluation measures of an answer: a file for each group of metrics, found by its name."""
