"""Calibration of predicted uplift, with a fallback to average effects.

What decides is not an offer's uplift over control but the contrast between the best single arm and its rivals. With B
the best single arm by doubly robust scores Γ (control if every offer loses) and τ the out-of-fold uplift (0 for
control):

    b(B, a)   slope of Γ_B - Γ_a on τ_B - τ_a, with its standard error se, customers clustered
    s(B, a)   (b / se² + 1 / t²) / (1 / se² + 1 / t²) within [0, 2], t = 1/2
    uplift_a  mean effect of a + s(B, 0) · (τ_B - mean) - s(B, a) · (τ_B - τ_a - mean)

s is the posterior mean of the slope: the parts of τ were shrunk before, so that 1 is expected, give or take t. An offer
that no campaign had beside B is compared with control instead.

Before that each offer's order of customers is checked: the slope of Γ_a - Γ_0 on the rank of τ_a, out of fold, is Qini
but for a factor. An order that is no better than chance tells nothing or is upside down: the offer is worth its mean,
and no other offer is told by it.

Then the policy that takes the best uplift is valued out of fold against the best single arm. Where it loses more than
a standard error, each offer is worth its average and the policy is the best single arm. Whether there is a gain is for
the gate to say: of policies that truly gain a standard error one in six seems to lose by chance, and a
learner that gave them up would hide from the gate what it, on more rows, can prove.

References:
    Chernozhukov, Demirer, Duflo, Fernández-Val (2018), Generic Machine Learning Inference on Heterogeneous Treatment
    Effects, section 3.1: the slope. Efron, Morris (1973), Stein's Estimation Rule and its Competitors, JASA.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from netlift.estimators.uplift.relative_effects import clustered_slope, shrink

PRIOR_SLOPE = 1.0
PRIOR_ERROR = 0.5
MAX_SLOPE = 2.0
HARMFUL = 1.0  # standard errors by which choosing by customer must lose to be given up
CHANCE = 0.0  # standard errors by which an order of customers must be better than chance


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A linear map from raw to calibrated uplift: intercept + weights @ raw.

    Attributes:
        intercept: Shape (m,), in currency.
        weights: Shape (m, m); all zero where every offer is worth its average.
        notes: What was found, in words.
    """

    intercept: np.ndarray
    weights: np.ndarray
    notes: tuple[str, ...]

    def apply(self, raw: np.ndarray) -> np.ndarray:
        """Calibrated uplift, shape (n, m)."""
        return np.asarray(raw @ self.weights.T + self.intercept)


def effect_scores(
    *, y: np.ndarray, arm: np.ndarray, propensity: np.ndarray, available: np.ndarray, mu: np.ndarray
) -> np.ndarray:
    """Doubly robust scores Γ_ia = mu_ia + 1{arm_i = a} / p_i · (y_i - mu_ia), NaN where the arm was not available.

    Args:
        y: Profit, shape (n,).
        arm: Drawn arm, shape (n,).
        propensity: Known chance of it, shape (n,).
        available: Which arms the campaign could draw, shape (n, m + 1).
        mu: Out-of-fold expected profit under each arm, shape (n, m + 1).
    """
    scores = np.where(available, mu, np.nan)
    rows = np.arange(len(y))
    scores[rows, arm] += (y - mu[rows, arm]) / propensity
    return scores


def calibrate(raw: np.ndarray, scores: np.ndarray, *, customer: np.ndarray, offers: tuple[str, ...]) -> Calibration:
    """Fit the map.

    Args:
        raw: Out-of-fold uplift over control, shape (n, m).
        scores: Doubly robust scores of the same rows, shape (n, m + 1).
        customer: Code of the customer, shape (n,).
        offers: Names of the m offers.
    """
    names = ("control", *offers)
    effects = np.array([np.nanmean(scores[:, j] - scores[:, 0]) for j in range(len(names))])
    best = int(np.argmax(effects))
    blind, told_blind = _no_better_than_chance(raw, scores, customer, offers)
    weights, found = _contrast_weights(np.where(blind, 0.0, raw), scores, best, customer, names)
    weights, found = np.where(blind | blind[:, None], 0.0, weights), [*told_blind, *found]
    seen = ~np.isnan(scores[:, 1:])
    centre = np.array([raw[seen[:, j]].mean(axis=0) @ weights[j] for j in range(len(offers))])
    fitted = Calibration(intercept=effects[1:] - centre, weights=weights, notes=())
    gain, error = _policy_gain(fitted.apply(raw), scores, effects, customer)
    told = (
        f"best single arm in training: {names[best]}, {effects[best]:.4g} per customer over control; choosing by "
        f"customer gains {gain:.4g} (se {error:.4g}) on it, out of fold"
    )
    if gain > -HARMFUL * error:
        return Calibration(intercept=fitted.intercept, weights=weights, notes=(told, *found))
    fallback = "not enough to tell customers apart: each offer is worth its average to everybody"
    return Calibration(intercept=effects[1:], weights=np.zeros_like(weights), notes=(f"{told}: {fallback}", *found))


