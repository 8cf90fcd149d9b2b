"""Evaluation of LTV models: totals, ranking and retention."""
