"""Offline evaluation of a policy on logged contacts before it launches."""
