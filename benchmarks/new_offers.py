"""New offers in shops whose truth is known: posterior sampling beside an even share of the same budget, month by month.

A shop has offers with history and new ones. What a contact of an offer earns is drawn anew for each shop: normal over
channels, and around its channel for each offer; customers' margins are skewed and hardly explained. Every month the
engine of `netlift decide` chooses (`choose`, with consents, a holdout, caps, a budget and its even draw), what came is
read off the logged chances as a readout does, and the states of the new offers follow.

    sampling   the shares of the budget by the probability to be the best (the floor of the config)
    even       the same budget, gate and stops, the same share for each that is still learning (a floor of 1)
    nothing    no new offers: what the others earn
    oracle     who knows the truth gives the new ones that pay from the first month on, and never tries

    profit     exact expectation of all contacts of the months above no contact, those that teach and those decided
    covered    share of intervals of new offers' effects that hold the truth, at every look
    good, bad  what becomes of new offers that truly earn and lose at least `CLEAR` a contact

    python benchmarks/new_offers.py --seeds 11 12 13 14 15
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from netlift.abtest.assignment.draw import hash_units
from netlift.abtest.assignment.holdout import Period, is_held_out
from netlift.config.decision import DecisionSettings
from netlift.decisions.choice.choose import Decided, choose
from netlift.decisions.choice.value import AtRisk, TrainedCosts, value_options
from netlift.decisions.eligibility.eligibility import Customers
from netlift.decisions.eligibility.options import make_options
from netlift.decisions.new_offers.plan import Gate, NewOffers, plan_new_offers
from netlift.decisions.new_offers.pooled_effects import OfferHistory, PooledEffects, is_well_held, pool_effects

CHANNELS = ("email", "sms", "push", "call")
COST = {"email": 1.0, "sms": 4.0, "push": 0.5, "call": 12.0}
OLD, NEW = 4, 8
LEVEL, SPREAD_CHANNEL, SPREAD_OFFER, NOISE = 2.0, 4.0, 9.0, 150.0  # currency a contact; of a customer's margin
CLEAR = 5.0
FIRST = datetime(2026, 1, 1)
Learned = tuple[float, float, float, float]
"""Contacts, effect, error, and what control adds to the variance."""
POLICIES = ("sampling", "even", "nothing", "oracle")


@dataclass(frozen=True, kw_only=True)
class Month:
    """What a month of a rule came to.

    Attributes:
        profit: True expectation above no contact, currency.
        spent: On new offers.
        covered: New offers whose interval held the truth, of those with contacts of their own.
        looked: New offers with contacts of their own.
        good_decided: Truly good ones that are proven.
        bad_stopped: Truly bad ones that are retired.
        bad_decided: Truly bad ones that are proven.
        good_stopped: Truly good ones that are retired.
    """

    profit: float
    spent: float
    covered: int
    looked: int
    good_decided: int
    bad_stopped: int
    bad_decided: int
    good_stopped: int


class Shop:
    """A shop and its luck: what offers truly earn, and who has agreed to what.

    Args:
        seed: Of everything.
        customers: How many.
        budget: Currency a month for new offers.
    """

    def __init__(self, seed: int, *, customers: int, budget: float) -> None:
        rng = np.random.default_rng(seed)
        self.seed, self.n, self.budget = seed, customers, budget
        self.names = tuple(f"offer_{j:02d}" for j in range(OLD + NEW))
        self.new = self.names[OLD:]
        self.channels = tuple(CHANNELS[j % len(CHANNELS)] for j in range(OLD + NEW))
        by_channel = dict(zip(CHANNELS, rng.normal(LEVEL, SPREAD_CHANNEL, len(CHANNELS)), strict=True))
        self.truth = np.array([by_channel[c] for c in self.channels]) + rng.normal(0, SPREAD_OFFER, OLD + NEW)
        self.consent = {channel: rng.random(customers) < 0.6 for channel in CHANNELS}
        self.ids = [f"{i:06d}" for i in range(customers)]
        self.history = [self._campaign(j, 6000, rng) for j in range(OLD)]

    def rules(self) -> DecisionSettings:
        """The rules of the shop."""
        return DecisionSettings.model_validate(
            {
                "budget": 6.0 * self.n,
                "channels": {c: {"fatigue": 0, "at_most": self.n // (20 if c == "call" else 4)} for c in CHANNELS},
                "offers": {
                    name: {"channel": channel, "reward": 0, "redeemed_by": 0}
                    for name, channel in zip(self.names, self.channels, strict=True)
                },
                "contact_policy": {
                    "limits": [],
                    "quiet_after_purchase_days": 0,
                    "quiet_after_complaint_days": 0,
                },
                "consent": {"max_age_hours": 24},
                "holdout": {"share": 0.05, "salt": f"shop {self.seed}", "rotate_months": 12, "washout_days": 28},
                "explore": {
                    "epsilon": 0.04,
                    "floor": 0.001,
                    "most_of_limits": 0.2,
                    "untrained": "refuse",
                    "new_offers": {"offers": list(self.new), "budget": self.budget, "most_contacts": 20_000},
                },
            }
        )

    def margins(self, month: int) -> np.ndarray:
        """What customers bring without a contact: most nothing, some much, shape (n,)."""
        rng = np.random.default_rng([self.seed, month])
        buys = rng.random(self.n) < 0.3
        return np.where(buys, rng.gamma(0.7, NOISE / 0.3 / 0.7 / 2.2, self.n), 0.0)

    def _campaign(self, j: int, contacts: int, rng: np.random.Generator) -> Learned:
        """A campaign that the offer had before."""
        error = NOISE * np.sqrt(2 / contacts)
        return float(contacts), float(rng.normal(self.truth[j], error)), float(error), float(error**2 / 2)


def live(shop: Shop, policy: str, *, months: int) -> Iterator[Month]:
    """The months of a shop under a rule."""
    rules = shop.rules()
    settings = rules.explore.new_offers
    assert settings is not None
    known = {
        name: {"channel": channel, "contact_cost": COST[channel], "valid_from": None, "valid_to": None}
        for name, channel in zip(shop.names, shop.channels, strict=True)
    }
    options = make_options(rules, known)
    cost = np.array([option.contact_cost for option in options])
    seen: dict[str, list[Learned]] = {name: [] for name in shop.names}
    seen |= {name: [one] for name, one in zip(shop.names, shop.history, strict=False)}
    when = {name: [-1] * len(own) for name, own in seen.items()}
    holdout = is_held_out(
        np.array(shop.ids),
        share=rules.holdout.share,
        salt=rules.holdout.salt,
        period=Period(start=FIRST.date(), read_from=FIRST.date(), end=datetime.max.date()),
    )
    for month in range(months):
        histories = [
            OfferHistory(
                offer_id=name,
                channel=channel,
                kind="",
                contacts=np.array([one[0] for one in seen[name]]),
                effect=np.array([one[1] for one in seen[name]]),
                error=np.array([one[2] for one in seen[name]]),
                campaigns=tuple(f"{month}" if month >= 0 else name for month in when[name]),
                control=np.array([one[3] for one in seen[name]]),
            )
            for name, channel in zip(shop.names, shop.channels, strict=True)
        ]
        pooled = pool_effects(histories)
        gate = Gate(least=0.0, confidence=0.9, level=0.95, most_contacts=settings.most_contacts)
        found = plan_new_offers(
            pooled,
            histories,
            new=shop.new,
            waiting=(),
            pending={},
            gate=gate,
            floor=1.0 if policy == "even" else settings.floor,
            rng=np.random.default_rng([shop.seed, month]),
        )
        new = NewOffers(offers=found, level=0.95, confidence=0.9, budget=shop.budget, monthly_budget=None, before=0.0)
        decided = _decide(shop, policy, rules, options, pooled, new, holdout, month)
        option = decided.draw.option
        given = np.flatnonzero(option >= 0)
        y = shop.margins(month)
        y[given] += shop.truth[option[given]] * _effect_share(shop, month)[given]
        for j in range(OLD, OLD + NEW):
            learned = _read(decided, y, j)
            if learned is not None:
                seen[shop.names[j]].append(learned)
                when[shop.names[j]].append(month)
        tried = np.flatnonzero(decided.draw.tried & (option >= 0))
        yield _told(shop, found, profit=float(shop.truth[option[given]].sum()), spent=float(cost[option[tried]].sum()))


def _decide(
    shop: Shop,
    policy: str,
    rules: DecisionSettings,
    options: tuple,
    pooled: PooledEffects,
    new: NewOffers,
    holdout: np.ndarray,
    month: int,
) -> Decided:
    """The engine's choice, by what is known of each offer on average."""
    effects = pooled.mean.copy()
    closed = {*new.of("learning", "unproven", "retired")}
    if policy == "oracle":
        effects[OLD:] = shop.truth[OLD:]
        closed = set()
    if policy in ("oracle", "nothing"):
        closed = closed if policy == "oracle" else {*shop.new}
        new = NewOffers(offers=(), level=0.95, confidence=0.9, budget=0.0, monthly_budget=None, before=0.0)
    # which customers like an offer better is known of none, so that a little noise breaks the ties of equal customers
    own = np.random.default_rng([shop.seed, month, 7]).normal(0, 0.01, (shop.n, len(options)))
    uplift = (effects + own).astype(np.float32)
    uplift[:, [option.offer_id in closed for option in options]] = np.nan
    nobody = np.zeros(shop.n, dtype=bool)
    paid = np.array([option.contact_cost for option in options])
    return choose(
        rules,
        options,
        Customers(
            columns={},
            consent=shop.consent,
            opted_out=dict.fromkeys(CHANNELS, nobody),
            left=nobody,
            held_out=holdout,
            reserved=nobody,
            pressed=dict.fromkeys(CHANNELS, nobody),
            days_since_purchase=np.full(shop.n, np.nan),
            days_since_complaint=np.full(shop.n, np.nan),
            in_window=np.zeros((shop.n, len(options)), dtype=bool),
            has_effect=~np.isnan(uplift),
        ),
        value_options(
            options,
            uplift=uplift,
            trained=TrainedCosts(contact_cost=paid, reward=np.zeros(len(options)), redeemed=np.zeros(len(options))),
            risk=AtRisk(p_churn=nobody * 0.0, ltv=nobody * 0.0, horizon_days=28, window_days=28, weight=0.0),
        ),
        words=hash_units(shop.ids, salt=f"{shop.seed}\x1f{month}", purpose="arm"),
        as_of=FIRST + timedelta(days=31 * month),
        new=new,
    )


