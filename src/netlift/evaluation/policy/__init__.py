"""Evaluation of policies on logged randomized contacts."""
