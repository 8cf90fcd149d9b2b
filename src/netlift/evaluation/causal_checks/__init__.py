"""Checks of causal assumptions: balance, sensitivity and placebos."""
