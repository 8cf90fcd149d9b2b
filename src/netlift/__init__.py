"""Customer value management measured in money."""
