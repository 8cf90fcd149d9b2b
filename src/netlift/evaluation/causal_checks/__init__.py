"""Checks of the assumptions behind an effect: balance, sensitivity, placebos."""
