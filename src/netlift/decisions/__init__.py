"""Which offer, if any, to whom: value, eligibility, contact policy, triggers, allocation, exploration."""