def _contrast_weights(
    raw: np.ndarray, scores: np.ndarray, best: int, customer: np.ndarray, names: tuple[str, ...]
) -> tuple[np.ndarray, list[str]]:
    """Weights of the raw uplifts in the calibrated ones, shape (m, m), and the slopes in words."""
    tau = np.concatenate([np.zeros((len(raw), 1)), raw], axis=1)
    notes: list[str] = []

    def kept(one: int, other: int) -> float:
        gain = scores[:, one] - scores[:, other]
        seen = ~np.isnan(gain)
        predicted = (tau[:, one] - tau[:, other])[seen]
        slope, error = clustered_slope(predicted, gain[seen], np.ones(len(predicted)), customer[seen])
        posterior = posterior_slope(slope, error)
        notes.append(f"{names[one]} against {names[other]}: slope {slope:.2f} (se {error:.2f}), kept {posterior:.2f}")
        return posterior

    weights = np.zeros((len(names), len(names)))
    base = kept(best, 0) if best else 0.0
    for j in range(1, len(names)):
        if j == best:
            weights[j, j] = base
        elif best and bool(np.any(~np.isnan(scores[:, best] + scores[:, j]))):
            slope = kept(best, j)
            weights[j, best], weights[j, j] = base - slope, slope
        else:
            weights[j, j] = kept(j, 0)
    return weights[1:, 1:], notes


def _no_better_than_chance(
    raw: np.ndarray, scores: np.ndarray, customer: np.ndarray, offers: tuple[str, ...]
) -> tuple[np.ndarray, list[str]]:
    """Offers whose order of customers is no better than chance, bool, shape (m,), and the same in words."""
    blind, notes = np.zeros(len(offers), dtype=bool), []
    for j, offer in enumerate(offers):
        effect = scores[:, j + 1] - scores[:, 0]
        seen = ~np.isnan(effect)
        rank = rankdata(raw[seen, j]) / seen.sum()
        slope, error = clustered_slope(rank, effect[seen], np.ones(len(rank)), customer[seen])
        blind[j] = error > 0 and slope <= CHANCE * error
        if blind[j]:
            notes.append(
                f"{offer}: its order of customers is no better than chance (slope on the rank {slope:.4g}, se "
                f"{error:.4g}): it is worth its mean to everybody"
            )
    return blind, notes


def posterior_slope(slope: float, error: float) -> float:
    """Posterior mean of a slope within [0, `MAX_SLOPE`]; 0 for a contrast that is one number for all.

    Examples:
        >>> posterior_slope(0.0, 0.5), posterior_slope(1.0, 0.1), posterior_slope(-1.0, 0.01), posterior_slope(0.0, 0.0)
        (0.5, 1.0, 0.0, 0.0)
    """
    if error <= 0:
        return 0.0
    data, prior = 1.0 / error**2, 1.0 / PRIOR_ERROR**2
    return float(np.clip((slope * data + PRIOR_SLOPE * prior) / (data + prior), 0.0, MAX_SLOPE))


def _policy_gain(
    uplift: np.ndarray, scores: np.ndarray, effects: np.ndarray, customer: np.ndarray
) -> tuple[float, float]:
    """Gain per row of the best uplift over the best single arm on offer, and its standard error."""
    offered = ~np.isnan(scores)
    rows = np.arange(len(scores))
    none = np.zeros((len(uplift), 1))
    chosen = np.argmax(np.where(offered, np.concatenate([none, uplift], axis=1), -np.inf), axis=1)
    single = np.argmax(np.where(offered, effects, -np.inf), axis=1)
    gains = scores[rows, chosen] - scores[rows, single]
    _, code = np.unique(customer, return_inverse=True)
    sums = np.bincount(code, weights=gains - gains.mean())
    return float(gains.mean()), float(np.sqrt(np.sum(sums**2)) / len(gains))


SAFE = 0.5


def keep_ranking(
    raw: np.ndarray, scores: np.ndarray, found: Calibration, *, customer: np.ndarray, available: np.ndarray
) -> Calibration:
    """The ranking in place of one number for all; what was found stays where it already tells customers apart.

    Args:
        raw: Out-of-fold uplift over control, shape (n, m).
        scores: Doubly robust scores of the same rows, shape (n, m + 1).
        found: By `calibrate`.
        customer: Code of the customer, shape (n,).
        available: Which arms the row's campaign could draw, shape (n, m + 1).
    """
    if np.any(found.weights):
        return found
    slopes = np.zeros(raw.shape[1])
    for j in range(raw.shape[1]):
        seen = available[:, j + 1]
        effect = scores[seen, j + 1] - scores[seen, 0]
        slopes[j] = shrink(*clustered_slope(raw[seen, j], effect, np.ones(len(effect)), customer[seen]))
    centre = raw.mean(axis=0)
    share = SAFE * _largest_share((raw - centre) * slopes, found.intercept)
    if not share * slopes.max(initial=0.0) > 0:
        return found
    weights = share * slopes
    note = f"customers keep their order at {share:.2g} of the differences learned, too little to change the best arm"
    return Calibration(
        intercept=found.intercept - weights * centre, weights=np.diag(weights), notes=(*found.notes, note)
    )


def _largest_share(differences: np.ndarray, effects: np.ndarray) -> float:
    """The largest share, at most 1, of the differences (n, m) with which the best of the effects stays the best.

    Examples:
        >>> _largest_share(np.array([[0.5, 1.0], [0.0, -9.0]]), np.array([1.0, 0.8])).__round__(3)
        0.4
    """
    means = np.concatenate([[0.0], effects])
    own = np.column_stack([np.zeros(len(differences)), differences])
    best = int(np.argmax(means))
    gains = (own - own[:, [best]]).max(axis=0)
    gaps = means[best] - means
    rivals = (gains > 0) & (np.arange(len(means)) != best)
    return float(np.min(gaps[rivals] / gains[rivals], initial=1.0))
