"""What a policy would have earned, on logged contacts, before it goes live."""
