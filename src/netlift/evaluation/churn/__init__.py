"""Churn models judged: discrimination, calibration, money at risk."""
