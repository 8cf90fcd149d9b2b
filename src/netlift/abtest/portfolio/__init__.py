"""All campaigns together: what they earned, by offer, channel and segment."""
