"""How often the interval of one arm's profit lies above or below the truth: no effect, and offers of every shape.

upper      share of tests whose interval lies above the truth: a campaign is said to have earned more than it did
lower      share of tests whose interval lies below it
withheld   share in which a failed check takes the verdict away; they are no part of the tails
warned     share in which the page warns that the control is too small; they are part of the tails
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from calibrate_worlds import (
    LEVEL,
    TOLERATED,
    WRITTEN,
    Population,
    Rows,
    Spenders,
    hillstrom_arms,
    populations,
    simulated_arms,
    spending_cells,
    target,
    worth,
)

from netlift.abtest.readout.roi import Roi, roi
from netlift.abtest.stats import skew
from netlift.abtest.stats.difference import Contrast, contrast, money
from netlift.abtest.stats.moments import PROFIT, Moments
from netlift.abtest.stats.skew import LARGE

SHARES, SIZES = (0.5, 0.1, 0.05), (2_000, 5_000, 20_000, 60_000)
FEW = 0.2
"""Share of tests that are shown below which the page is said to withhold."""
COVERED = 0.93


def tails(found: Iterable[Contrast], *, truth: float = 0.0, withheld: Iterable[bool] | None = None) -> dict[str, Any]:
    """Tails of the interval of profit per customer over all tests that are not withheld."""
    tests = list(found)
    ends = [money(each, PROFIT, **WRITTEN)[1] for each in tests]
    above = np.array([end.ci_lower > truth for end in ends])
    below = np.array([end.ci_upper < truth for end in ends])
    plain = np.array([(t.point(PROFIT) - truth) / t.se(PROFIT) if t.se(PROFIT) else 0.0 for t in tests])
    taken = np.zeros(len(tests), dtype=bool) if withheld is None else np.array(list(withheld))
    row = {
        "plain upper": float(np.mean(plain > skew.critical(LEVEL))),
        "plain lower": float(np.mean(plain < -skew.critical(LEVEL))),
        "warned": float(np.mean([abs(t.gamma) > LARGE for t in tests])),
        "withheld": float(taken.mean()),
        "draws": len(tests),
    }
    if 1 - taken.mean() < FEW:
        return row | {"outcome": "withheld"}
    row |= {"upper": float(above[~taken].mean()), "lower": float(below[~taken].mean())}
    held = max(row["upper"], row["lower"]) <= TOLERATED
    return row | {"outcome": "held" if held else "MISSED"}


def tail_targets(section: str, rows: Iterable[dict[str, Any]], names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The larger tail of every design; nothing is claimed where the page withholds."""
    for row in rows:
        if row["outcome"] != "withheld":
            where = ", ".join(f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in names)
            yield target(f"{section}: larger tail, {where}", max(row["upper"], row["lower"]), TOLERATED)


