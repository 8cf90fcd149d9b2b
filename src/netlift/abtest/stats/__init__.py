"""The statistics of randomized tests on skewed money."""
