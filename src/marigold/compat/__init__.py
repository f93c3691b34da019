"""What other implementations do differently around the networks, to compare with their results."""
