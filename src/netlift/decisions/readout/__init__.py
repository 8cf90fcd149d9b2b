"""Readout of decisions against the holdout."""
