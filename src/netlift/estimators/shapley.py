"""Shapley values of predicted uplift per feature, in money.

A customer's prediction tau(x) is split among the features so that, with z one of J background customers,

    tau(x) = base + sum over features f of share_f,        base = mean over z of tau(z)

exactly. Each share is the mean, over the z and over orders of the features, of how much tau changes when f goes from
z's value to x's after those before it in the order have gone. One order is walked per customer and z, every second one
backwards; steps on which a value does not change cost nothing. The stored form is asked, so that whatever it holds
(several boosters, products, links, calibration) is explained as it will be served. A feature that the model does not
use has no share.

It says what moves the prediction, not what moves the customer: features that go together lend each other their effect.

References:
    Štrumbelj, Kononenko (2014), Explaining Prediction Models and Individual Predictions with Feature Contributions,
    Knowledge and Information Systems 41: shares by walks. Lundberg, Lee (2017), A Unified Approach to Interpreting
    Model Predictions. Mitchell, Cooper, Frank, Holmes (2022), Sampling Permutations for Shapley Value Estimation, JMLR
    23: walks and their reverse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri
from scipy.stats import rankdata

from netlift.errors import UsageError
from netlift.estimators.stored import StoredModel
from netlift.features.matrix import Feature
from netlift.results import Estimate, Table

PREFIX = "uplift_"
BACKGROUND_DRAWS = 2000
MOST_CELLS = 8_000_000  # numbers held while walking, 4 bytes each


@dataclass(frozen=True, kw_only=True)
class EffectShares:
    """Predicted effects, split among features.

    Attributes:
        offers: The m offers.
        names: The k features.
        base: Mean effect of the background customers, shape (m,), in currency per customer.
        shares: What each feature adds to it, shape (n, m, k).
        predicted: Predicted effects, shape (n, m): base plus the sum of the shares.
    """

    offers: tuple[str, ...]
    names: tuple[str, ...]
    base: np.ndarray
    shares: np.ndarray
    predicted: np.ndarray


@dataclass(frozen=True, kw_only=True)
class EffectShareRow:
    """How much an offer's predicted effect depends on a feature.

    Attributes:
        offer: The offer.
        feature: The feature.
        money: Mean size of its share among customers, whatever its sign.
        part: The same, of all features' together.
        direction: Rank correlation of the feature's value and its share: above 0, larger values go with larger effects;
            None for a category and for a feature that is the same for all or has no share.
    """

    offer: str
    feature: str
    money: Estimate
    part: float
    direction: float | None


@dataclass(frozen=True, kw_only=True)
class ShapleyReason:
    """What one feature of a customer does to a choice.

    Attributes:
        feature: The feature.
        value: The customer's value, a category as its code; personal, never to be logged.
        money: What it adds to the first offer's effect over the second's.
    """

    feature: Feature
    value: float = field(repr=False)
    money: float


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Why one offer and not another, for one customer; personal, never to be logged.

    Attributes:
        offer: The offer.
        instead: What it is compared with; None for no contact.
        gain: Predicted effect of the first less that of the second, in currency.
        typical: The same for the background customers on average: gain = typical + all reasons + rest.
        reasons: The features that add or take most, largest first.
        rest: What all other features add.
    """

    offer: str
    instead: str | None
    gain: float
    typical: float
    reasons: tuple[ShapleyReason, ...]
    rest: float


def effects_of(model: StoredModel) -> tuple[str, ...]:
    """The offers whose effects a model predicts."""
    return tuple(name.removeprefix(PREFIX) for name in model.outputs if name.startswith(PREFIX))


def pick_background(model: StoredModel, X: np.ndarray, *, count: int, seed: int) -> np.ndarray:
    """Customers whose mean predicted effects are those of all: the best of many draws.

    Args:
        model: The model.
        X: Customers in the model's columns, shape (n, k).
        count: How many to pick; all where there are fewer.
        seed: Of the draws.

    Returns:
        Shape (count, k).
    """
    if len(X) <= count:
        return X
    predicted = _predict(model, X)
    spread = predicted.std(axis=0)
    relative = (predicted - predicted.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(X), size=(BACKGROUND_DRAWS, count))
    distance = np.square(relative[drawn].mean(axis=1)).sum(axis=1)
    return X[drawn[np.argmin(distance)]]


