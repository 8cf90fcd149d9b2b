"""Summary of a simulated year: each world against the world without contacts, forecasts against truth.

Worlds share people and luck, so gains are sums of differences customer by customer:

    gain = Σ_i (profit_i - profit_i without contacts)        interval  ± z √n sd_i(difference)

The interval says how far the gain might lie from that of another draw of such customers and their luck. Profit is
margin less reward less contact cost. What is left at the end is the margin expected of the year after, with no further
contact, which the simulator knows exactly (`data.retailer.truth`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from statistics import NormalDist

import numpy as np

from netlift.abtest.stats.adjustment import adjusted
from netlift.abtest.stats.difference import money
from netlift.abtest.stats.moments import PROFIT, of_rows
from netlift.closed_loop.result import LOOP, QUIET, SEGMENTS, MonthRow, Standing, WorldRow, WorldSegmentRow
from netlift.results import Estimate
from netlift.segments.surveys import net_promoter_score
from netlift.simulation.campaigns import TIER_MARGINS
from netlift.simulation.rounds import AFTERWARDS_DAYS, NOBODY, World
from netlift.simulation.truth import Future

SILENT_DAYS = 90
YEAR_DAYS = 365


@dataclass(frozen=True, kw_only=True, eq=False)
class WorldComparison:
    """Worlds that were forked from one start, ready to be compared.

    Attributes:
        start: The world on the first morning.
        worlds: World by name, the one without contacts among them.
        currency: Of all money.
        level: Confidence of intervals.
    """

    start: World
    worlds: Mapping[str, World]
    currency: str
    level: float

    @cached_property
    def profits(self) -> Mapping[str, np.ndarray]:
        """Profit of each world by round and person, shape (rounds, n)."""
        rounds = range(len(self.start.sent))
        return {
            name: np.array([world.margin_of(k) - world.reward_of(k) - world.cost_of(k) for k in rounds])
            for name, world in self.worlds.items()
        }

    @cached_property
    def futures(self) -> Mapping[str, np.ndarray]:
        """Margin expected of the year after the last round, shape (n,)."""
        return {name: expected_margin(world) for name, world in self.worlds.items()}

    @cached_property
    def active(self) -> np.ndarray:
        """Who bought in the quarter before the start, bool, shape (n,)."""
        return bought_between(self.start, self.start.today - SILENT_DAYS, self.start.today) > 0

    @cached_property
    def segments(self) -> Mapping[str, np.ndarray]:
        """Who is in which segment, bool, shape (n,)."""
        margin = self.start.lives.margin_between(self.start.today - YEAR_DAYS, self.start.today)
        tier = np.where(self.start.is_known, np.searchsorted(TIER_MARGINS, margin), len(TIER_MARGINS) + 1)
        return {name: tier == j for j, name in enumerate(SEGMENTS)}

    def gains(self, name: str) -> np.ndarray:
        """Profit of a world over that without contacts, by round and person, shape (rounds, n)."""
        return np.asarray(self.profits[name] - self.profits[QUIET])

    def purchases(self, name: str) -> np.ndarray:
        """Purchases over all rounds, shape (n,)."""
        return bought_between(self.worlds[name], self.start.today, self.start.starts[-1])

    def lost(self, name: str, day: int) -> np.ndarray:
        """Who did not buy in the quarter before a day, bool, shape (n,)."""
        return bought_between(self.worlds[name], day - SILENT_DAYS, day) == 0

    def estimate(self, values: np.ndarray, unit: str, *, total: bool = False) -> Estimate:
        """Mean of values by customer, or their total, with its interval."""
        n = len(values)
        z = NormalDist().inv_cdf(0.5 + self.level / 2)
        scale = n if total else 1
        point = float(values.mean()) * scale
        half = z * float(values.std(ddof=1)) / np.sqrt(n) * scale if n > 1 else float("nan")
        return Estimate(
            point=point, ci_lower=point - half, ci_upper=point + half, level=self.level, unit=unit,
            method="customer by customer, the same luck in both worlds",
        )  # fmt: skip


def expected_margin(world: World) -> np.ndarray:
    """Margin expected of the next year with no contact, shape (n,); exact."""
    return Future(world.lives, world.today, horizon_days=AFTERWARDS_DAYS).margin(horizon_days=AFTERWARDS_DAYS)


def bought_between(world: World, first: int, end: int) -> np.ndarray:
    """Purchases of each person over days, the end not included, shape (n,)."""
    rows = world.lives.receipts.rows()
    seen = rows[(rows["day"] >= first) & (rows["day"] < end) & ~rows["is_return"]]
    return np.bincount(seen["person"], minlength=len(world.lives.people))


def describe(compared: WorldComparison, world: World, future: np.ndarray) -> Standing:
    """How a world stands today."""
    today, say = world.today, compared.estimate
    active = bought_between(world, today - SILENT_DAYS, today) > 0
    were = bought_between(world, today - YEAR_DAYS - SILENT_DAYS, today - YEAR_DAYS) > 0
    return Standing(
        churn=say(1.0 - active[were], "share"),
        nps=_nps(world, today - YEAR_DAYS, today, compared.level),
        ltv=say(future[active], f"{compared.currency}/customer"),
        frequency=say(bought_between(world, today - YEAR_DAYS, today)[active], "purchases/customer"),
        customers=int(active.sum()),
    )


def compare_worlds(compared: WorldComparison) -> Iterator[WorldRow]:
    """A row per world."""
    end, active, currency = compared.start.starts[-1], compared.active, compared.currency
    for name, world in compared.worlds.items():
        gain = compared.estimate(compared.gains(name).sum(axis=0), currency, total=True)
        rounds = range(len(world.sent))
        spend = float(sum((world.reward_of(k) + world.cost_of(k)).sum() for k in rounds))
        lost = compared.lost(name, end)[active] * 1.0 - compared.lost(QUIET, end)[active]
        later = compared.futures[name] - compared.futures[QUIET]
        left = compared.estimate(later, currency, total=True)
        both = compared.estimate(compared.gains(name).sum(axis=0) + later, currency, total=True)
        yield WorldRow(
            world=name,
            profit=float(compared.profits[name].sum()),
            gain=gain,
            spend=spend,
            roi=_over(gain, spend) if spend else None,
            roi_after=_over(both, spend) if spend else None,
            contacts_per_customer=float((world.sent != NOBODY).sum(axis=0).mean()),
            standing=describe(compared, world, compared.futures[name]),
            churn_change=compared.estimate(lost, "share"),
            frequency_change=compared.estimate(compared.purchases(name) - compared.purchases(QUIET), "purchases"),
            kept_ltv=compared.estimate(compared.futures[name][active], f"{currency}/customer"),
            left_behind=left,
            left_share=_over(left, float(compared.futures[QUIET].sum())),
        )


def compare_months(compared: WorldComparison) -> Iterator[MonthRow]:
    """A row per world and month."""
    start = compared.start
    for name, world in compared.worlds.items():
        gains = compared.gains(name)
        for k, day in enumerate(start.starts[:-1]):
            after = start.starts[k + 1]
            joined = world.lives.people.joined_day < day
            yield MonthRow(
                world=name,
                month=start.first_day + timedelta(days=day),
                gain=compared.estimate(gains[k], compared.currency, total=True),
                gain_so_far=compared.estimate(gains[: k + 1].sum(axis=0), compared.currency, total=True),
                contacts_per_customer=float((world.sent[k] != NOBODY).sum() / joined.sum()),
                lost=compared.estimate(compared.lost(name, after)[compared.active] * 1.0, "share"),
                nps=_nps(world, after - SILENT_DAYS - 1, after, compared.level),
            )


def compare_segments(compared: WorldComparison) -> Iterator[WorldSegmentRow]:
    """A row per world and segment that has customers."""
    end, each = compared.start.starts[-1], f"{compared.currency}/customer"
    for name, world in compared.worlds.items():
        lost = compared.lost(name, end) * 1.0 - compared.lost(QUIET, end)
        more = compared.purchases(name) - compared.purchases(QUIET)
        for segment, own in compared.segments.items():
            if own.sum() < 2:
                continue
            watched = own & compared.active
            yield WorldSegmentRow(
                world=name,
                segment=segment,
                customers=int(own.sum()),
                gain=compared.estimate(compared.gains(name).sum(axis=0)[own], each),
                contacts_per_customer=float((world.sent != NOBODY).sum(axis=0)[own].mean()),
                churn_change=compared.estimate(lost[watched], "share") if watched.sum() > 1 else None,
                frequency_change=compared.estimate(more[own], "purchases"),
                left_behind=compared.estimate((compared.futures[name] - compared.futures[QUIET])[own], each),
            )


def measure_by_holdout(
    compared: WorldComparison, held_out: np.ndarray, rounds: slice
) -> tuple[Estimate | None, Estimate]:
    """What contacts brought over some rounds: by the loop's own holdout, and by the world without contacts.

    The first is what a real shop can know: customers of the start who are not held out against those who are, adjusted
    for the margin of the year before. The second is the truth about the same customers.

    Args:
        compared: The worlds, the loop's among them.
        held_out: Whom the loop never contacts, bool, shape (n,).
        rounds: Which rounds.
    """
    world, start, known = compared.worlds[LOOP], compared.start, compared.start.is_known
    figures = sum(
        np.column_stack([world.margin_of(k), world.reward_of(k), world.cost_of(k)])
        for k in range(len(world.sent))[rounds]
    )
    before = start.lives.margin_between(start.today - YEAR_DAYS, start.today)
    names = ("margin", "reward", "contact_cost", "margin_before")
    rows = np.column_stack([figures, before])
    treated, control = known & ~held_out, known & held_out
    truth = compared.estimate(compared.gains(LOOP)[rounds].sum(axis=0)[treated], compared.currency, total=True)
    if min(treated.sum(), control.sum()) < 2:
        return None, truth
    found = adjusted(
        of_rows(rows[treated], names), of_rows(rows[control], names), outcomes=names[:3], covariates=names[3:]
    )
    return money(found.contrast, PROFIT, level=compared.level, currency=compared.currency)[0], truth


def _nps(world: World, first: int, end: int, level: float) -> Estimate | None:
    answers = world.lives.answers.rows()
    seen = answers[(answers["day"] >= first) & (answers["day"] < end)]
    return net_promoter_score(seen["value"].astype(np.float64), level=level)


def _over(gain: Estimate, base: float) -> Estimate:
    return Estimate(
        point=gain.point / base, ci_lower=gain.ci_lower / base, ci_upper=gain.ci_upper / base, level=gain.level,
        unit="share", method=gain.method,
    )  # fmt: skip


__all__ = [
    "WorldComparison", "compare_months", "compare_segments", "compare_worlds", "describe", "expected_margin",
    "measure_by_holdout",
]  # fmt: skip
