"""Readouts that need every customer's row: adjusted by the covariates that ship, and where customers share a cluster.

Covariates are taken as the product takes them, money and purchases through the logarithm of `outcomes`; beside
it stands past spend as it is, without the check on leverage. A failed check (`trust`) withholds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from calibrate_tails import tail_targets, tails
from calibrate_worlds import MARGIN, Rows, online_retail, target
from scipy.special import ndtri

from netlift.abtest.readout.checks import blocked, check_arm, check_clusters
from netlift.abtest.stats.adjustment import Adjustment, adjusted
from netlift.abtest.stats.difference import Contrast, contrast
from netlift.abtest.stats.moments import OUTCOMES, Moments, of_rows
from netlift.abtest.stats.outcomes import COVARIATES, LOGARITHMIC, SMALLEST_COIN

NAMES = (*OUTCOMES, *COVARIATES)
PAST_MEAN, PAST_SPREAD, HAVE_PAST = 4.0, 1.8, 0.7
GROWTH = 2.0
"""What the offer adds, per unit of the logarithm of past spend."""
CUSTOMERS = 1_600


def amount_log(values: np.ndarray) -> np.ndarray:
    """What `outcomes.amount_log` makes of an amount, computed anew."""
    return np.log1p(np.maximum(values, 0.0) / SMALLEST_COIN)


def shipped(past: np.ndarray) -> np.ndarray:
    """The five covariates as they ship, from amounts, shape (n, 5)."""
    values = past.copy()
    values[:, : len(LOGARITHMIC)] = amount_log(values[:, : len(LOGARITHMIC)])
    return values


def with_outcomes(revenue: np.ndarray, past: np.ndarray) -> np.ndarray:
    """Rows of the outcomes, margin a share of revenue, and covariates."""
    return np.column_stack([revenue, MARGIN * revenue, 0 * revenue, 0 * revenue, past])


def past_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """Past revenue (heavy-tailed), its margin, purchases, tenure and whether there was none, shape (n, 5)."""
    has = rng.random(n) < HAVE_PAST
    revenue = np.where(has, rng.lognormal(PAST_MEAN, PAST_SPREAD, n), 0.0)
    margin = MARGIN * revenue * rng.uniform(0.8, 1.2, n)
    return np.column_stack([revenue, margin, has * (1.0 + rng.poisson(3, n)), rng.uniform(5, 900, n), 1.0 - has])


def saturating(rng: np.random.Generator, past: np.ndarray) -> np.ndarray:
    """Spend of the window that past spend tells up to a ceiling."""
    n = len(past)
    return np.where(rng.random(n) < 0.5, rng.gamma(2, 0.5, n) * (60 * past / (past + 150) + 5), 0.0)


def linear(rng: np.random.Generator, past: np.ndarray) -> np.ndarray:
    """A tenth of it, in those who buy."""
    n = len(past)
    return np.where(rng.random(n) < 0.3, 0.1 * past * rng.lognormal(-0.5, 1, n) + rng.gamma(1, 10, n), 0.0)


def square_root(rng: np.random.Generator, past: np.ndarray) -> np.ndarray:
    """Its square root."""
    n = len(past)
    return np.where(rng.random(n) < 0.4, 3 * np.sqrt(past) * rng.lognormal(-0.3, 0.8, n), 0.0)


def unrelated(rng: np.random.Generator, past: np.ndarray) -> np.ndarray:
    """Nothing to do with it."""
    return np.where(rng.random(len(past)) < 0.1, rng.lognormal(3, 1.2, len(past)), 0.0)


SPENDS: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "saturates in past spend": saturating, "linear in it": linear, "its square root": square_root,
    "unrelated": unrelated,
}  # fmt: skip


def effect_of(growth: float) -> float:
    """Mean margin that `growth` brings a customer."""
    z = ndtri((np.arange(200_000) + 0.5) / 200_000)
    return MARGIN * growth * HAVE_PAST * float(np.log1p(np.exp(PAST_MEAN + PAST_SPREAD * z)).mean())


def read_rows(rows: Sequence[np.ndarray], *, is_shipped: bool = True) -> tuple[Adjustment, bool]:
    """An arm's and control's rows (revenue and the five amounts) read, and whether a check takes the verdict away."""
    cells = []
    for own in rows:
        past = shipped(own[:, 1:]) if is_shipped else own[:, 1:]
        cells.append(of_rows(with_outcomes(own[:, 0], past), NAMES))
    if not is_shipped:
        cells = [replace(cell, low=None, high=None) for cell in cells]
    found = adjusted(*cells, outcomes=OUTCOMES, covariates=COVARIATES)
    return found, is_withheld(found, cells)


def is_withheld(found: Adjustment, cells: Sequence[Moments]) -> bool:
    """Whether groups are unlike before, or clusters too few."""
    names = [*OUTCOMES, *found.used]
    balance = contrast(*(cell.take(names) for cell in cells)) if found.used else None
    checks = check_arm(
        "arm", found.raw, gamma=found.raw.gamma, largest_share=0.0, balance=balance, looked_at=len(found.used)
    )
    if cells[0].cluster is not None:
        checks = (*checks, check_clusters("arm", min(cell.effective_units for cell in cells)))
    return blocked(checks)


def adjusted_row(draw: Callable[[], Sequence[np.ndarray]], draws: int, *, truth: float) -> dict[str, Any]:
    """Tails of readouts adjusted as shipped, not at all, and (without an effect) by past spend as it is."""
    found, kept, as_is = [], [], []
    for _ in range(draws):
        rows = draw()
        read, taken = read_rows(rows)
        found.append(read)
        kept.append(taken)
        if not truth:
            as_is.append(read_rows(rows, is_shipped=False)[0].contrast)
    row = {"variance left": float(np.median([read.variance_ratio for read in found]))}
    row |= tails([read.contrast for read in found], truth=truth, withheld=kept)
    for name, contrasts in (("not adjusted", [read.raw for read in found]), ("past spend as it is", as_is)):
        other = tails(contrasts, truth=truth) if contrasts else {"upper": None, "lower": None}
        row |= {f"{name}, {end}": other[end] for end in ("upper", "lower")}
    return row


def past_designs(rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Every kind of spend, with and without an effect."""
    for name, spend in SPENDS.items():
        for growth in (0.0, GROWTH):
            truth = effect_of(growth)
            for sizes in ((2_000, 200), (10_000, 500), (2_000, 2_000)):

                def draw(sizes=sizes, spend=spend, growth=growth) -> list[np.ndarray]:
                    pasts = [past_of(rng, n) for n in sizes]
                    spends = [spend(rng, past[:, 0]) for past in pasts]
                    spends[0] = spends[0] + growth * np.log1p(pasts[0][:, 0])
                    return [np.column_stack(pair) for pair in zip(spends, pasts, strict=True)]

                where = {"window spend": name, "effect": round(truth, 2), "treated": sizes[0], "control": sizes[1]}
                yield where | adjusted_row(draw, draws, truth=truth)


