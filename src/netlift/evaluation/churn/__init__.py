"""Evaluation of churn models: discrimination, calibration and money at risk."""
