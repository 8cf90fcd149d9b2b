"""Boosted value models: each part tuned, fitted and predicted out of fold.

`two_part` is P(margin > 0) times E(margin | margin > 0); `tweedie` and `ziln` are one model of both; a stack is one of
them with what the probability models say as further columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.definitions import Search
from netlift.estimators.boosting.lightgbm import (
    BINARY,
    GAMMA,
    TWEEDIE,
    BoostingRows,
    Machine,
    Objective,
    boosting_rows,
    gain_shares,
)
from netlift.estimators.boosting.tuning import Progress, Tuning, tune
from netlift.estimators.calibration import Curve, calibrate_probabilities
from netlift.estimators.cross_fit import expect_inside, fit_and_score_out_of_fold, rows_learnt_from
from netlift.estimators.expression import Expression, booster, product
from netlift.estimators.parallel import run_side_by_side
from netlift.estimators.rows import LabelledRows
from netlift.estimators.value.ziln import ZILN, fit_ziln

if TYPE_CHECKING:
    import lightgbm as lgb

Tunings = dict[str, Tuning]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One of the fits of a value: what it is of, and from which rows it may learn.

    Attributes:
        name: Its name, of the stored file too.
        objective: What is minimised.
        y: Label, shape (n,).
        learn: Rows that it may learn from, bool, shape (n,).
    """

    name: str
    objective: Objective
    y: np.ndarray
    learn: np.ndarray

    @property
    def file(self) -> str:
        """The stored booster's file."""
        return f"{self.name}.txt"

    def calibrate(self, expected: np.ndarray) -> Curve | None:
        """The curve from a chance out of fold, NaN outside the folds, to the share seen; None for money."""
        if self.objective is not BINARY:
            return None
        inside = ~np.isnan(expected)
        return calibrate_probabilities(self.y[inside], expected[inside])

    def fit(self, boosting: BoostingRows, tuning: Tuning, fold: np.ndarray) -> tuple[lgb.Booster, np.ndarray]:
        """Fit on all rows it may learn from; the expected label of every row without its fold, NaN outside, (n,)."""
        final, raw = fit_and_score_out_of_fold(
            boosting,
            self.y,
            self.learn,
            fold,
            self.objective,
            whole=tuning.growth_for(int(np.count_nonzero(self.learn))),
            by_fold=tuning.growth_for(rows_learnt_from(self.learn, fold)),
        )
        return final, expect_inside(raw, self.objective)


@dataclass(frozen=True, kw_only=True)
class BoostedValue:
    """A fitted value before its level is calibrated.

    Attributes:
        expression: Expected money that comes in, stored.
        boosters: File name to LightGBM text.
        out_of_fold: Expected money of each row by fits that did not see its customer, NaN outside the folds, (n,).
        importance: Share of gain by column, the larger of the parts'.
        notes: What a reader must know.
    """

    expression: Expression
    boosters: dict[str, str]
    out_of_fold: np.ndarray
    importance: dict[str, float]
    notes: tuple[str, ...] = ()


def value_parts(kind: str, y: np.ndarray) -> tuple[Part, ...]:
    """The parts of a value: `tweedie`, `ziln` or `two_part`; y is what came in, not negative, shape (n,)."""
    everyone = np.ones(len(y), dtype=bool)
    if kind == "ziln":
        return (Part(name="money", objective=ZILN, y=y, learn=everyone),)
    if kind == "tweedie":
        return (Part(name="money", objective=TWEEDIE, y=y, learn=everyone),)
    bought = y > 0
    return (
        Part(name="chance", objective=BINARY, y=bought.astype(np.float64), learn=everyone),
        Part(name="amount", objective=GAMMA, y=y, learn=bought),
    )


def tune_parts(
    kind: str, rows: LabelledRows, came_in: np.ndarray, *, search: Search, machine: Machine, progress: Progress
) -> Tunings:
    """Search the settings of every part on folds of the rows' customers."""
    boosting = boosting_rows(rows, machine)
    parts = value_parts(kind, came_in)
    ended: list[str] = []

    def search_settings(part: Part) -> Tuning:
        def tell(done: int, total: int, best: float) -> None:
            ended.append(part.name)
            progress(len(ended), len(parts) * total, best)

        return tune(boosting, part.y, part.learn, rows.customer, part.objective, search, progress=tell)

    found = run_side_by_side([partial(search_settings, part) for part in parts], threads=machine.threads)
    return {part.name: tuning for part, tuning in zip(parts, found, strict=True)}


def fit_parts(
    kind: str,
    rows: LabelledRows,
    came_in: np.ndarray,
    tunings: Tunings,
    *,
    fold: np.ndarray,
    machine: Machine,
    extra: Sequence[Expression] = (),
) -> BoostedValue:
    """Fit every part on all rows, and once per fold for predictions that did not see their customers.

    Args:
        kind: tweedie, ziln or two_part.
        rows: Rows to learn from, the extra columns behind the features.
        came_in: Money that came in, not negative, shape (n,).
        tunings: Settings by part.
        fold: Fold of each row, shape (n,).
        machine: Seed and threads.
        extra: Expressions of the extra columns.
    """
    boosting = boosting_rows(rows, machine)
    parts = value_parts(kind, came_in)
    if kind == "ziln":
        return _fit_ziln(parts[0], boosting, tunings, fold, extra)
    out_of_fold, stored, finals = np.ones(len(rows)), [], {}
    for part in parts:
        final, expected = part.fit(boosting, tunings[part.name], fold)
        expression = booster(part.file, link=part.objective.link, extra=extra)
        curve = part.calibrate(expected)
        out_of_fold *= expected if curve is None else curve.apply(expected)
        stored.append(expression if curve is None else curve.on(expression))
        finals[part.file] = final
    shares = [gain_shares(final, rows.features) for final in finals.values()]
    return BoostedValue(
        expression=stored[0] if len(stored) == 1 else product(stored),
        boosters={file: final.model_to_string() for file, final in finals.items()},
        out_of_fold=out_of_fold,
        importance={feature.name: max(share[feature.name] for share in shares) for feature in rows.features},
    )


def _fit_ziln(
    part: Part, boosting: BoostingRows, tunings: Tunings, fold: np.ndarray, extra: Sequence[Expression]
) -> BoostedValue:
    fitted = fit_ziln(boosting, part.y, tunings[part.name], fold=fold, file=part.file, extra=extra)
    return BoostedValue(
        expression=fitted.expression,
        boosters={part.file: fitted.booster_text},
        out_of_fold=fitted.out_of_fold,
        importance=gain_shares(fitted.booster, boosting.features),
        notes=fitted.notes,
    )
