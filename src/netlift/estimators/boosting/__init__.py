"""Gradient boosting: LightGBM, and a fold boosting kernel."""
