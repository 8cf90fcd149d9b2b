"""What a run of decisions changes against the one before it."""
