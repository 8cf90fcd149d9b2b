"""The tables held against the data contract: rules, findings, counts."""
