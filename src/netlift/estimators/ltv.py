"""What a customer will be worth: the candidates that answer with the margin of the horizon, returns netted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.definitions import Search
from netlift.errors import ConfigError, DataError
from netlift.estimators.boosting import (
    BINARY,
    GAMMA,
    BinnedRows,
    Machine,
    Objective,
    bin_rows,
    fit_rounds,
    gain_shares,
)
from netlift.estimators.calibration import Curve, calibrate_level
from netlift.estimators.cells import fit_cells
from netlift.estimators.cross_fit import OUTSIDE, draw_folds, predict_out_of_fold
from netlift.estimators.expression import Expression, booster, linear, product, write_files
from netlift.estimators.rows import Candidate, LabelledRows
from netlift.estimators.season import Season, learn_season
from netlift.estimators.tuning import Progress, Tuning, tune

if TYPE_CHECKING:
    import lightgbm as lgb

UNIT = "currency"
RECENCY = "days_since_last_purchase"
RFM = (RECENCY, "purchases_365d", "margin_365d")
RFM_CELLS = 5
RETURN_CELLS = 8


def fit_ltv(
    name: str,
    train: LabelledRows,
    calibration: LabelledRows,
    *,
    horizon_days: int,
    search: Search,
    seed: int,
    threads: int,
    progress: Progress,
) -> Candidate:
    """Fit one candidate for the margin of the horizon.

    `two_part` is P(margin > 0) times E(margin | margin > 0), each a LightGBM, its level and the season left over
    calibrated by cross-fitting, less the loss of those whose returns exceed their purchases, by cells of days since the
    last purchase. Settings are searched on `train`; everything else learns from both.

    Args:
        name: mean_by_rfm or two_part.
        train: Customers at cutoffs whose labels were whole at the calibration cutoff; y is margin, in currency.
        calibration: Customers at the newest cutoff before the test, or more.
        horizon_days: Days predicted; part of the output's name.
        search: How LightGBM is tuned, and the folds of cross-fitting.
        seed: Of folds, search and fits.
        threads: LightGBM threads.
        progress: Called with steps done, steps in all and the lowest loss so far.

    Raises:
        ConfigError: No candidate of that name.
        DataError: Nobody or everybody brought margin, fewer customers than folds, or a feature that the candidate
            needs is excluded.
    """
    rows = train.join(calibration)
    output = f"ltv_{horizon_days}d"
    if name == "mean_by_rfm":
        expression = fit_cells(rows, rows.y, RFM, cells=RFM_CELLS)
        files = write_files(task="ltv", features=rows.features, outputs=[(output, UNIT, expression)], boosters={})
        return Candidate(name=name, files=files, params={"cells": len(expression["values"])})
    if name == "two_part":
        buyers = int(np.count_nonzero(train.y > 0))
        if buyers in (0, len(train)):
            raise DataError(
                f"ltv: {buyers:,} of {len(train):,} rows at the fit cutoffs brought margin, both kinds are needed; "
                "change horizon_days or active_within_days"
            )
        learn = np.arange(len(rows)) < len(train)
        return _fit_two_part(rows, learn, output, search, Machine(seed=seed, threads=threads), progress)
    raise ConfigError(f"ltv has no candidate {name!r}; there are mean_by_rfm and two_part")


@dataclass(frozen=True, kw_only=True)
class _Part:
    """One of the two fits: what it is of, and from which rows it may learn."""

    name: str
    objective: Objective
    y: np.ndarray
    learn: np.ndarray

    @property
    def expression(self) -> Expression:
        """Its expected label, stored."""
        return booster(f"{self.name}.txt", link=self.objective.link)

    def fit(self, binned: BinnedRows, tuning: Tuning) -> lgb.Booster:
        """Fit on all rows it may learn from."""
        rows = np.flatnonzero(self.learn)
        rounds = tuning.rounds_for(len(rows))
        return fit_rounds(binned.select(rows, self.y), self.objective, tuning.params, binned.machine, rounds=rounds)

    def predict_out_of_fold(self, binned: BinnedRows, tuning: Tuning, fold: np.ndarray) -> np.ndarray:
        """Its expected label for every row, from a fit on the other folds; NaN outside the folds, shape (n,)."""
        folds = int(fold.max()) + 1
        seen = round(np.count_nonzero(self.learn & (fold != OUTSIDE)) * (1 - 1 / folds))
        rounds = tuning.rounds_for(seen)
        return predict_out_of_fold(binned, self.y, self.learn, fold, self.objective, tuning.params, rounds=rounds)


def _fit_two_part(
    rows: LabelledRows, searched: np.ndarray, output: str, search: Search, machine: Machine, progress: Progress
) -> Candidate:
    binned = bin_rows(rows, machine)
    bought, everyone = rows.y > 0, np.ones(len(rows), dtype=bool)
    parts = (
        _Part(name="chance", objective=BINARY, y=bought.astype(np.float64), learn=everyone),
        _Part(name="amount", objective=GAMMA, y=rows.y, learn=bought),
    )
    tunings = _tune_parts(parts, binned, searched, rows.customer, search, progress)
    curve, season = _calibrate(parts, tunings, binned, rows, folds=search.folds)
    finals = [part.fit(binned, tuning) for part, tuning in zip(parts, tunings, strict=True)]
    value = season.on(curve.on(product([part.expression for part in parts])))
    expression, returns = _subtract_returns(value, rows)
    shares = [gain_shares(final, rows.features) for final in finals]
    notes = dict.fromkeys(note for tuning in tunings for note in tuning.notes)
    return Candidate(
        name="two_part",
        files=write_files(
            task="ltv",
            features=rows.features,
            outputs=[(output, UNIT, expression)],
            boosters={f"{part.name}.txt": final.model_to_string() for part, final in zip(parts, finals, strict=True)},
        ),
        params=tunings[0].record("chance.") | tunings[1].record("amount."),
        notes=(*notes, f"calibration: {curve.method}", season.note, returns),
        importance={feature.name: max(share[feature.name] for share in shares) for feature in rows.features},
    )


def _tune_parts(
    parts: Sequence[_Part],
    binned: BinnedRows,
    searched: np.ndarray,
    customer: np.ndarray,
    search: Search,
    progress: Progress,
) -> list[Tuning]:
    tunings: list[Tuning] = []
    for part in parts:

        def tell(done: int, total: int, best: float, before: int = len(tunings)) -> None:
            progress(before * total + done, len(parts) * total, best)

        learn = part.learn & searched
        tunings.append(tune(binned, part.y, learn, customer, part.objective, search, progress=tell))
    return tunings


def _calibrate(
    parts: Sequence[_Part], tunings: Sequence[Tuning], binned: BinnedRows, rows: LabelledRows, *, folds: int
) -> tuple[Curve, Season]:
    """The level of chance times amount against what came in, returns aside, over all and by the calendar."""
    fold = draw_folds(rows.customer, folds=folds, seed=binned.machine.seed)
    inside = fold != OUTSIDE
    predicted = np.prod(
        [part.predict_out_of_fold(binned, tuning, fold) for part, tuning in zip(parts, tunings, strict=True)], axis=0
    )
    sample, predicted = rows.take(inside), predicted[inside]
    came_in = np.maximum(sample.y, 0.0)
    curve = calibrate_level(came_in, predicted, sample.customer)
    return curve, learn_season(sample, came_in, curve.apply(predicted))


def _subtract_returns(value: Expression, rows: LabelledRows) -> tuple[Expression, str]:
    """Net of what those lose us whose returns exceed their purchases; says in words how much that is."""
    loss = np.maximum(-rows.y, 0.0)
    lost = loss.sum()
    if lost == 0:
        return value, "no customer's margin was below zero"
    share = lost / np.maximum(rows.y, 0.0).sum()
    note = (
        f"{np.count_nonzero(loss):,} of {len(rows):,} rows had margin below zero, together {share:.2%} of the margin "
        f"above zero; subtracted by cells of {RECENCY}"
    )
    return linear(0.0, [1.0, -1.0], [value, fit_cells(rows, loss, [RECENCY], cells=RETURN_CELLS)]), note
