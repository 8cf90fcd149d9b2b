"""Results as documents, ready to be written out."""