def _effect_share(shop: Shop, month: int) -> np.ndarray:
    """What each contact has of an offer's mean effect, of mean 1, shape (n,): few react, and strongly."""
    reacts = np.random.default_rng([shop.seed, month, 1]).random(shop.n) < 0.2
    return np.where(reacts, 5.0, 0.0)


def _read(decided: Decided, y: np.ndarray, j: int) -> Learned | None:
    """What a run says of an offer: the treated as they are, control as their picture."""
    chances, option = decided.draw.chances, decided.draw.option
    rates = decided.exploration.rates
    if rates is None or not rates.tried[j]:
        return None
    could = np.nan_to_num(chances[:, j]) > 0
    treated, control = np.flatnonzero(could & (option == j)), np.flatnonzero(could & (option < 0))
    if len(treated) < 2:
        return None
    w = chances[control, j] / chances[control, -1]
    w /= w.mean()
    mean = float(w @ y[control] / len(control))
    spread = float(np.var(w * (y[control] - mean)) / len(control))
    own = float(np.var(y[treated], ddof=1) / len(treated))
    if not is_well_held(contacts=len(treated), control_rows=len(control), own_variance=own, control_variance=spread):
        return None
    error = np.sqrt(own + spread)
    return float(len(treated)), float(y[treated].mean()) - mean, float(error), spread


