"""Training of uplift models, from logged contacts to a permitted policy."""