def share_effects(model: StoredModel, X: np.ndarray, background: np.ndarray, *, seed: int) -> EffectShares:
    """Split predicted effects among the features.

    Args:
        model: The model.
        X: Customers in the model's columns, shape (n, k).
        background: Customers they are compared with, shape (J, k); work and precision grow with J.
        seed: Of the orders.

    Raises:
        UsageError: No customers, no background, or a model without effects.
    """
    offers = effects_of(model)
    if not offers or len(X) == 0 or len(background) == 0:
        raise UsageError(
            f"effects of {len(offers)} offers cannot be split for {len(X)} customers against {len(background)} others; "
            "give an uplift model and at least one of each"
        )
    n, k = X.shape
    predicted, start = _predict(model, X), _predict(model, background)
    shares = np.zeros((n, len(offers), k))
    rng = np.random.default_rng(seed)
    rank = np.empty((n, k), dtype=np.int64)
    for j, z in enumerate(background):
        rank = k - 1 - rank if j % 2 else np.argsort(rng.random((n, k)), axis=1)
        size = max(1, MOST_CELLS // (k * k))
        for block in (slice(at, at + size) for at in range(0, n, size)):
            shares[block] += _walk(model, X[block], (z, start[j]), rank[block])
    return EffectShares(
        offers=offers,
        names=tuple(model.names),
        base=start.mean(axis=0),
        shares=shares / len(background),
        predicted=predicted,
    )


def summarise_shares(
    shares: EffectShares, X: np.ndarray, *, categories: Sequence[str], unit: str, level: float
) -> Table[EffectShareRow]:
    """How much each offer's effect depends on each feature, largest first within an offer.

    Args:
        shares: Split effects of customers drawn by chance.
        X: The same customers, shape (n, k).
        categories: Features whose values stand in no order.
        unit: Unit of an effect, such as "RUB/customer".
        level: Confidence of the intervals.
    """
    size = np.abs(shares.shares)
    mean, total = size.mean(axis=0), size.mean(axis=0).sum(axis=1)
    half = float(ndtri(0.5 + level / 2)) * size.std(axis=0, ddof=1 if len(X) > 1 else 0) / np.sqrt(len(X))
    rows = []
    for j, offer in enumerate(shares.offers):
        for f in np.argsort(-mean[j], kind="stable"):
            name = shares.names[f]
            money = Estimate(
                point=float(mean[j, f]),
                ci_lower=float(max(0.0, mean[j, f] - half[j, f])),
                ci_upper=float(mean[j, f] + half[j, f]),
                level=level,
                unit=unit,
                method=f"mean size of the Shapley value among {len(X):,} customers",
            )
            direction = None if name in categories else _direction(X[:, f], shares.shares[:, j, f])
            part = float(mean[j, f] / total[j]) if total[j] > 0 else 0.0
            rows.append(EffectShareRow(offer=offer, feature=name, money=money, part=part, direction=direction))
    return Table(name="effect shares", rows=tuple(rows))


def explain_choice(
    shares: EffectShares,
    X: np.ndarray,
    features: Mapping[str, Feature],
    *,
    offer: str,
    instead: str | None,
    most: int = 5,
) -> Choice:
    """Why one offer and not another, or rather than no contact, for one customer.

    Args:
        shares: Split effects of this one customer.
        X: The customer in the model's columns, shape (1, k).
        features: The model's columns by name.
        offer: The offer.
        instead: Another offer, None for no contact.
        most: Reasons named.

    Raises:
        UsageError: More than one customer, an offer that the model does not know, or twice the same.
    """
    unknown = [name for name in (offer, instead) if name is not None and name not in shares.offers]
    if unknown or offer == instead or len(X) != 1:
        raise UsageError(
            f"offer {offer!r} instead of {instead!r} for {len(X)} customers: name two of {', '.join(shares.offers)} "
            "(the second may be None for no contact) and one customer"
        )
    at = shares.offers.index(offer)
    against = None if instead is None else shares.offers.index(instead)

    def contrast(values: np.ndarray) -> np.ndarray:
        return values[at] - (0.0 if against is None else values[against])

    money = np.asarray(contrast(shares.shares[0]))
    first = [int(f) for f in np.argsort(-np.abs(money), kind="stable")[:most] if money[f] != 0]
    reasons = [
        ShapleyReason(feature=features[shares.names[f]], value=float(X[0, f]), money=float(money[f])) for f in first
    ]
    return Choice(
        offer=offer,
        instead=instead,
        gain=float(contrast(shares.predicted[0])),
        typical=float(contrast(shares.base)),
        reasons=tuple(reasons),
        rest=float(np.delete(money, first).sum()),
    )


def _predict(model: StoredModel, X: np.ndarray) -> np.ndarray:
    """Predicted effects, shape (n, m)."""
    found = model.predict_matrix(X)
    return np.column_stack([values for name, values in found.items() if name.startswith(PREFIX)])


def _walk(model: StoredModel, X: np.ndarray, start: tuple[np.ndarray, np.ndarray], rank: np.ndarray) -> np.ndarray:
    """Change of the effects on each feature's step from a background customer to each row, shape (n, m, k).

    Args:
        model: The model.
        X: The rows, shape (n, k).
        start: The background customer, shape (k,), and its effects, shape (m,).
        rank: Step on which each feature goes, shape (n, k).
    """
    z, begin = start
    n, k = X.shape
    order = np.argsort(rank, axis=1)
    moves = (z != X) & ~(np.isnan(X) & np.isnan(z))
    row, step = np.nonzero(np.take_along_axis(moves, order, axis=1))
    gone = rank[row] <= step[:, None]
    path = np.asfortranarray(np.where(gone, X[row], z))
    changed = np.zeros((n, len(begin), k))
    if not len(row):
        return changed
    effects = _predict(model, path)
    first = np.r_[True, row[1:] != row[:-1]]
    before = np.where(first[:, None], begin, np.roll(effects, 1, axis=0))
    changed[row, :, order[row, step]] = effects - before
    return changed


def _direction(x: np.ndarray, share: np.ndarray) -> float | None:
    """Rank correlation among known values; None where either is the same for all."""
    known = ~np.isnan(x)
    if known.sum() < 3 or np.ptp(x[known]) == 0 or np.ptp(share[known]) == 0:
        return None
    return float(np.corrcoef(rankdata(x[known]), rankdata(share[known]))[0, 1])
