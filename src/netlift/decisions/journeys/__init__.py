"""Journeys: who begins one, which step is due, what ends it, and how far all of them came."""
