"""Learners of the effect of a contact."""
