"""How an estimator is taught: one file per objective, the file name is the name."""
