"""How the learners of the frames tune LightGBM: few trials in a small space, as the definitions of the demo do."""

from __future__ import annotations

from netlift.config.definitions import Range, Search

SEARCH = Search(
    trials=6,
    folds=3,
    max_rounds=300,
    patience=30,
    space={
        "learning_rate": Range(low=0.03, high=0.15, log=True),
        "num_leaves": Range(low=4, high=31, whole=True),
        "min_data_in_leaf": Range(low=20, high=500, log=True, whole=True),
        "feature_fraction": Range(low=0.4, high=1.0),
        "lambda_l2": Range(low=0.1, high=100, log=True),
    },
)
