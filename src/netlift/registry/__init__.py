"""The tracking store, the registered models, the gate and the model card; the only importer of mlflow."""
