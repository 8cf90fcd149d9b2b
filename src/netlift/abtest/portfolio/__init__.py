"""Effects of all campaigns together, by offer, channel and segment."""
