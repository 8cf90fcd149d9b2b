"""Joint model of purchase timing and category, evaluated on the newest horizon, then refitted with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from netlift.errors import DataError, HistoryTooShortError
from netlift.next_purchase.evaluation import (
    FEWEST_PAIR_GAPS,
    LIKELY,
    MODEL,
    QUANTILES,
    Evaluation,
    baseline_categories,
    baseline_dates,
    baseline_gaps,
    evaluate_categories,
    evaluate_dates,
)
from netlift.next_purchase.next_category import CategoryModel, blocks, fit_categories, read_habits, spread_due
from netlift.next_purchase.purchases import Purchases
from netlift.next_purchase.rhythm import Rhythm, fit_rhythm
from netlift.next_purchase.traces import trace

NO_DAY = np.datetime64("NaT", "D")


@dataclass(frozen=True, kw_only=True, eq=False)
class NextPurchaseModel:
    """What is learned of all customers, and how good it was.

    Attributes:
        rhythm: Of all purchases of a customer.
        pair_rhythm: Of a customer in a category; None where receipts have no categories.
        category: Of the next category; None likewise.
        evaluation: How good the same was, learned a horizon earlier.
    """

    rhythm: Rhythm
    pair_rhythm: Rhythm | None
    category: CategoryModel | None
    evaluation: Evaluation


@dataclass(frozen=True, kw_only=True, eq=False)
class Replenishments:
    """Customers in the categories that they buy again and again.

    Attributes:
        customer: Position, rising, shape (k,).
        code: Category, shape (k,).
        probability: Of a purchase in it within the horizon, shape (k,).
        early: Day from which it is expected, datetime64[D], shape (k,).
        day: The middle of its interval, datetime64[D], shape (k,).
        late: Last day of its interval, datetime64[D], shape (k,).
        due: Day on which it falls due as seen from the last purchase: it stays until the next one, shape (k,).
    """

    customer: np.ndarray
    code: np.ndarray
    probability: np.ndarray
    early: np.ndarray
    day: np.ndarray
    late: np.ndarray
    due: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class NextPurchases:
    """What is foretold of each customer; nothing of those who never bought.

    Attributes:
        probability: Of a purchase within the horizon, NaN where nothing is known, shape (n,).
        early: Day from which it is expected, datetime64[D], NaT where it is unlikely to come, shape (n,).
        day: The middle of its interval, shape (n,).
        late: Last day of its interval, shape (n,).
        category: Position of the category that is likeliest next, -1 where nothing is known, shape (n,).
        category_probability: Its probability, shape (n,).
        replenishments: By customer and category, of those who are likely to come.
    """

    probability: np.ndarray
    early: np.ndarray
    day: np.ndarray
    late: np.ndarray
    category: np.ndarray
    category_probability: np.ndarray
    replenishments: Replenishments


def learn_next_purchases(purchases: Purchases, *, end: int, horizon: int, seed: int) -> NextPurchaseModel:
    """Learn on one horizon, judge on the next, and learn again on that one.

    Args:
        purchases: All purchases; those from `end` on are not looked at.
        end: First day whose purchases may not be whole, days since 1970-01-01.
        horizon: Days within which a purchase is foretold.
        seed: Of the draw of customers that the category is learned from.

    Raises:
        HistoryTooShortError: The receipts do not cover three horizons.
        DataError: Too few customers came again.
    """
    days = end - int(purchases.day.min()) if len(purchases.day) else 0
    if days < 3 * horizon:
        raise HistoryTooShortError(
            f"transactions: {days} days of history before the end; the next purchase within {horizon} days needs "
            f"{3 * horizon}: one horizon to learn from, one to judge on, and one before them. Lower "
            "next_purchase.horizon_days or give more history"
        )
    early = _learn(purchases, end - 2 * horizon, horizon, seed)
    evaluation = _judge(purchases, end - horizon, *early)
    rhythm, pairs, category = _learn(purchases, end - horizon, horizon, seed)
    return NextPurchaseModel(rhythm=rhythm, pair_rhythm=pairs, category=category, evaluation=evaluation)


def _learn(
    purchases: Purchases, cutoff: int, horizon: int, seed: int
) -> tuple[Rhythm, Rhythm | None, CategoryModel | None]:
    rhythm = fit_rhythm(trace(purchases, cutoff, by_category=False), horizon=horizon)
    if not purchases.categories:
        return rhythm, None, None
    traces = trace(purchases, cutoff, by_category=True)
    pairs = fit_rhythm(traces, horizon=horizon, groups=len(purchases.categories))
    category = fit_categories(
        purchases,
        traces,
        pairs.predict(traces, levels=()),
        cutoff=cutoff,
        end=cutoff + horizon,
        rng=np.random.default_rng(seed),
    )
    return rhythm, pairs, category


def _judge(
    purchases: Purchases, cutoff: int, rhythm: Rhythm, pairs: Rhythm | None, category: CategoryModel | None
) -> Evaluation:
    judged = evaluate_dates(purchases, trace(purchases, cutoff, by_category=False), rhythm, by_category=False)
    if judged is None:
        raise DataError(
            f"transactions: nobody who was likely to buy within {rhythm.horizon} days did, so that no date can be "
            "judged; raise next_purchase.horizon_days"
        )
    contest, returns, coverage = judged
    found = Evaluation(horizon=rhythm.horizon, date=contest, returns=returns, date_coverage=coverage)
    if pairs is None or category is None:
        return found
    traces = trace(purchases, cutoff, by_category=True)
    own = evaluate_dates(purchases, traces, pairs, by_category=True)
    told = evaluate_categories(
        purchases,
        category,
        traces,
        pairs.predict(traces, levels=()),
        cutoff=cutoff,
        end=cutoff + rhythm.horizon,
    )
    parts = dict(vars(found))
    if own is not None:
        parts |= {"replenishment": own[0], "replenishment_coverage": own[2]}
    if told is not None:
        parts |= {"category": told[0], "category_probability": told[1], "category_log_loss": told[2]}
    return Evaluation(**parts)


def foretell(model: NextPurchaseModel, purchases: Purchases, *, as_of: int) -> NextPurchases:
    """Next purchase of each customer from a day on; by a baseline where the model was judged worse than it.

    Args:
        model: What was learned.
        purchases: All purchases; those from `as_of` on are not looked at.
        as_of: First day not seen, days since 1970-01-01.
    """
    n = len(purchases.ids)
    traces = trace(purchases, as_of, by_category=False)
    forecast = model.rhythm.predict(traces, levels=QUANTILES)
    chosen = model.evaluation.date.chosen
    early, day, late = forecast.day
    if chosen != MODEL:
        day = np.clip(baseline_dates(purchases, traces, model.rhythm.horizon, by_category=False)[chosen], early, late)
    likely = forecast.probability >= LIKELY
    category, probability = _foretell_categories(model, purchases, as_of)
    return NextPurchases(
        probability=_spread(forecast.probability, traces.customer, n),
        early=_spread_days(early, likely, traces.customer, n),
        day=_spread_days(day, likely, traces.customer, n),
        late=_spread_days(late, likely, traces.customer, n),
        category=category,
        category_probability=probability,
        replenishments=_foretell_replenishments(model, purchases, as_of),
    )


def _foretell_categories(model: NextPurchaseModel, purchases: Purchases, as_of: int) -> tuple[np.ndarray, np.ndarray]:
    n, width = len(purchases.ids), len(purchases.categories)
    category, probability = np.full(n, -1), np.full(n, np.nan)
    if model.category is None or model.pair_rhythm is None or model.evaluation.category is None:
        return category, probability
    traces = trace(purchases, as_of, by_category=True)
    forecast = model.pair_rhythm.predict(traces, levels=())
    chosen = model.evaluation.category.chosen
    for customers in blocks(np.unique(traces.customer), width):
        habits = read_habits(purchases, customers, as_of, as_of)
        each = model.category.predict(habits, spread_due(traces, forecast, customers, width))
        named = each.argmax(axis=1) if chosen == MODEL else baseline_categories(habits, model.category)[chosen]
        category[customers], probability[customers] = named, each[np.arange(len(each)), named]
    return category, probability


def _foretell_replenishments(model: NextPurchaseModel, purchases: Purchases, as_of: int) -> Replenishments:
    contest, rhythm = model.evaluation.replenishment, model.pair_rhythm
    traces = trace(purchases, as_of, by_category=True)
    traces = traces.take(traces.gaps >= FEWEST_PAIR_GAPS)
    if contest is None or rhythm is None:
        traces, rhythm = traces.take(np.zeros(len(traces), dtype=bool)), rhythm or model.rhythm
    forecast = rhythm.predict(traces, levels=QUANTILES)
    early, day, late = forecast.day
    due = forecast.due
    if contest is not None and contest.chosen != MODEL:
        rules = baseline_dates(purchases, traces, rhythm.horizon, by_category=True)
        day = np.clip(rules[contest.chosen], early, late)
        gap = baseline_gaps(purchases, traces, rhythm.horizon, by_category=True)[contest.chosen]
        due = traces.last + np.maximum(np.round(gap), 1).astype(np.int32)
    likely = forecast.probability >= LIKELY
    return Replenishments(
        customer=traces.customer[likely],
        code=traces.code[likely],
        probability=forecast.probability[likely],
        early=early[likely].astype("datetime64[D]"),
        day=day[likely].astype("datetime64[D]"),
        late=late[likely].astype("datetime64[D]"),
        due=due[likely].astype("datetime64[D]"),
    )


def _spread(values: np.ndarray, customer: np.ndarray, n: int) -> np.ndarray:
    out = np.full(n, np.nan)
    out[customer] = values
    return out


def _spread_days(days: np.ndarray, named: np.ndarray, customer: np.ndarray, n: int) -> np.ndarray:
    out = np.full(n, NO_DAY)
    out[customer[named]] = days[named].astype("datetime64[D]")
    return out


__all__ = ["NextPurchaseModel", "NextPurchases", "Replenishments", "foretell", "learn_next_purchases"]
