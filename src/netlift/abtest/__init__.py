"""Tests on customers, in money: design, assignment, and what a campaign earned against its control."""
