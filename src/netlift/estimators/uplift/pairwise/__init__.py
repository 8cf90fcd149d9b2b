"""The pairwise learner: effects from pairs of contacts whose arms chance drew."""
