"""Populations whose truth is known, and cells of customers drawn from them; most customers buy nothing.

A cell is drawn by its buyers alone: how many there are, then which. Where the population is large enough its customers
are drawn without putting back and dealt out to the arms anew, as a re-randomised test would; else with putting back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from netlift.abtest.moments import OUTCOMES, Moments, of_sums

MARGIN = 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Customers with what each brings.

    Attributes:
        name: What it is.
        customers: How many there are.
        buyers: Outcomes of those who buy, shape (buyers, 4): revenue, margin, reward, contact cost beyond that of all.
        contact: Contact cost of each customer.
    """

    name: str
    customers: int
    buyers: np.ndarray
    contact: float = 0.0

    @property
    def mean(self) -> np.ndarray:
        """Of the outcomes, per customer."""
        return self.buyers.sum(axis=0) / self.customers + np.array([0.0, 0.0, 0.0, self.contact])

    def cell(self, chosen: np.ndarray, n: int) -> Moments:
        """Moments of n customers, of whom these buyers."""
        own = self.buyers[chosen]
        profit = own[:, 1] - own[:, 2] - own[:, 3]
        return of_sums(
            OUTCOMES,
            n,
            own.sum(axis=0),
            own.T @ own,
            float(np.sum(profit**3)),
            buyers=len(chosen),
            shift=np.array([0.0, 0.0, 0.0, self.contact]),
        )

    def draw(self, rng: np.random.Generator, n: int) -> Moments:
        """A cell of n customers with putting back."""
        found = rng.binomial(n, len(self.buyers) / self.customers)
        return self.cell(rng.integers(0, len(self.buyers), found), n)

    def deal(self, rng: np.random.Generator, sizes: tuple[int, ...]) -> tuple[Moments, ...]:
        """Cells of these sizes, without putting back where the customers are enough."""
        if sum(sizes) > self.customers:
            return tuple(self.draw(rng, n) for n in sizes)
        order = rng.permutation(len(self.buyers))
        left, cells, first = self.customers, [], 0
        for n in sizes:
            found = int(rng.hypergeometric(len(order) - first, left - (len(order) - first), n))
            cells.append(self.cell(order[first : first + found], n))
            first, left = first + found, left - n
        return tuple(cells)


def of_spend(name: str, spend: np.ndarray, *, customers: int, reward: float = 0.0, contact: float = 0.0) -> Population:
    """Customers of whom those with a spend above zero buy.

    Args:
        name: What it is.
        spend: Of the buyers, shape (buyers,).
        customers: All of them.
        reward: Share of the spend paid back.
        contact: Cost of each customer's contact.
    """
    spend = spend[spend > 0]
    outcomes = np.column_stack([spend, MARGIN * spend, reward * spend, np.zeros(len(spend))])
    return Population(name=name, customers=customers, buyers=outcomes, contact=contact)


def populations(data: Path, *, seed: int) -> list[Population]:
    """Hillstrom's spend, Online Retail's of its last three months, and two of simulated zero-inflated log-normals."""
    rng = np.random.default_rng(seed)
    found = []
    if (data / "hillstrom.parquet").is_file():
        spend = pd.read_parquet(data / "hillstrom.parquet", columns=["spend"]).spend.to_numpy()
        found.append(of_spend("Hillstrom, two weeks (0.9 % buy)", spend, customers=len(spend)))
    if (data / "online_retail.parquet").is_file():
        after, _ = online_retail(data)
        share = np.mean(after > 0)
        found.append(of_spend(f"Online Retail, 91 days ({share:.0%} buy)", after, customers=len(after)))
    for share, spread in ((0.05, 1.0), (0.20, 1.5)):
        customers = 200_000
        spend = rng.lognormal(3.0, spread, round(share * customers))
        name = f"simulated, {share:.0%} buy, log-normal {spread:g}"
        found.append(of_spend(name, spend, customers=customers))
    return found


def online_retail(data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Spend of the last 91 days and of the time before, of customers seen before; returns of either count."""
    rows = pd.read_parquet(data / "online_retail.parquet").dropna(subset=["CustomerID"])
    rows["spend"] = rows.Quantity * rows.UnitPrice
    cutoff = rows.InvoiceDate.max().normalize() - pd.Timedelta(days=91)
    before = rows[rows.InvoiceDate < cutoff].groupby("CustomerID").spend.sum()
    after = rows[rows.InvoiceDate >= cutoff].groupby("CustomerID").spend.sum()
    return after.reindex(before.index, fill_value=0.0).to_numpy(), before.to_numpy()


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


__all__ = ["MARGIN", "Population", "hillstrom_arms", "of_spend", "online_retail", "populations", "simulated_arms"]
