"""What decisions earned against the holdout."""
