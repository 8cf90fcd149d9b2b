"""Decisions on offers per customer: value, eligibility, contact policy, allocation, exploration."""
