"""Statistics of randomized tests on skewed money."""
