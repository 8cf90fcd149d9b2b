"""Uplift models judged: Qini, AUTOC, calibration, comparison."""
