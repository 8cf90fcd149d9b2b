"""A run of decisions: inputs, values, choices, log and lists."""
