"""Gradient boosting: LightGBM, and trees of our own grown over folds at once."""
