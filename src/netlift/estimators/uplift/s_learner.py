"""S-learner over LightGBM: one margin model on features and arm.

    margin_a(x) = exp(trees(x, flags of arm a))          Tweedie loss, all arms together
    uplift_a    = k0_a + k1_a · margin_a - k0_0 - k1_0 · margin_0

How many trees are grown decides what it says of effects: by the loss of outcomes it would stop before it has looked at
the arm, because who buys anyway is by far the larger part. The number of trees is therefore the one whose effects lie
nearest to the doubly robust scores, out of fold (`effect_search.effect_loss`).

References:
    Künzel, Sekhon, Bickel, Yu (2019), Metalearners for Estimating Heterogeneous Treatment Effects, PNAS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from netlift.estimators.expression import booster
from netlift.estimators.rows import ContactRows
from netlift.estimators.uplift.arm_outcomes import (
    MoneyContacts,
    NuisanceEstimates,
    contrast_lines,
    margin_levels,
    profit_lines,
)
from netlift.estimators.uplift.lightgbm_folds import BinnedTask, LightgbmParams, LightgbmTask, grow_on_all
from netlift.estimators.uplift.linear_terms import LearnedTerms, StoredTerms
from netlift.estimators.uplift.model_selection import effect_loss
from netlift.features.matrix import Feature

SINGLE: LightgbmParams = {
    "learning_rate": 0.2, "num_leaves": 8, "min_data_in_leaf": 200, "feature_fraction": 1.0, "lambda_l2": 10.0,
}  # fmt: skip
CHECKPOINTS = (15, 30, 60)  # trees at which effects are looked at
FILE = "outcome.txt"


@dataclass(frozen=True, kw_only=True)
class _Try:
    """Margins expected under every arm, out of fold, after so many trees of a setting, and the loss of its effects."""

    setting: LightgbmParams
    rounds: int
    margin: np.ndarray
    lines: np.ndarray
    loss: float


def prepare_single(known: NuisanceEstimates) -> Callable[[Sequence[LightgbmParams]], LearnedTerms]:
    """The S-learner, a function of settings: the margin expected under each arm, by one model.

    Args:
        known: What learners start from; of it rows, folds, seasons and scores are taken.
    """
    rows, machine = known.boosting.rows, known.boosting.machine
    boosting = MoneyContacts(with_flags(rows), machine, known.boosting.fixed, floor=known.boosting.floor)
    level, _ = margin_levels(boosting)
    task = boosting.margin_task(np.ones(len(rows), dtype=bool), level + known.season)
    binned = BinnedTask(boosting, task, known.fold)

    def learn(settings: Sequence[LightgbmParams]) -> LearnedTerms:
        tries = [found for setting in settings for found in _try(known, binned, level, setting)]
        best = min(tries, key=lambda found: found.loss)
        return LearnedTerms(
            terms=best.margin,
            coefficients=contrast_lines(best.lines),
            refit=lambda _: _refit(boosting, task, level, best),
            params={"trees": best.rounds},
        )

    return learn


def _refit(boosting: MoneyContacts, task: LightgbmTask, level: float, best: _Try) -> StoredTerms:
    fitted = grow_on_all(boosting, task, best.setting, best.rounds)
    flags = _flags(len(boosting.rows.offers))
    expressions = [booster(FILE, link="exp", append=own.tolist(), init=level) for own in flags]
    return StoredTerms(expressions=expressions, boosters={FILE: fitted})


def with_flags(rows: ContactRows) -> ContactRows:
    """The rows with a column per offer behind the features: 1 where it was drawn."""
    flags = _flags(len(rows.offers))[rows.arm].astype(np.float32)
    columns = tuple(
        Feature(name=f"arm_{offer}", unit="ratio", source="contacts", formula="drawn") for offer in rows.offers
    )
    return replace(rows, X=np.asfortranarray(np.column_stack([rows.X, flags])), features=(*rows.features, *columns))


def _flags(offers: int) -> np.ndarray:
    """Flags of every arm, shape (m + 1, m)."""
    return np.eye(offers + 1)[:, 1:]


def _try(known: NuisanceEstimates, binned: BinnedTask, level: float, setting: LightgbmParams) -> list[_Try]:
    """What a setting says after so many trees."""
    rows, offers = known.boosting.rows, len(known.boosting.rows.offers)
    score = np.zeros((len(CHECKPOINTS), len(rows), offers + 1))
    if not binned.teaches:
        return [_judge(known, setting, 1, np.full(score.shape[1:], np.exp(level)))]
    for k, grown in enumerate(binned.boosters(setting)):
        for _ in range(CHECKPOINTS[-1]):
            grown.update()
        own = known.fold == k
        for j, flags in enumerate(_flags(offers)):
            wide = np.column_stack([rows.X[own], np.tile(flags.astype(np.float32), (int(own.sum()), 1))])
            score[:, own, j] = _scores_at_checkpoints(grown, wide)
    margins = np.exp(level + score)
    return [_judge(known, setting, rounds, margin) for rounds, margin in zip(CHECKPOINTS, margins, strict=True)]


def _scores_at_checkpoints(grown: Any, X: np.ndarray) -> np.ndarray:
    """Raw scores after each number of trees, shape (checkpoints, n)."""
    starts = (0, *CHECKPOINTS[:-1])
    parts = [
        grown.predict(X, raw_score=True, start_iteration=start, num_iteration=end - start, num_threads=1)
        for start, end in zip(starts, CHECKPOINTS, strict=True)
    ]
    return np.cumsum(parts, axis=0)


def _judge(known: NuisanceEstimates, setting: LightgbmParams, rounds: int, margin: np.ndarray) -> _Try:
    lines = profit_lines(known.boosting, margin * np.exp(known.season)[:, None])
    coefficients = contrast_lines(lines)
    uplift = coefficients[0] + margin @ coefficients[1:]
    loss = float(effect_loss(uplift, known.scores).mean())
    return _Try(setting=setting, rounds=rounds, margin=margin, lines=lines, loss=loss)
