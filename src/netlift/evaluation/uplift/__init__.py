"""Evaluation of uplift models: Qini, AUTOC, calibration and comparison."""