def no_effect(population: Population, rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Re-randomised tests of nothing; tests in which nobody at all bought are no tests."""
    for share in SHARES:
        for n in SIZES:
            n_0 = round(share * n)
            cells = population.cells(rng, (n - n_0, n_0), draws)
            buyers = round(len(population.spend) / population.customers * n_0)
            where = {"population": population.name, "customers": n, "control": n_0, "buyers in control": buyers}
            yield where | tails(contrast(*pair) for pair in cells if pair[0].buyers + pair[1].buyers)


def buyers(share: float, spread: float, mean: float = 28.0) -> tuple[Spenders, ...]:
    """Customers of whom so many buy a basket of 28 on average."""
    return (Spenders(share=share, mean=mean, spread=spread),)


def offers() -> Iterator[tuple[str, tuple[Spenders, ...], tuple[Spenders, ...], tuple[tuple[int, int], ...]]]:
    """Offers that change how customers spend: what it is, the treated, control, and sizes of both."""
    base, even, small = buyers(0.1, 1.0), (5_000, 5_000), (9_000, 1_000)
    for spread in (0.5, 1.0):
        rare = (Spenders(share=0.005, mean=275.0, spread=spread),)
        yield f"rare large baskets, their log-sd {spread:g}", base + rare, base, (small, even)
    for share, who in ((0.1, "10 % buy"), (1.0, "all buy")):
        wide, narrow = buyers(share, 1.3), buyers(share, 0.8)
        yield f"baskets narrow, {who}", narrow, wide, (even, small)
        yield f"baskets widen, {who}", wide, narrow, (even, small)
    for times in (1.5, 2.0):
        yield f"{times:g} times as many buy", buyers(0.1 * times, 1.0), base, (even, small)
    yield "baskets 1.3 times as large", buyers(0.1, 1.0, 28.0 * 1.3), base, (even, small)


def shapes(rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Effects that change the shape of spend; for rare large baskets, who would have seen that they made money."""
    for name, treated, control, sizes in offers():
        for n_t, n_0 in sizes:
            pairs = list(
                zip(
                    spending_cells(rng, treated, n_t, draws), spending_cells(rng, control, n_0, draws), strict=True
                )
            )  # fmt: skip
            found = [contrast(*pair) for pair in pairs]
            row = {"offer": name, "treated": n_t, "control": n_0} | tails(found, truth=worth(treated) - worth(control))
            if "rare" in name:
                row["made money"] = float(np.mean([money(each, PROFIT, **WRITTEN)[1].ci_lower > 0 for each in found]))
                row["by a plain normal"] = float(np.mean([_lower(each, skew.NORMAL) > 0 for each in found]))
                row["by each arm's own shape"] = float(
                    np.mean([
                        _lower(each, skew.even(_own(*pair, each))) > 0 for each, pair in zip(found, pairs, strict=True)
                    ])
                )  # fmt: skip
            yield row


def _lower(found: Contrast, shape: skew.Shape) -> float:
    return skew.interval(found.point(PROFIT), found.se(PROFIT), z=skew.critical(LEVEL), shape=shape)[0]


def _own(treated: Moments, control: Moments, found: Contrast) -> float:
    return (treated.cube / treated.n**2 - control.cube / control.n**2) / found.se(PROFIT) ** 3


def true_effects(data: Path, rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Profit and the ROI set where the effect is known and costs what it costs."""
    worlds = {f"simulated, {share:.0%} buy": simulated_arms(3, share=share, spread=1.0) for share in (0.05, 0.2)}
    if (data / "hillstrom.parquet").is_file():
        worlds = {"Hillstrom, men's e-mail": hillstrom_arms(data)} | worlds
    for name, (treated, control) in worlds.items():
        true = treated.mean - control.mean
        for share in SHARES:
            for n in SIZES[1:]:
                n_0 = round(share * n)
                fixed = 0.01 * (n - n_0)
                cost = true[2] + true[3] + fixed / (n - n_0)
                pairs = zip(
                    treated.cells(rng, [n - n_0], draws, putting_back=True),
                    control.cells(rng, [n_0], draws, putting_back=True),
                    strict=True,
                )  # fmt: skip
                found = [contrast(own[0], other[0]) for own, other in pairs]
                sets = [roi(each, **WRITTEN, fixed=fixed) for each in found]
                row = {"world": name, "customers": n, "control": n_0}
                row |= tails(found, truth=float(true[1] - true[2] - true[3]))
                row["ROI set holds"] = float(np.mean([_holds(each, true[1] / cost - 1) for each in sets]))
                yield row | {"ROI without a number": float(np.mean([each.kind != "interval" for each in sets]))}


def _holds(found: Roi, truth: float) -> bool:
    if found.kind == "all":
        return True
    if found.kind == "interval":
        return bool(found.lower <= truth <= found.upper)
    return bool(found.kind == "outside" and not found.lower < truth < found.upper)


def study_no_effect(rng: np.random.Generator, data: Path, draws: int) -> tuple[Rows, Rows]:
    """Tests of nothing."""
    rows = [row for people in populations(data, seed=2) for row in no_effect(people, rng, draws)]
    return rows, list(tail_targets("no effect", rows, ("population", "customers", "control")))


def study_shapes(rng: np.random.Generator, data: Path, draws: int) -> tuple[Rows, Rows]:
    """Offers that change the shape of spend."""
    rows = list(shapes(rng, draws))
    return rows, list(tail_targets("shape", rows, ("offer", "treated", "control")))


def study_true_effects(rng: np.random.Generator, data: Path, draws: int) -> tuple[Rows, Rows]:
    """Known effects with rewards and costs, and their ROI."""
    rows = list(true_effects(data, rng, draws))
    names = ("world", "customers", "control")
    targets = list(tail_targets("true effect", rows, names))
    for row in rows:
        where = f"{row['world']}, {row['customers']:,}, {row['control']:,}"
        targets.append(target(f"true effect: ROI set holds, {where}", row["ROI set holds"], COVERED, ">="))
    return rows, targets


__all__ = [
    "buyers",
    "no_effect",
    "offers",
    "shapes",
    "study_no_effect",
    "study_shapes",
    "study_true_effects",
    "tail_targets",
    "tails",
]
