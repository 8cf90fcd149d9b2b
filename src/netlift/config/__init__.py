"""Settings that load, refuse and digest: the business in `configs/`, what is trained in `models/`."""
