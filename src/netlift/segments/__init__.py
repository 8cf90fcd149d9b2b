"""Customer segments: RFM, value segments, migration, economics and survival."""
