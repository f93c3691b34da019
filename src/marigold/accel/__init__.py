"""What must not change a result: precision, devices, compilation."""
