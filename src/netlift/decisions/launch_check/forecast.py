"""Calibration of predicted profit on held-out contacts, applied to today's forecast.

A model's highest predictions are high by merit and by luck, so their mean overstates what they earn (the winner's
curse). A line of held-out effects on predictions takes that off. There are three grades of it:

`policy`: a line over the contacts of past campaigns that this very policy would choose, at the prices of this run
(`policy_proof.py`), moved for each offer by what is known of the offer; the total has the error of the lines, by how
much campaigns differ, and what customers do by chance. Contacts drawn by lot have a line of their own, over what such a
lot would give (`evaluation/drawn_worth.py`): nobody chose them for their predictions, so the luck of a choice must not
be taken off them, and many of their predictions lie where the policy's line has no rows. Where too few rows would be
drawn, the policy's lines serve for both.

`tenths`: where the training kept no rows, or too few of them would be contacted. The run of the training keeps the
mean prediction and the doubly robust mean effect of tenths of held-out contacts, by the offer that the model likes
best, whatever it costs or is short of. The line

    effect = a + b · predicted,    by least squares over the tenths, each weighted by its contacts

gives the held-out mean exactly where everybody is taken. Its error is that of the tenths' means. What customers do by
chance is not in it, so realised profit may well lie outside.

`promise`: where there are no tenths either. The model's word stands, without an interval.

Whatever the grade, what the policy chose of an offer is never forecast above the sum of its predictions: luck in a
choice makes predictions too high, never too low.

No line says anything of the value beyond the outcome window or of costs that have changed since: these are taken over
from the config as they stand.

References:
    Smith, Winkler (2006), The Optimizer's Curse, Management Science 52(3).
    Chernozhukov, Demirer, Duflo, Fernández-Val (2018), Generic Machine Learning Inference on Heterogeneous Treatment
    Effects, section 3.1: the best linear predictor.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.decisions.launch_check.replay import PolicyProof
from netlift.decisions.launch_check.result import Basis
from netlift.evaluation.policy.forecast_lines import Lines
from netlift.registry.champions import Champion
from netlift.registry.models import describe
from netlift.registry.store import open_business
from netlift.results import Estimate

DECILES = "uplift_by_decile.json"
FEWEST_TENTHS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """The lines of held-out effects on predictions: of what the policy chooses, and of what is drawn by lot.

    Attributes:
        lines: A group for each option of what the policy chooses, or one for all of them, and last what a lot draws.
        basis: What they rest on.
        rows: Held-out contacts behind the policy's; 0 where there are none and the lines are the identity.
        method: How they came about, in words.
    """

    lines: Lines
    basis: Basis
    rows: int
    method: str

    @property
    def digest(self) -> str:
        """The sha256 of all that a forecast takes from it."""
        lines = [np.asarray(getattr(self.lines, part.name)).tolist() for part in fields(self.lines)]
        return hashlib.sha256(json.dumps([self.basis, self.rows, lines]).encode()).hexdigest()

    def group(self, option: np.ndarray, explored: np.ndarray) -> np.ndarray:
        """Group of contacts in the lines, shape (k,).

        Args:
            option: Position of the option that each is given; below 0, none, is in no group that counts, shape (k,).
            explored: Which of them a lot gave, bool, shape (k,).
        """
        last = len(self.lines.coefficients) - 1
        return np.where(explored, last, np.clip(option, 0, last - 1))

    def total(self, predicted: np.ndarray, group: np.ndarray, beside: float, *, unit: str) -> Estimate:
        """What contacts are expected to earn in all.

        Args:
            predicted: Their predictions, shape (k,).
            group: As `group` gives it, shape (k,).
            beside: Currency that is added as it stands, such as costs that have changed since.
            unit: Of the total.
        """
        return self.lines.total(predicted, group, unit=unit, method=self.method, beside=beside)


def make_evidence(
    *, intercept: float, slope: float, covariance: np.ndarray, level: float, basis: Basis, rows: int, method: str
) -> Evidence:
    """One line for all contacts; it raises no promise of what the policy chooses."""
    lines = Lines(
        coefficients=np.array([[intercept, slope]] * 2),
        covariance=np.tile(covariance, (2, 2)),
        own_noise=np.zeros(2),
        level=level,
        chosen=np.array([True, False]),
    )
    return Evidence(lines=lines, basis=basis, rows=rows, method=method)


NOTHING = make_evidence(
    intercept=0.0,
    slope=1.0,
    covariance=np.full((2, 2), np.nan),
    level=0.95,
    basis="promise",
    rows=0,
    method="the model's own word",
)


def evidence_of(proof: PolicyProof | None) -> Evidence | None:
    """The lines of a proof; None where there is none, or the policy contacts too few held-out rows for a line."""
    if proof is None or proof.worth is None:
        return None
    worth, drawn = proof.worth, proof.drawn or proof.worth
    by_option = worth.gains_by_arm(proof.arms.tolist())
    lines = Lines.of([*by_option, drawn.line], level=worth.logged.level, chosen=[*(True for _ in by_option), False])
    method = f"lines of DR effects on predictions over {worth.contacts:,} held-out contacts"
    return Evidence(lines=lines, basis="policy", rows=worth.contacts, method=method)


def read_evidence(settings: BusinessSettings, champion: Champion) -> Evidence:
    """What the champion's training run found on held-out contacts; `NOTHING` where it kept no tenths."""
    store = open_business(settings)
    run_id = describe(store, champion.task, champion.version).run_id
    path = store.artifacts / run_id / "artifacts" / "tables" / DECILES
    try:
        rows = json.loads(path.read_text())["rows"]
    except (OSError, ValueError, KeyError):
        return NOTHING
    return fit_line(rows)


