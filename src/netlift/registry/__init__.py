"""Tracking store, registered models, champions; the only importer of mlflow."""
