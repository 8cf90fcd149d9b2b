"""The published policy: champions, offers and their economics as one model."""
