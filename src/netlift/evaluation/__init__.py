"""Evaluation in money: classification, value, uplift and off-policy, with intervals."""
