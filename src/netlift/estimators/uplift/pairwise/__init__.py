"""Pairwise learner: effects from pairs of randomized contacts."""
