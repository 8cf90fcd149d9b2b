"""Checks of tables against the data contract: rules, findings and counts."""
