"""Learners of future margin and of churn."""
