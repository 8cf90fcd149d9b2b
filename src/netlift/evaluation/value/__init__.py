"""LTV models judged: totals, ranking, retention."""
