"""Replay of a policy and its rivals at launch prices, by out-of-fold fits.

Limits and budget couple customers, so an allocation cannot be valued row by row; at fixed prices it can, for then what
a customer gets depends on his own row. On every held-out row the model predicts, the prices choose among the offers
that the row's campaign could draw, and the doubly robust score says what that was worth. The forecast of the launch
holds choices among *all* offers of the launch against what came true, as far as they were on offer.

Some rivals ask for more of what is short than the launch may use: everybody the best offer, say, under a budget that
pays for a tenth. A rival is within reach if what it takes costs no more, at the launch's prices, than what the policy
takes; only such a rival can show that the policy is a bad one, the others that the limits are tight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from netlift.decisions.allocation.dual import Prices, choose_by_prices
from netlift.decisions.choice.choose import Decided
from netlift.decisions.eligibility.conditions import all_hold
from netlift.decisions.eligibility.options import Option
from netlift.errors import DataError
from netlift.evaluation.policy.comparison import AT_RANDOM, ProofRow, prove
from netlift.evaluation.policy.off_policy import NOBODY
from netlift.evaluation.policy.profit_forecast import FEWEST_CONTACTS, Worth, find_drawn_worth, find_worth
from netlift.results import Table
from netlift.training.uplift.evidence_rows import ProofRows

POLICY = "policy at the launch's prices"
BEST = "everybody the best offer"
RESPONSE = "likeliest buyers, as many, the best offer"
RULES = "current rules: first offer open"
ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class LaunchPolicy:
    """How the launch chooses, as a function of a customer alone.

    Attributes:
        options: The options, m of them.
        charge: What a customer is charged for each option at the prices of the launch's allocation, shape (m,).
        per_reward: What is charged beside it for each unit of the reward that a contact of his is predicted to pay; 0
            where the reward is one for all, and so in `charge`, shape (m,).
        beside: What is added to predicted uplift less what the contact wears out: costs that changed since, fatigue of
            the config, future; mean over customers, minus infinity for an option that is open to nobody, shape (m,).
        kept: Chance that an option which a lot drew is kept, shape (m,).
    """

    options: tuple[Option, ...]
    charge: np.ndarray
    per_reward: np.ndarray
    beside: np.ndarray
    kept: np.ndarray

    @classmethod
    def of(cls, decided: Decided, net: np.ndarray) -> LaunchPolicy:
        """The policy of a run of decisions, whose model predicted `net` of what contacts wear out, shape (n, m)."""
        beside = decided.values.profit() - net
        charge, per_reward = _charges(decided)
        known = np.isfinite(beside)
        mean = np.where(known, beside, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        return cls(
            options=decided.options,
            charge=charge,
            per_reward=per_reward,
            beside=np.where(decided.eligibility.eligible.any(axis=0), mean, -np.inf),
            kept=decided.exploration.kept,
        )

    def charged(self, reward: np.ndarray) -> np.ndarray:
        """What each row is charged for each option, by the rewards that it is predicted to be paid, both (n, m)."""
        return np.asarray(self.charge + self.per_reward * reward)

    def choose(self, net: np.ndarray, open_to: np.ndarray, charged: np.ndarray) -> np.ndarray:
        """The option of each row, -1 for none, shape (n,).

        Args:
            net: Predicted profit over no contact of each option, less what it wears out, shape (n, m).
            open_to: Where an option may be given, bool, shape (n, m).
            charged: As `charged` gives it, shape (n, m).
        """
        prices = Prices(money=1.0, per_option=np.zeros(len(self.charge)))
        return choose_by_prices(net + self.beside, charged, open_to, prices).astype(np.int64)


def _charges(decided: Decided) -> tuple[np.ndarray, np.ndarray]:
    """What is charged for each option whoever the customer is, and for each unit of his own reward, both (m,)."""
    prices, values = decided.allocation.charges, decided.values
    if values.reward.ndim == 1:  # a cost that is one for all is in the prices of options already
        return prices.per_option, np.zeros(len(prices.per_option))
    differs = np.ptp(values.reward, axis=0) > 0
    fixed = values.contact_cost + np.where(differs, 0.0, values.reward.mean(axis=0, dtype=np.float64))
    own = np.where(differs, prices.money * values.reward_changed, 0.0)
    return np.asarray(prices.per_option + prices.money * fixed), own


@dataclass(frozen=True, kw_only=True)
class PolicyProof:
    """What speaks for a launch before it.

    Attributes:
        policies: The policy first, then its rivals, each with the paired difference to it.
        in_reach: Names of the rivals that ask for no more of what is short than the policy does.
        arms: Arm of each option of the launch, 0 where no campaign of the proof had it, shape (m,).
        worth: What predictions of the policy's contacts have been worth; None where they are too few.
        drawn: The same of contacts that a lot gives; None where they are too few.
        rows: Held-out contacts.
        contacts: Of these, how many the policy would contact with what was on offer.
        how: Which they are, in words.
        not_asked: Names that conditions ask about and that held-out rows do not have: taken as met.
        not_learned: Offers of the launch that no held-out campaign had.
    """

    policies: Table[ProofRow]
    in_reach: frozenset[str]
    arms: np.ndarray
    worth: Worth | None
    drawn: Worth | None
    rows: int
    contacts: int
    how: str
    not_asked: tuple[str, ...]
    not_learned: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Choices:
    """What the launch would do on held-out rows.

    Attributes:
        arms: Arm of each option, 0 where no held-out campaign had it, shape (m,).
        uplift: Prediction for each option, shape (n, m).
        net: The same less what a contact wears out, shape (n, m).
        charged: What each row is charged for each option, shape (n, m).
        eligible: Where conditions hold and an effect is known, bool, shape (n, m).
        on_menu: Where the row's campaign could draw it as well, bool, shape (n, m).
    """

    arms: np.ndarray
    uplift: np.ndarray
    net: np.ndarray
    charged: np.ndarray
    eligible: np.ndarray
    on_menu: np.ndarray


def prove_policy(rows: ProofRows, policy: LaunchPolicy) -> PolicyProof:
    """Hold a policy against nobody, everybody-best, likely buyers, the current rules and its own mix at random.

    Args:
        rows: Held-out contacts, as the training of the model kept them.
        policy: How the launch chooses.

    Raises:
        DataError: No offer of the launch is in the held-out campaigns, or no row drew what a policy chooses.
    """
    columns, not_asked = _columns(rows, policy.options)
    own = _look(rows, policy, columns, not_asked)
    to_arm = np.append(own.arms, 0)  # the option -1 is no contact
    chosen = to_arm[policy.choose(own.net, own.on_menu, own.charged)]
    wished = policy.choose(own.net, own.eligible, own.charged)
    first = np.where(own.on_menu.any(axis=1), own.on_menu.argmax(axis=1), -1)
    rivals = {
        NOBODY: np.zeros(len(rows), dtype=np.int64),
        BEST: rows.best,
        RESPONSE: _likely_buyers(rows, contacts=int(np.sum(chosen > 0))),
        RULES: to_arm[first],
    }
    worth, drawn = _find_worths(rows, policy, own, wished)
    return PolicyProof(
        policies=prove(rows.logged, chosen, rivals, name=POLICY),
        in_reach=_in_reach(rows, own, chosen, rivals),
        arms=own.arms,
        worth=worth,
        drawn=drawn,
        rows=len(rows),
        contacts=int(np.sum(chosen > 0)),
        how=rows.how,
        not_asked=not_asked,
        not_learned=tuple(o.offer_id for o, arm in zip(policy.options, own.arms, strict=True) if not arm),
    )


def _look(
    rows: ProofRows, policy: LaunchPolicy, columns: Mapping[str, np.ndarray], not_asked: tuple[str, ...]
) -> _Choices:
    """The options of the launch on held-out rows."""
    options = policy.options
    arms = np.array([rows.offers.index(o.offer_id) + 1 if o.offer_id in rows.offers else 0 for o in options])
    if not arms.any():
        raise DataError(
            f"policy: none of its offers {', '.join(o.offer_id for o in options)} is in the held-out campaigns, "
            f"which had {', '.join(rows.offers)}; nothing can be proved of it"
        )
    known = np.flatnonzero(arms)
    uplift, worn, reward = np.zeros((3, len(rows), len(arms)))
    uplift[:, known] = rows.uplift[:, arms[known] - 1]
    worn[:, known] = rows.worn[:, arms[known] - 1]
    reward[:, known] = rows.reward[:, arms[known] - 1]
    eligible = np.zeros(uplift.shape, dtype=bool)
    for j in np.flatnonzero((arms > 0) & np.isfinite(policy.beside)):
        asked = [criterion for criterion in options[j].criteria if criterion.name not in not_asked]
        eligible[:, j] = all_hold(columns, asked, len(rows))
    on_menu = eligible & rows.logged.available[:, arms] & (arms > 0)
    charged = policy.charged(reward)
    return _Choices(
        arms=arms, uplift=uplift, net=uplift - worn, charged=charged, eligible=eligible, on_menu=on_menu
    )  # fmt: skip


def _find_worths(
    rows: ProofRows, policy: LaunchPolicy, own: _Choices, wished: np.ndarray
) -> tuple[Worth | None, Worth | None]:
    """What predictions have been worth where the policy chose, and where a lot would draw; None for too few rows."""
    logged, at = rows.logged, np.arange(len(rows))
    arm = np.append(own.arms, 0)[wished]
    taken = (arm > 0) & logged.available[at, arm]
    worth = drawn = None
    if _can_be_fitted(rows, taken, logged.arm == arm):
        predicted = np.column_stack([own.uplift, np.zeros(len(rows))])[at, wished]
        worth = find_worth(logged, arm, predicted)
    lot = policy.kept / (own.on_menu.sum(axis=1) + 1.0)[:, None] * own.on_menu
    known = own.arms > 0
    met = (logged.arm[:, None] == own.arms) & own.on_menu
    if _can_be_fitted(rows, lot.any(axis=1), met.any(axis=1)):
        chances = np.zeros(rows.uplift.shape)
        chances[:, own.arms[known] - 1] = lot[:, known]
        drawn = find_drawn_worth(logged, chances, rows.uplift)
    return worth, drawn


def _can_be_fitted(rows: ProofRows, taken: np.ndarray, met: np.ndarray) -> bool:
    """Whether enough rows would be contacted, some of which were and some were not."""
    without = rows.logged.arm == 0
    return bool(taken.sum() >= FEWEST_CONTACTS and (taken & met).any() and (taken & without).any())


def _in_reach(rows: ProofRows, own: _Choices, chosen: np.ndarray, rivals: Mapping[str, np.ndarray]) -> frozenset[str]:
    """Rivals whose contacts cost no more at the launch's prices than the policy's."""
    charge = np.full((len(rows), len(rows.offers) + 1), np.inf)  # what the launch does not have cannot be given
    known = own.arms > 0
    charge[:, own.arms[known]], charge[:, 0] = own.charged[:, known], 0.0
    at = np.arange(len(rows))

    def takes(arm: np.ndarray) -> float:
        possible = np.where(rows.logged.available[at, np.maximum(arm, 0)], np.maximum(arm, 0), 0)
        return float(np.average(charge[at, possible], weights=rows.logged.relative_weight))

    most = takes(chosen)
    most += ROUNDING * max(1.0, abs(most))
    return frozenset({AT_RANDOM, *(name for name, arm in rivals.items() if takes(arm) <= most)})


def _columns(rows: ProofRows, options: tuple[Option, ...]) -> tuple[Mapping[str, np.ndarray], tuple[str, ...]]:
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


def _likely_buyers(rows: ProofRows, *, contacts: int) -> np.ndarray:
    """The best offer to as many as the policy contacts, the likeliest buyers first, shape (n,)."""
    order = np.lexsort((rows.logged.customer, -rows.likely))
    likeliest = order[rows.best[order] > 0][:contacts]
    choice = np.zeros(len(rows), dtype=np.int64)
    choice[likeliest] = rows.best[likeliest]
    return choice


__all__ = ["BEST", "POLICY", "RESPONSE", "RULES", "LaunchPolicy", "PolicyProof", "prove_policy"]