def _told(shop: Shop, found: Sequence, *, profit: float, spent: float) -> Month:
    truth = dict(zip(shop.names, shop.truth, strict=True))
    known = [one for one in found if one.contacts]

    def count(state: str, sign: int) -> int:
        return sum(one.state == state and sign * truth[one.offer_id] >= CLEAR for one in found)

    return Month(
        profit=profit,
        spent=spent,
        covered=sum(one.lower <= truth[one.offer_id] <= one.upper for one in known),
        looked=len(known),
        good_decided=count("proven", 1),
        bad_stopped=count("retired", -1),
        bad_decided=count("proven", -1),
        good_stopped=count("retired", 1),
    )


def compare(
    seeds: Sequence[int], *, customers: int, months: int, budget: float, rules: Sequence[str] = POLICIES
) -> list[dict[str, float | str]]:
    """Every rule in the shop of every seed."""
    rows = []
    for seed in seeds:
        shop = Shop(seed, customers=customers, budget=budget)
        good, bad = int((shop.truth[OLD:] >= CLEAR).sum()), int((shop.truth[OLD:] <= -CLEAR).sum())
        for policy in rules:
            lived = [*live(shop, policy, months=months)]
            total = {name: sum(getattr(m, name) for m in lived) for name in ("profit", "spent", "covered", "looked")}
            last = {k: v for k, v in asdict(lived[-1]).items() if k.startswith(("good", "bad"))}
            row = {"seed": seed, "policy": policy, **total, **last, "good": good, "bad": bad}
            print(_line(row), flush=True)
            rows.append(row)
    return rows


def _line(row: Mapping[str, float | str]) -> str:
    covered = f"{row['covered']}/{row['looked']}"
    good = f"{row['good_decided']} of {row['good']}, {row['good_stopped']}"
    bad = f"{row['bad_decided']} of {row['bad']}, {row['bad_stopped']}"
    money = f"{row['profit']:>11,.0f} {row['spent']:>8,.0f}"
    return f"{row['seed']:>5} {row['policy']:>9} {money} {covered:>9} {good:>21} {bad:>21}"


def main() -> None:
    """Print a table, a shop and rule a row, and sums over shops."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13, 14, 15])
    parser.add_argument("--customers", type=int, default=12_000)
    parser.add_argument("--months", type=int, default=15)
    parser.add_argument("--budget", type=float, default=6_000.0)
    parser.add_argument("--rules", nargs="+", choices=POLICIES, default=POLICIES)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    told = f"{'good: sent, stopped':>21} {'bad: sent, stopped':>21}"
    print(f"{'seed':>5} {'rule':>9} {'profit':>11} {'spent':>8} {'covered':>9} {told}")
    rows = compare(asked.seeds, customers=asked.customers, months=asked.months, budget=asked.budget, rules=asked.rules)
    by = {rule: np.array([float(row["profit"]) for row in rows if row["policy"] == rule]) for rule in asked.rules}
    if {"sampling", "even"} <= by.keys() and len(asked.seeds) > 1:
        ahead = by["sampling"] - by["even"]
        error = ahead.std(ddof=1) / np.sqrt(len(ahead))
        print(
            f"sampling above even: {ahead.mean():,.0f} a shop (standard error {error:,.0f}), ahead in "
            f"{int((ahead > 0).sum())} of {len(ahead)}"
        )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1, default=float))


if __name__ == "__main__":
    main()
