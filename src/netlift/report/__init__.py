"""Charts and pages that people look at."""
