"""Policies judged on logged randomized contacts."""
