"""Uplift learners: effects of contacts."""
