"""The published policy: uplift champion, offers and economics as one model."""
