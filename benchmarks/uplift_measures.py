"""How good predicted profit per offer is, against the truth of a world."""

from __future__ import annotations

import numpy as np

SCALE = 100.0


def measure_policy(uplift: np.ndarray, profit: np.ndarray) -> dict[str, float]:
    """Figures of the policy that gives each customer the offer of the best positive prediction.

    Args:
        uplift: Predicted profit that each offer adds, shape (n, m), in currency.
        profit: True expected profit under every arm, shape (n, m + 1), control first.

    Returns:
        `share_of_oracle`, in percent: true profit above contacting nobody, over the same of who knows the truth.
        `best_constant_share`, in percent: the same of the best single arm, known with hindsight.
        `rank_correlation`: Spearman's, of predicted and true effect, mean over offers; 0 for one number for all.
        `calibration_slope`: of the true effect on the predicted, offers together; 1 is calibrated.
        `promised_share`, in percent: profit that the policy promises itself, over the same; calibrated predictions
        promise what they bring.
        `contacted`: Share of customers contacted.

    Examples:
        >>> truth = np.array([[0.0, 1.0], [0.0, -1.0], [0.0, 3.0]])
        >>> found = measure_policy(np.array([[1.0], [1.0], [3.0]]), truth)
        >>> found["share_of_oracle"], found["best_constant_share"], round(found["promised_share"], 2)
        (75.0, 75.0, 125.0)
    """
    at, effect = np.arange(len(profit)), profit[:, 1:] - profit[:, :1]
    chosen = np.argmax(np.column_stack([np.zeros(len(uplift)), uplift]), axis=1)
    earned = float(np.mean(profit[at, chosen] - profit[:, 0]))
    most = float(np.mean(profit.max(axis=1) - profit[:, 0]))
    promised = float(np.mean(np.maximum(uplift.max(axis=1), 0.0)))
    constant = max(0.0, float(effect.mean(axis=0).max()))
    return {
        "share_of_oracle": SCALE * earned / most,
        "best_constant_share": SCALE * constant / most,
        "rank_correlation": float(np.mean([rank_correlation(u, t) for u, t in zip(uplift.T, effect.T, strict=True)])),
        "calibration_slope": slope(uplift, effect),
        "promised_share": SCALE * promised / most,
        "contacted": float(np.mean(chosen > 0)),
    }


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's, ties at their middle; 0 where either is one number."""
    from scipy.stats import rankdata

    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])


def slope(predicted: np.ndarray, true: np.ndarray) -> float:
    """Least-squares slope within offers; not a number where predictions do not differ within any."""
    centred = predicted - predicted.mean(axis=0)
    spread = float(np.sum(centred**2))
    return float(np.sum(centred * true)) / spread if np.ptp(predicted, axis=0).any() else float("nan")
