"""Closed-loop simulation: a year of decisions, outcomes and learning under several policies."""
