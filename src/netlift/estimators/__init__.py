"""Estimators of churn, value and uplift, calibration, and their shared stored form."""