def fit_line(tenths: Sequence[Mapping[str, Any]]) -> Evidence:
    """The line through tenths: rows, predicted, observed with its interval.

    Examples:
        >>> tenths = [{"rows": 100, "predicted": x, "observed": {"point": 0.5 * x, "ci_lower": 0.5 * x - 2,
        ...            "ci_upper": 0.5 * x + 2, "level": 0.95}} for x in (10.0, 20.0, 60.0)]
        >>> evidence = fit_line(tenths)
        >>> evidence.lines.correct(np.array([10.0, 50.0]), np.zeros(2, dtype=np.int64)).round(6), evidence.rows
        (array([ 5., 25.]), 300)
    """
    from scipy.special import ndtri

    if len(tenths) < FEWEST_TENTHS:
        return NOTHING
    weight = np.array([row["rows"] for row in tenths], dtype=np.float64)
    x = np.array([row["predicted"] for row in tenths], dtype=np.float64)
    observed = [row["observed"] for row in tenths]
    y = np.array([one["point"] for one in observed], dtype=np.float64)
    level = float(observed[0]["level"])
    width = np.array([one["ci_upper"] - one["ci_lower"] for one in observed], dtype=np.float64)
    error = width / (2 * ndtri(0.5 + level / 2))
    if not np.isfinite(np.concatenate([x, y, error])).all():
        return NOTHING
    rows = int(weight.sum())
    weight = weight / weight.sum()
    if np.ptp(x) <= 1e-9 * max(1.0, float(np.abs(x).max())):  # one prediction for all: only its level can be held
        intercept, slope = float(weight @ (y - x)), 1.0
        covariance = np.array([[float(weight**2 @ error**2), 0.0], [0.0, 0.0]])
    else:
        A = np.column_stack([np.ones(len(x)), x])
        solve = np.linalg.inv(A.T @ (weight[:, None] * A)) @ (A.T * weight)
        intercept, slope = map(float, solve @ y)
        covariance = (solve * error**2) @ solve.T
    return make_evidence(
        intercept=intercept,
        slope=slope,
        covariance=covariance,
        level=level,
        basis="tenths",
        rows=rows,
        method=f"line through tenths of {rows:,} held-out contacts",
    )


__all__ = ["NOTHING", "Evidence", "evidence_of", "fit_line", "make_evidence", "read_evidence"]
