"""A simulated year of decisions, outcomes and learning under several rules."""
