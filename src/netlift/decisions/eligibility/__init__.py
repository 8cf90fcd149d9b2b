"""Eligibility: consents, contact policy, conditions and triggers."""
