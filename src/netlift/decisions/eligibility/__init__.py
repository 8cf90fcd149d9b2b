"""Whom an offer may reach: consents, contact policy, conditions, triggers."""
