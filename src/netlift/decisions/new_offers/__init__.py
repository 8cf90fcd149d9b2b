"""New offers: evidence, state, and a budget to learn more."""
