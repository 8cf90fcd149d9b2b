"""Populations whose truth is known, and cells of customers drawn from them; most customers buy nothing.

What a cell is told by are the powers of what its buyers spent (`powers_of`): outcomes are shares of spend, so that
moments of thousands of cells come from sums over their buyers. Two kinds of population:

    Population   a list of customers, dealt out to the arms anew as a re-randomised test would (with putting back where
                 it is smaller than the test)
    Spenders     log-normal baskets of known mean, any number of customers
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from netlift.abtest.stats.moments import OUTCOMES, LogSpend, Moments, of_sums

MARGIN = 0.4
MOST_AT_ONCE = 4_000_000
SHARES = np.array([1.0, MARGIN, 0.0, 0.0])
"""Of spend: revenue, margin, reward, contact cost beyond that of all."""
POWERS = 8
LEVEL, NOMINAL, TOLERATED = 0.95, 0.025, 0.035
WRITTEN = {"level": LEVEL, "currency": "EUR"}


Rows = list[dict[str, Any]]
Study = Callable[[np.random.Generator, Path, int], tuple[Rows, Rows]]
"""Of draws and the folder of public data, so many draws a design: rows and targets."""


def target(name: str, value: float, bound: float, sense: str = "<=") -> dict[str, Any]:
    """One promise of a figure, kept or not."""
    met = value <= bound if sense == "<=" else value >= bound
    return {"name": name, "value": round(float(value), 5), "bound": bound, "sense": sense, "met": bool(met)}


def pooled(rows: Rows, key: str, name: str) -> Iterator[tuple[Any, float]]:
    """Each value of a key with the mean of a share over all draws that have it: single designs have too few."""
    for value in dict.fromkeys(row[key] for row in rows):
        own = [row for row in rows if row[key] == value]
        yield value, float(np.average([row[name] for row in own], weights=[row["draws"] for row in own]))


def features(spend: np.ndarray) -> np.ndarray:
    """Of each buyer 1, spend to the powers 1 to 3, its logarithm to the powers 1 to 4: `cell_of` needs their sums."""
    logs = np.log(spend)
    return np.column_stack([np.ones(len(spend)), spend, spend**2, spend**3, logs, logs**2, logs**3, logs**4])


def cell_of(powers: np.ndarray, n: int, *, shares: np.ndarray = SHARES, contact: float = 0.0) -> Moments:
    """Moments of n customers from the sums of their buyers' features."""
    slope = float(shares @ [0.0, 1.0, -1.0, -1.0])
    cell = of_sums(
        OUTCOMES, n, powers[1] * shares, powers[2] * np.outer(shares, shares), float(powers[3]) * slope**3,
        buyers=int(powers[0]), shift=np.array([0.0, 0.0, 0.0, contact]),
    )  # fmt: skip
    first, second, third, fourth = map(float, powers[4:])
    return replace(cell, spend=LogSpend(buyers=int(powers[0]), sums=(first, second, third, fourth)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Customers with what each spends.

    Attributes:
        name: What it is.
        customers: How many there are.
        spend: Of those who buy, shape (buyers,).
        shares: Outcomes as shares of spend: revenue, margin, reward, contact cost.
        contact: Contact cost of each customer.
    """

    name: str
    customers: int
    spend: np.ndarray
    shares: np.ndarray
    contact: float = 0.0

    @property
    def mean(self) -> np.ndarray:
        """Of the outcomes, per customer."""
        return self.spend.sum() / self.customers * self.shares + np.array([0.0, 0.0, 0.0, self.contact])

    def cells(
        self, rng: np.random.Generator, sizes: Sequence[int], draws: int, *, putting_back: bool = False
    ) -> Iterator[tuple[Moments, ...]]:
        """Cells of these sizes, without putting back where the customers are enough, unless it is asked for."""
        known, everyone = features(self.spend), self.customers
        for _ in range(draws):
            if putting_back or sum(sizes) > everyone:
                chosen = [rng.integers(0, len(known), rng.binomial(n, len(known) / everyone)) for n in sizes]
            else:
                chosen = list(self._dealt(rng, sizes))
            yield tuple(self.cell(known[own], n) for own, n in zip(chosen, sizes, strict=True))

    def cell(self, known: np.ndarray, n: int) -> Moments:
        """Moments of n customers, of whom the buyers have these features."""
        return cell_of(known.sum(axis=0), n, shares=self.shares, contact=self.contact)

    def _dealt(self, rng: np.random.Generator, sizes: Sequence[int]) -> Iterator[np.ndarray]:
        order = rng.permutation(len(self.spend))
        left, first = self.customers, 0
        for n in sizes:
            found = int(rng.hypergeometric(len(order) - first, left - (len(order) - first), n))
            yield order[first : first + found]
            first, left = first + found, left - n


def of_spend(name: str, spend: np.ndarray, *, customers: int, reward: float = 0.0, contact: float = 0.0) -> Population:
    """Customers of whom those with a spend above zero buy.

    Args:
        name: What it is.
        spend: Of the buyers, shape (buyers,).
        customers: All of them.
        reward: Share of the spend paid back.
        contact: Cost of each customer's contact.
    """
    shares = np.array([1.0, MARGIN, reward, 0.0])
    return Population(name=name, customers=customers, spend=spend[spend > 0], shares=shares, contact=contact)


@dataclass(frozen=True, kw_only=True)
class Spenders:
    """Customers who buy one log-normal basket.

    Attributes:
        share: Of all customers.
        mean: Of their baskets, currency.
        spread: Standard deviation of the logarithm.
    """

    share: float
    mean: float
    spread: float


def worth(kinds: Sequence[Spenders]) -> float:
    """Mean margin of a customer."""
    return MARGIN * sum(kind.share * kind.mean for kind in kinds)


def drawn(rng: np.random.Generator, kinds: Sequence[Spenders], n: int, draws: int) -> np.ndarray:
    """Sums of the features of buyers among n customers, so many times, shape (draws, 8)."""
    rest = max(1 - sum(kind.share for kind in kinds), 0.0)
    counts = rng.multinomial(n, [*(kind.share for kind in kinds), rest], size=draws)
    found = np.zeros((draws, POWERS))
    for kind, buyers in zip(kinds, counts.T, strict=False):
        step = max(1, int(MOST_AT_ONCE / max(n * kind.share, 1)))
        for begin in range(0, draws, step):
            own = buyers[begin : begin + step]
            spend = rng.lognormal(np.log(kind.mean) - kind.spread**2 / 2, kind.spread, own.sum())
            code, logs = np.repeat(np.arange(len(own)), own), np.log(spend)
            found[begin : begin + step, 0] += own
            for place, weight in enumerate((spend, spend**2, spend**3, logs, logs**2, logs**3, logs**4), start=1):
                found[begin : begin + step, place] += np.bincount(code, weights=weight, minlength=len(own))
    return found


def spending_cells(
    rng: np.random.Generator, kinds: Sequence[Spenders], n: int, draws: int, *, contact: float = 0.0
) -> Iterator[Moments]:
    """So many cells of n customers of these kinds."""
    return (cell_of(powers, n, contact=contact) for powers in drawn(rng, kinds, n, draws))


def populations(data: Path, *, seed: int) -> list[Population]:
    """Hillstrom's spend, Online Retail's of its last three months, and two of simulated zero-inflated log-normals."""
    rng = np.random.default_rng(seed)
    found = []
    if (data / "hillstrom.parquet").is_file():
        spend = pd.read_parquet(data / "hillstrom.parquet", columns=["spend"]).spend.to_numpy()
        found.append(of_spend("Hillstrom, two weeks (0.9 % buy)", spend, customers=len(spend)))
    if (data / "online_retail.parquet").is_file():
        after = online_retail(data).revenue.to_numpy()
        found.append(of_spend(f"Online Retail, 91 days ({np.mean(after > 0):.0%} buy)", after, customers=len(after)))
    for share, spread in ((0.05, 1.0), (0.20, 1.5)):
        customers = 200_000
        spend = rng.lognormal(3.0, spread, round(share * customers))
        name = f"simulated, {share:.0%} buy, log-normal {spread:g}"
        found.append(of_spend(name, spend, customers=customers))
    return found


def online_retail(data: Path) -> pd.DataFrame:
    """Customers seen before the last 91 days: revenue of these days, and what the covariates are of the time before.

    Columns: revenue, pre_revenue, pre_margin, pre_purchases of up to 365 days, tenure_days, no_history; returns count.
    """
    rows = pd.read_parquet(data / "online_retail.parquet").dropna(subset=["CustomerID"])
    rows["spend"] = rows.Quantity * rows.UnitPrice
    cutoff = rows.InvoiceDate.max().normalize() - pd.Timedelta(days=91)
    before, after = rows[rows.InvoiceDate < cutoff], rows[rows.InvoiceDate >= cutoff]
    near = before[before.InvoiceDate >= cutoff - pd.Timedelta(days=365)]
    first = before.groupby("CustomerID").InvoiceDate.min()
    spent = near.groupby("CustomerID").spend.sum().reindex(first.index, fill_value=0.0)
    bought = near[near.Quantity > 0].groupby("CustomerID").InvoiceDate.nunique().reindex(first.index, fill_value=0)
    return pd.DataFrame({
        "revenue": after.groupby("CustomerID").spend.sum().reindex(first.index, fill_value=0.0),
        "pre_revenue": spent, "pre_margin": MARGIN * spent, "pre_purchases": bought.astype(float),
        "tenure_days": (cutoff - first).dt.days.astype(float), "no_history": (bought == 0).astype(float),
    })  # fmt: skip


def hillstrom_arms(data: Path) -> tuple[Population, Population]:
    """The men's e-mail with a reward of a tenth of spend and its contact cost, and the customers without e-mail."""
    rows = pd.read_parquet(data / "hillstrom.parquet", columns=["segment", "spend"])
    mens, none = (rows.spend[rows.segment == name].to_numpy() for name in ("Mens E-Mail", "No E-Mail"))
    treated = of_spend("men's e-mail", mens, customers=len(mens), reward=0.1, contact=0.05)
    return treated, of_spend("no e-mail", none, customers=len(none))


def simulated_arms(seed: int, *, share: float, spread: float) -> tuple[Population, Population]:
    """Control of which so many buy, and an offer that makes half as many more buy, at a twentieth of spend."""
    rng = np.random.default_rng(seed)
    customers = 200_000
    spend = rng.lognormal(3.0, spread, round(1.5 * share * customers))
    control = of_spend("control", spend[: round(share * customers)], customers=customers)
    return of_spend("offer", spend, customers=customers, reward=0.05, contact=0.05), control


__all__ = [
    "LEVEL", "MARGIN", "NOMINAL", "TOLERATED", "WRITTEN", "Population", "Rows", "Spenders", "Study", "cell_of", "drawn",
    "features", "hillstrom_arms", "of_spend", "online_retail", "pooled", "populations", "simulated_arms",
    "spending_cells", "target", "worth",
]  # fmt: skip
