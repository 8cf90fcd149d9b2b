"""The library on plain frames and arrays, with scikit-learn's conventions: no config, no store."""
