"""One run of decisions: inputs, values, choices, log, lists."""
