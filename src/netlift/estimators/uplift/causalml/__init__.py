"""Adapters of causalml: its meta-learners and its causal forest, stored without pickle."""
