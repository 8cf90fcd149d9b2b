"""Expected profit of each option per customer, and its inputs.

An uplift model learns y = margin - reward - contact cost over a campaign's outcome window, so that its effect τ_ia has
the costs of its own campaigns in it already. They are put back once, and today's are taken off once:

    margin_ia = τ_ia + C°_a + R°_a s°_ia                       incremental margin, before any cost
    profit_ia = margin_ia - C_a - R_a s_ia + future_ia - F_a

C is the contact cost, R the reward of one who redeems, s the share of all contacted who redeem (those who would have
bought anyway among them), F what a contact wears out: a number of the config, and where the uplift model knows what
such customers take with them whom it drives away, that beside it; ° marks what the training campaigns had. Where a
model knows what a customer's contact will pay, s is that over the mean reward: a percentage costs more with those who
spend more. Where today's economics are those of training, profit is τ + future - F, whatever the costs are.

Where an offer claims to keep a share g of those who would leave, their value beyond the outcome window counts too:

    future_ia = g_a · p_churn_i · w · max(V_i, 0) · (1 - W/H)

V is the margin predicted over H days, of which the first W are the outcome window and so are in τ; they are taken for
their even share. With w = 0 nothing beyond the window counts.

An effect is known for the reward that was tried: another reward pulls differently. `reward_changed` tells how far
today's reward per contact is from that of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netlift.decisions.eligibility.options import Option, per_option
from netlift.errors import ConfigError, DataError

STEP = 0.1


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedCosts:
    """What the campaigns that an effect was learned from paid, by option.

    Attributes:
        contact_cost: Mean currency per contact, shape (m,).
        reward: Mean currency per redeemer, 0 where nobody redeemed, shape (m,).
        redeemed: Share of the contacted who redeemed, shape (m,), or the expected reward of each customer's contact in
            mean rewards, shape (n, m).
    """

    contact_cost: np.ndarray
    reward: np.ndarray
    redeemed: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class AtRisk:
    """What goes with customers who leave.

    Attributes:
        p_churn: Chance of churn, NaN where not known, shape (n,).
        ltv: Margin predicted over `horizon_days`, NaN where not known, shape (n,).
        horizon_days: Of the prediction.
        window_days: Outcome window of the effects, which already holds the first days of the horizon.
        weight: Share of the value beyond the window that counts.
    """

    p_churn: np.ndarray
    ltv: np.ndarray
    horizon_days: float
    window_days: float
    weight: float

    def beyond_window(self) -> np.ndarray:
        """Chance of churn times the value beyond the window, before weight, shape (n,); 0 where not known.

        Raises:
            DataError: A horizon that is not above 0.
        """
        if not self.horizon_days > 0:
            raise DataError(f"ltv: its horizon is {self.horizon_days:g} days; it must be above 0")
        share = max(0.0, 1 - self.window_days / self.horizon_days)
        lost = self.p_churn * np.maximum(self.ltv, 0.0) * share
        return np.where(np.isnan(lost), 0.0, lost)


@dataclass(frozen=True, kw_only=True, eq=False)
class OptionValues:
    """Expected money of each option for each customer, in currency.

    Attributes:
        margin: Incremental margin, NaN where no effect is known, shape (n, m).
        contact_cost: Of one contact, shape (m,).
        reward: Expected reward of one contact, shape (m,) or (n, m).
        at_risk: What goes with each customer who leaves, weighted, shape (n,).
        save_rate: Share of those about to leave whom the option keeps, shape (m,).
        fatigue: Of one contact, shape (m,) or (n, m).
        unknown_value: Customers whose chance of churn or value is not known, and whose future counts as 0.
        reward_changed: Today's reward of one contact over that of training, 1 where both are 0, shape (m,).
    """

    margin: np.ndarray
    contact_cost: np.ndarray
    reward: np.ndarray
    at_risk: np.ndarray
    save_rate: np.ndarray
    fatigue: np.ndarray
    unknown_value: int
    reward_changed: np.ndarray

    def profit(self) -> np.ndarray:
        """Expected profit, float64, shape (n, m); minus infinity where no effect is known."""
        profit = self.margin - (self.cost() + self.fatigue)
        for j in np.flatnonzero(self.save_rate):
            profit[:, j] += self.at_risk * self.save_rate[j]
        profit[np.isnan(profit)] = -np.inf
        return profit

    def cost(self) -> np.ndarray:
        """What an option takes from the budget, shape (m,) or (n, m): contact and expected reward."""
        return self.contact_cost + self.reward

    def of(self, choice: np.ndarray) -> dict[str, np.ndarray]:
        """The parts of what each customer gets, 0 without an option, shape (n,): columns of the log.

        Args:
            choice: Option of each customer, -1 for none, shape (n,).
        """
        who = np.flatnonzero(choice >= 0)
        option = choice[who]
        found = {
            "margin": self.margin[who, option],
            "reward": self.reward[option] if self.reward.ndim == 1 else self.reward[who, option],
            "contact_cost": self.contact_cost[option],
            "future": self.at_risk[who] * self.save_rate[option],
            "fatigue": self.fatigue[option] if self.fatigue.ndim == 1 else self.fatigue[who, option],
        }
        found["profit"] = found["margin"] - found["reward"] - found["contact_cost"] + found["future"] - found["fatigue"]
        parts = {name: np.zeros(len(choice)) for name in found}
        for name, values in found.items():
            parts[name][who] = values
        return parts


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """How much the expected profit of a choice moves with one economic input, the choice held.

    Attributes:
        input: contact_cost, reward, fatigue, save_rate or margin.
        offer_id: The offer.
        amount: What the input takes or gives in all, in currency; costs below 0.
        change: Of the total when the input is a tenth larger, in currency.
    """

    input: str
    offer_id: str
    amount: float
    change: float


def value_options(
    options: Sequence[Option],
    *,
    uplift: np.ndarray,
    trained: TrainedCosts,
    risk: AtRisk,
    worn: np.ndarray | None = None,
) -> OptionValues:
    """Expected money of each option for each customer.

    Args:
        options: The options, m of them.
        uplift: Calibrated effect on profit, net of the costs of the training campaigns, NaN where not known, shape
            (n, m).
        trained: What those campaigns paid.
        risk: What goes with customers who leave.
        worn: What a contact wears out of the customer's value, beside the config's fatigue, shape (n, m); None for
            nothing.

    Raises:
        DataError: Arrays that do not fit each other, or infinite effects.
        ConfigError: An offer whose reward or share of redeemers is to be that of past contacts, and has none.

    Examples:
        >>> option = Option(offer_id="sms", channel="sms", contact_cost=5.0, reward=100.0, redeemed_by=0.1, fatigue=1.0,
        ...                 save_rate=0.0, criteria=(), valid_from=None, valid_to=None)
        >>> trained = TrainedCosts(contact_cost=np.array([4.0]), reward=np.array([100.0]), redeemed=np.array([0.1]))
        >>> risk = AtRisk(p_churn=np.zeros(1), ltv=np.zeros(1), horizon_days=180, window_days=28, weight=1.0)
        >>> value_options([option], uplift=np.array([[20.0]]), trained=trained, risk=risk).profit()
        array([[18.]])
    """
    _require_fit(options, uplift, trained, risk)
    fatigue = per_option(options, "fatigue")
    reward, redeemed = per_option(options, "reward"), per_option(options, "redeemed_by")
    _require_logged(options, uplift, trained, np.isnan(reward) | np.isnan(redeemed))
    before = trained.reward * trained.redeemed
    today = np.where(np.isnan(reward), trained.reward, reward) * np.where(
        np.isnan(redeemed), trained.redeemed, redeemed
    )
    known = ~np.isnan(uplift).all(axis=0)
    added = np.where(known, trained.contact_cost + before, 0.0)
    means = [x if x.ndim == 1 else x.mean(axis=0) for x in (today, before)]
    with np.errstate(divide="ignore", invalid="ignore"):
        changed = np.where((means[0] == 0) & (means[1] == 0), 1.0, means[0] / means[1])
    return OptionValues(
        margin=uplift + added,
        contact_cost=per_option(options, "contact_cost"),
        reward=np.where(np.isnan(today), 0.0, today),
        at_risk=risk.weight * risk.beyond_window(),
        save_rate=per_option(options, "save_rate"),
        fatigue=fatigue if worn is None else fatigue + worn,
        unknown_value=int(np.isnan(risk.p_churn * risk.ltv).sum()),
        reward_changed=changed,
    )


def find_sensitivity(options: Sequence[Option], values: OptionValues, choice: np.ndarray) -> tuple[Sensitivity, ...]:
    """What each economic input does to the expected profit of a choice, the largest first.

    The choice is held, and each part is linear in its input. Where the choice is the best one, the total moves by no
    less than this when it may change as well (its derivative is the same: the envelope theorem).

    Args:
        options: The options.
        values: Their money.
        choice: Option of each customer, -1 for none, shape (n,).
    """
    parts = values.of(choice)
    named = {"margin": ("margin", 1), "reward": ("reward", -1), "contact_cost": ("contact_cost", -1)}
    named |= {"save_rate": ("future", 1), "fatigue": ("fatigue", -1)}
    rows = []
    for j, option in enumerate(options):
        own = choice == j
        for name, (part, sign) in named.items():
            amount = sign * float(parts[part].sum(where=own))
            if amount:
                rows.append(Sensitivity(input=name, offer_id=option.offer_id, amount=amount, change=STEP * amount))
    return tuple(sorted(rows, key=lambda row: (-abs(row.change), row.offer_id, row.input)))


def _require_fit(options: Sequence[Option], uplift: np.ndarray, trained: TrainedCosts, risk: AtRisk) -> None:
    n, m = uplift.shape
    wrong = [] if len(options) == m else [f"{len(options)} options for {m} columns of uplift"]
    wrong += [f"trained.{name}" for name in ("contact_cost", "reward") if getattr(trained, name).shape != (m,)]
    wrong += [] if trained.redeemed.shape in ((m,), (n, m)) else ["trained.redeemed"]
    wrong += [name for name in ("p_churn", "ltv") if getattr(risk, name).shape != (n,)]
    if wrong:
        raise DataError(f"values: {', '.join(wrong)} do not fit uplift of shape {uplift.shape}")
    infinite = int(np.isinf(uplift).sum())
    if infinite:
        raise DataError(f"uplift: {infinite:,} of {uplift.size:,} effects are infinite; leave unknown ones empty")


def _require_logged(options: Sequence[Option], uplift: np.ndarray, trained: TrainedCosts, asks_log: np.ndarray) -> None:
    """Refuse to take over what past contacts paid where there are none."""
    needed = ~np.isnan(uplift).all(axis=0) | asks_log
    redeemed = trained.redeemed if trained.redeemed.ndim == 1 else trained.redeemed.mean(axis=0)
    missing = needed & np.isnan(trained.contact_cost + trained.reward + redeemed)
    if missing.any():
        names = ", ".join(option.offer_id for option, is_missing in zip(options, missing, strict=True) if is_missing)
        raise ConfigError(
            f"decision.offers: {names}: past contacts do not tell the reward or who redeems it; give reward and "
            "redeemed_by as numbers"
        )


__all__ = ["AtRisk", "OptionValues", "Sensitivity", "TrainedCosts", "find_sensitivity", "value_options"]
