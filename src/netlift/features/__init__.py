"""Features, their one-pass kernel, and labels."""