def online_designs(data: Path, rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Online Retail's customers dealt out anew."""
    rows = online_retail(data).to_numpy()
    for share in (0.5, 0.1, 0.05):
        for n in (2_000, len(rows)):
            n_0 = round(share * n)

            def draw(n=n, n_0=n_0) -> list[np.ndarray]:
                chosen = rng.permutation(len(rows))[:n]
                return [rows[chosen[n_0:]], rows[chosen[:n_0]]]

            where = {"window spend": "Online Retail, 91 days", "effect": 0.0, "treated": n - n_0, "control": n_0}
            yield where | adjusted_row(draw, draws, truth=0.0)


def store_designs(rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Whole stores drawn into the arms, each moved by what happens there, and households split as such."""
    for stores in (8, 20, 40, 80):
        for is_equal in (True, False):
            sizes = "equal" if is_equal else "unequal"
            for share in (0.5, 0.25) if stores == 80 else (0.5,):
                seen = [stores_drawn(rng, stores, is_equal=is_equal, control=share) for _ in range(draws)]
                where = {"clusters": f"{stores} stores, {sizes} sizes", "control share": share}
                yield where | tails([found for found, _ in seen], withheld=[taken for _, taken in seen])
    for share in (0.5, 0.1):
        seen = [households_drawn(rng, 2_000, control=share) for _ in range(draws)]
        where = {"clusters": "2,000 households of 1 to 4", "control share": share}
        yield where | tails([found for found, _ in seen], withheld=[taken for _, taken in seen])


def stores_drawn(rng: np.random.Generator, stores: int, *, is_equal: bool, control: float) -> tuple[Contrast, bool]:
    """A test of nothing in which whole stores are drawn, and whether it is withheld."""
    weights = np.ones(stores) if is_equal else rng.lognormal(0.0, 0.8, stores)
    store = rng.choice(stores, CUSTOMERS, p=weights / weights.sum())
    in_control = rng.permutation(stores)[store] < round(control * stores)
    event = rng.normal(0.0, 20.0, stores)
    revenue = 100.0 + event[store] + np.where(rng.random(CUSTOMERS) < 0.2, rng.lognormal(3.5, 1.0, CUSTOMERS), 0.0)
    return clustered(revenue, store, in_control)


def households_drawn(rng: np.random.Generator, households: int, *, control: float) -> tuple[Contrast, bool]:
    """A test of nothing in which whole households are drawn, whose members buy alike."""
    house = np.repeat(np.arange(households), rng.integers(1, 5, households))
    chance, basket = rng.beta(0.5, 2.0, households), rng.normal(0.0, 0.8, households)
    buys = rng.random(len(house)) < chance[house]
    revenue = np.where(buys, rng.lognormal(3.0 + basket[house], 0.7), 0.0)
    return clustered(revenue, house, rng.permutation(households)[house] < round(control * households))


def clustered(revenue: np.ndarray, cluster: np.ndarray, in_control: np.ndarray) -> tuple[Contrast, bool]:
    """The readout of a split by cluster, without covariates."""
    rows = with_outcomes(revenue, np.empty((len(revenue), 0)))
    cells = [of_rows(rows[part], OUTCOMES, cluster=cluster[part]) for part in (~in_control, in_control)]
    if min(cell.cluster.count for cell in cells) < 2:
        return contrast(*(replace(cell, cluster=None) for cell in cells)), True
    found = contrast(*cells)
    return found, is_withheld(Adjustment(contrast=found, raw=found, used=(), dropped=()), cells)


def study_covariates(rng: np.random.Generator, data: Path, draws: int) -> tuple[Rows, Rows]:
    """Adjusted readouts."""
    rows = list(past_designs(rng, draws))
    if (data / "online_retail.parquet").is_file():
        rows += online_designs(data, rng, draws)
    return rows, list(tail_targets("covariates", rows, ("window spend", "effect", "treated", "control")))


def study_clusters(rng: np.random.Generator, data: Path, draws: int) -> tuple[Rows, Rows]:
    """Clustered readouts: tails over what is not withheld, and 8 stores always withheld."""
    rows = list(store_designs(rng, draws))
    eight = min(row["withheld"] for row in rows if row["clusters"].startswith("8 stores"))
    few = target("clusters: share of tests by 8 stores that is withheld", eight, 1.0, ">=")
    return rows, [few, *tail_targets("clusters", rows, ("clusters", "control share"))]


__all__ = ["amount_log", "past_designs", "shipped", "store_designs", "study_clusters", "study_covariates"]
