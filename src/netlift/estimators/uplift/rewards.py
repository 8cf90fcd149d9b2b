"""Predicted reward cost of a contact, sure buyers included.

A percentage is paid on what the customer spends, and the customers that a policy likes are not the average ones, so a
mean over past contacts understates what a list will cost. For each offer that ever paid a reward

    reward_a(x) = E(reward | x, offer a)      boosted trees, Tweedie loss of power 1.3, zeros for who redeemed nothing

is learned from the contacts that drew the offer, stopped early on a fold of customers, and scaled so that it adds up to
what these contacts paid. Offers that too few redeemed are worth their mean. It becomes an output of the uplift model,
`reward_<offer>`, in currency a contact.

References:
    Jørgensen (1997), The Theory of Dispersion Models: the Tweedie family, of which sums of gamma variables in a random
    number are the members of power 1 to 2.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from netlift.estimators.boosting.lightgbm import Machine, make_dataset
from netlift.estimators.cross_fit import assign_folds
from netlift.estimators.expression import Expression, booster, constant
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import Candidate, ContactRows

POWER = 1.3  # nearer to a count of purchases than to one amount
PARAMS = {
    "objective": "tweedie", "tweedie_variance_power": POWER, "learning_rate": 0.1, "num_leaves": 8,
    "min_data_in_leaf": 100, "feature_fraction": 0.9, "lambda_l2": 1.0,
}  # fmt: skip
MOST_ROUNDS, PATIENCE = 200, 15
FEWEST_REDEEMERS = 100  # below it an offer's reward is its mean
FOLDS = 5


def add_rewards(candidate: Candidate, rows: ContactRows, *, machine: Machine) -> Candidate:
    """The candidate with an output `reward_<offer>` for every offer that paid rewards; as it is where none did.

    Args:
        candidate: An uplift model; its own outputs are not touched.
        rows: The rows that it learned from.
        machine: Seed of folds and trees, and how many fits may run side by side.
    """
    if rows.reward is None or not candidate.storable:
        return candidate
    paid = [j for j in range(len(rows.offers)) if np.any(rows.reward[rows.arm == j + 1])]
    jobs = [partial(_fit_offer, rows.take(rows.arm == j + 1), rows.reward[rows.arm == j + 1], j, machine) for j in paid]
    fits = run_side_by_side(jobs, threads=machine.threads)
    spec: dict[str, Any] = json.loads(candidate.files["model.json"])
    unit = spec["outputs"][0]["unit"]
    files, notes = dict(candidate.files), []
    for j, (expression, text, note) in zip(paid, fits, strict=True):
        offer = rows.offers[j]
        spec["outputs"].append({"name": f"reward_{offer}", "unit": unit, "expression": expression})
        if text:
            files[_file(j)] = text.encode()
        if note:
            notes.append(f"reward of {offer}: {note}")
    files["model.json"] = json.dumps(spec, ensure_ascii=False, indent=1).encode()
    return replace(candidate, files=files, notes=(*candidate.notes, *notes))


def _file(offer: int) -> str:
    return f"reward_{offer + 1}.txt"


def _fit_offer(rows: ContactRows, reward: np.ndarray, offer: int, machine: Machine) -> tuple[Expression, str, str]:
    """Expression, booster text and what a reader must know, the last two empty where there is nothing."""
    import lightgbm as lgb

    mean, redeemers = float(reward.mean()), int((reward > 0).sum())
    if redeemers < FEWEST_REDEEMERS or reward.min() < 0:
        why = "some are negative" if reward.min() < 0 else f"only {redeemers} of {len(reward):,} redeemed it"
        return constant(mean), "", f"{why}, its mean of {mean:.4g} is taken for everybody"
    X, fold = rows.X, assign_folds(rows.customer, folds=FOLDS, seed=machine.seed)
    params = PARAMS | machine.settings()
    learned, watched = fold != 0, fold == 0
    grow = make_dataset(X[learned], rows.features, reward[learned], params=params)
    watch = make_dataset(X[watched], rows.features, reward[watched], params=params, watches=grow)
    stop = lgb.early_stopping(PATIENCE, verbose=False)
    rounds = lgb.train(params, grow, MOST_ROUNDS, valid_sets=[watch], callbacks=[stop]).best_iteration
    fitted = lgb.train(params, make_dataset(X, rows.features, reward, params=params), max(1, rounds))
    expected = np.exp(fitted.predict(X, raw_score=True, num_threads=1))
    return booster(_file(offer), link="exp", init=float(np.log(mean / expected.mean()))), fitted.model_to_string(), ""


__all__ = ["add_rewards"]
