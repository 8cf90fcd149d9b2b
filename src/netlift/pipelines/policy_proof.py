"""Before a launch: the whole policy at the launch's prices, held against rivals on contacts that training never saw.

Limits and budget couple customers, so an allocation cannot be valued row by row; at fixed prices it can, for then what
a customer gets depends on his own row. On every held-out row the model predicts, the prices choose among the offers
that the row's campaign could draw, and the doubly robust score says what that was worth. The forecast of the launch
holds choices among *all* offers of the launch against what came true, as far as they were on offer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from netlift.decision.conditions import all_hold
from netlift.decision.options import Option
from netlift.decision.prices import Prices, choose_by_prices
from netlift.errors import DataError
from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift import average_effects, fit_uplift
from netlift.evaluation.off_policy import NOBODY
from netlift.evaluation.policy_proof import ProofRow, prove
from netlift.evaluation.profit_forecast import ProfitForecast, find_worth
from netlift.pipelines.decide_choice import Decided
from netlift.pipelines.ship_uplift import ShippedUplift
from netlift.pipelines.uplift_learning import UpliftLearning, predict_uplift
from netlift.results import Estimate, Table

POLICY = "policy at the launch's prices"
BEST = "everybody the best offer"
RESPONSE = "likeliest buyers, as many, the best offer"
RULES = "current rules: first offer open"


@dataclass(frozen=True, kw_only=True, eq=False)
class LaunchPolicy:
    """How the launch chooses, as a function of a customer alone.

    Attributes:
        options: The options, m of them.
        prices: Of the launch's allocation.
        cost: What an option takes from the budget, mean over customers, shape (m,).
        beside: What is added to the predicted uplift: costs that changed since, fatigue, future; mean, shape (m,).
    """

    options: tuple[Option, ...]
    prices: Prices
    cost: np.ndarray
    beside: np.ndarray

    @classmethod
    def of(cls, decided: Decided, uplift: np.ndarray) -> LaunchPolicy:
        """The policy of a run of decisions, whose model predicted `uplift`, shape (n, m)."""
        cost, beside = decided.values.cost(), decided.values.profit() - uplift
        known = np.isfinite(beside)
        mean = np.where(known, beside, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return cls(
            options=decided.options,
            prices=decided.allocation.charges,
            cost=cost if cost.ndim == 1 else cost.mean(axis=0, dtype=np.float64),
            beside=mean,
        )

    def choose(self, uplift: np.ndarray, open_to: np.ndarray) -> np.ndarray:
        """The option of each row, -1 for none, shape (n,).

        Args:
            uplift: Predicted profit over no contact of each option, shape (n, m).
            open_to: Where an option may be given, bool, shape (n, m).
        """
        return choose_by_prices(uplift + self.beside, self.cost, open_to, self.prices).astype(np.int64)


@dataclass(frozen=True, kw_only=True, eq=False)
class Launch:
    """Whom the launch contacts.

    Attributes:
        predicted: The model's prediction for what each contacted customer gets, shape (k,).
        beside: Currency that is added as it stands: costs that changed since, fatigue, future.
    """

    predicted: np.ndarray
    beside: float = 0.0


@dataclass(frozen=True, kw_only=True)
class PolicyProof:
    """What speaks for a launch before it.

    Attributes:
        policies: The policy first, then its rivals, each with the paired difference to it.
        forecast: Profit of the launch, corrected for the winner's curse.
        rows: Held-out contacts.
        how: Which they are, in words.
        not_asked: Names that conditions ask about and that held-out rows do not have: taken as met.
        not_learned: Offers of the launch that no held-out campaign had.
    """

    policies: Table[ProofRow]
    forecast: ProfitForecast
    rows: int
    how: str
    not_asked: tuple[str, ...]
    not_learned: tuple[str, ...]


def prove_policy(
    shipped: ShippedUplift, policy: LaunchPolicy, learning: UpliftLearning, *, launch: Launch | None = None
) -> PolicyProof:
    """Hold a policy against nobody, everybody-best, likely buyers, the current rules and its own mix at random.

    Args:
        shipped: The model, with rows that nothing learned from.
        policy: How the launch chooses.
        learning: How uplift is learned: the response model is fitted by it, on the training rows.
        launch: Whom the launch contacts; None for the held-out contacts of the policy themselves.

    Raises:
        DataError: No offer of the launch is in the held-out campaigns, or the policy contacts too few of them.
    """
    rows, logged = shipped.held_out, shipped.on_held_out.logged
    columns, not_asked = _columns(rows, policy.options)
    arms = np.array([rows.offers.index(o.offer_id) + 1 if o.offer_id in rows.offers else 0 for o in policy.options])
    if not arms.any():
        raise DataError(
            f"policy: none of its offers {', '.join(o.offer_id for o in policy.options)} is in the held-out campaigns, "
            f"which had {', '.join(rows.offers)}; nothing can be proved of it"
        )
    known = np.flatnonzero(arms)
    uplift = np.zeros((len(rows), len(arms)))
    uplift[:, known] = predict_uplift(StoredModel(shipped.candidate.files), rows)[:, arms[known] - 1]
    eligible = np.zeros(uplift.shape, dtype=bool)
    for j in known:
        asked = [criterion for criterion in policy.options[j].criteria if criterion.name not in not_asked]
        eligible[:, j] = all_hold(columns, asked, len(rows))
    on_menu = eligible & rows.available[:, arms] & (arms > 0)
    to_arm = np.append(arms, 0)  # the option -1 is no contact
    chosen = to_arm[policy.choose(uplift, on_menu)]
    wished = policy.choose(uplift, eligible)
    predicted = np.column_stack([uplift, np.zeros(len(rows))])[np.arange(len(rows)), wished]
    first = np.where(on_menu.any(axis=1), on_menu.argmax(axis=1), -1)
    best = _best_offer(shipped.training, rows.available)
    rivals = {
        NOBODY: np.zeros(len(rows), dtype=np.int64),
        BEST: best,
        RESPONSE: _likely_buyers(shipped.training, rows, learning, best, contacts=int(np.sum(chosen > 0))),
        RULES: to_arm[first],
    }
    worth = find_worth(logged, to_arm[wished], predicted)
    if launch is None:
        launch = Launch(predicted=predicted[wished >= 0], beside=float(policy.beside[wished[wished >= 0]].sum()))
    return PolicyProof(
        policies=prove(logged, chosen, rivals, name=POLICY),
        forecast=_beside(worth.forecast(launch.predicted), launch.beside),
        rows=len(rows),
        how=shipped.how,
        not_asked=not_asked,
        not_learned=tuple(o.offer_id for o, arm in zip(policy.options, arms, strict=True) if not arm),
    )


def _columns(rows: ContactRows, options: tuple[Option, ...]) -> tuple[Mapping[str, np.ndarray], tuple[str, ...]]:
    """What conditions ask about, as far as the rows have it, and what they do not have."""
    asked = dict.fromkeys(criterion.name for option in options for criterion in option.criteria)
    place = {feature.name: i for i, feature in enumerate(rows.features)}
    columns = {}
    for name in asked:
        if name in place:
            feature, values = rows.features[place[name]], rows.X[:, place[name]]
            if feature.kind == "number":
                columns[name] = values
            else:
                words = np.array([*feature.categories, None], dtype=object)
                columns[name] = words[np.where(np.isnan(values), len(feature.categories), values).astype(np.int64)]
    return columns, tuple(name for name in asked if name not in place)


def _best_offer(training: ContactRows, available: np.ndarray) -> np.ndarray:
    """The arm that did best in training among those on offer, whether it gained or not, shape (n,); 0 for none."""
    effects = np.where(available[:, 1:], average_effects(training), -np.inf)
    return np.where(available[:, 1:].any(axis=1), effects.argmax(axis=1) + 1, 0)


def _likely_buyers(
    training: ContactRows, rows: ContactRows, learning: UpliftLearning, best: np.ndarray, *, contacts: int
) -> np.ndarray:
    """The best offer to as many as the policy contacts, the likeliest buyers by a response model first, shape (n,)."""
    definition = learning.definition
    response = fit_uplift(
        "response",
        training,
        search=definition.search,
        folds=definition.folds,
        seed=learning.seed,
        threads=learning.threads,
        progress=lambda _share, _words: None,
    )
    effects = average_effects(training)
    arm = int(np.argmax(np.abs(effects)))
    scores = predict_uplift(StoredModel(response.files), rows)[:, arm] * np.sign(effects[arm])
    order = np.lexsort((rows.customer, -scores))
    likeliest = order[best[order] > 0][:contacts]
    choice = np.zeros(len(rows), dtype=np.int64)
    choice[likeliest] = best[likeliest]
    return choice


def _beside(forecast: ProfitForecast, money: float) -> ProfitForecast:
    """The forecast with money added that no prediction is about."""
    profit = forecast.profit
    moved = Estimate(
        point=profit.point + money,
        ci_lower=profit.ci_lower + money,
        ci_upper=profit.ci_upper + money,
        level=profit.level,
        unit=profit.unit,
        method=profit.method,
    )
    return replace(forecast, profit=moved, naive=forecast.naive + money)


__all__ = ["BEST", "POLICY", "RESPONSE", "RULES", "Launch", "LaunchPolicy", "PolicyProof", "prove_policy"]
