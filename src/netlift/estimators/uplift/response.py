"""Response baseline: an offer's average effect scaled by each customer's relative response.

    uplift_a(x) = mean effect of a · P(margin > 0 | x, contacted) / mean of that chance

This is what a company without uplift models does. It knows nothing of whom a contact changes: it ranks everybody alike
for all offers, and its sign is the sign of the average. It is always in the comparison because it is often not beaten.

Where nearly nobody, or nearly everybody, who was contacted brought a margin, there is no response to scale by: each
offer is worth its average.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from netlift.config.definitions import Search
from netlift.estimators.boosting.lightgbm import Machine, gain_shares, make_dataset
from netlift.estimators.cross_fit import assign_folds
from netlift.estimators.expression import booster, constant, linear, write_files
from netlift.estimators.rows import Candidate, ContactRows
from netlift.estimators.uplift.purchase_model import RAREST
from netlift.estimators.uplift.randomization import average_effects

PARAMS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.15, "num_leaves": 8, "min_data_in_leaf": 200, "feature_fraction": 0.6,
    "lambda_l2": 10.0,
}  # fmt: skip
NOTE = "response knows who buys, not whom a contact changes: uplift is the offer's average scaled by relative response"


def fit_response(rows: ContactRows, *, search: Search, folds: int, machine: Machine) -> Candidate:
    """Fit the response model on contacted customers."""
    import lightgbm as lgb

    treated = rows.arm > 0
    X, buys = rows.X[treated], (rows.margin[treated] > 0).astype(np.float64)
    if min(buys.sum(), len(buys) - buys.sum()) < RAREST:
        return _averages(rows, f"{int(buys.sum()):,} of {len(buys):,} contacted customers brought a margin")
    held = assign_folds(rows.customer[treated], folds=folds, seed=machine.seed) == 0
    params = PARAMS | machine.settings() | {"max_bin": 63} | search.fixed
    grow = make_dataset(X[~held], rows.features, buys[~held], params=params)
    watch = make_dataset(X[held], rows.features, buys[held], params=params, watches=grow)
    stop = lgb.early_stopping(search.patience, verbose=False)
    rounds = lgb.train(params, grow, search.max_rounds, valid_sets=[watch], callbacks=[stop]).best_iteration
    fitted = lgb.train(params, make_dataset(X, rows.features, buys, params=params), rounds)
    mean_response = float(np.mean(fitted.predict(rows.X, num_threads=1)))
    effects = average_effects(rows)
    response = booster("response.txt", link="sigmoid")
    return Candidate(
        name="response",
        files=write_files(
            task="uplift",
            features=rows.features,
            outputs=[
                (f"uplift_{offer}", "currency", linear(0.0, [effect / mean_response], [response]))
                for offer, effect in zip(rows.offers, effects, strict=True)
            ],
            boosters={"response.txt": fitted.model_to_string()},
        ),
        params={"trees": rounds},
        notes=(NOTE,),
        importance=gain_shares(fitted, rows.features),
    )


def _averages(rows: ContactRows, why: str) -> Candidate:
    """Every offer worth its average to everybody."""
    outputs = [
        (f"uplift_{offer}", "currency", constant(effect))
        for offer, effect in zip(rows.offers, average_effects(rows), strict=True)
    ]
    return Candidate(
        name="response",
        files=write_files(task="uplift", features=rows.features, outputs=outputs, boosters={}),
        notes=(NOTE, f"{why}: each offer is worth its average"),
    )
