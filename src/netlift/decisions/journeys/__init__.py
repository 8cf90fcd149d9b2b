"""Journeys: entries, due steps, exits and progress."""
