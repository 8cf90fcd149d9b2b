"""Campaigns of several arms, and campaigns that are looked at before their end: how often something false is said.

Every verdict is that of `read_arms`, with a tolerance so large that the loss of being wrong never decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from calibrate_rows import amount_log
from calibrate_tails import buyers
from calibrate_worlds import LEVEL, MARGIN, TOLERATED, Rows, pooled, spending_cells, target

from netlift.abtest.readout.arms import ArmCells, ArmsRead, Terms, read_arms
from netlift.abtest.readout.comparison import campaign_score
from netlift.abtest.stats.moments import OUTCOMES, Moments, of_rows
from netlift.abtest.stats.sequential import bounds
from netlift.data.contract import CONTROL

CUSTOMERS, LOOKS = 24_000, 4
EITHER, PROBABLY = 0.055, 0.11
TERMS = Terms(currency="EUR", level=LEVEL, tolerance=1e12, fixed=0.0, covariates=())
PAST = "pre_revenue"


def read(cells: Mapping[str, Moments], control: Moments, terms: Terms) -> ArmsRead:
    """The readout of arms, no customer left out or capped."""
    whole = {arm: _whole(cell) for arm, cell in cells.items()}
    return read_arms({**whole, CONTROL: _whole(control)}, terms)


def _whole(cell: Moments) -> ArmCells:
    return ArmCells(whole=cell, without_largest=cell, capped=cell, largest_share=0.0)


def several_arms(rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Offers that do nothing, one tenth of customers buying skewed baskets."""
    spend = buyers(0.1, 1.0)
    for arms in (1, 2, 3, 4, 6):
        for share in (0.5, 0.1):
            n_0 = round(CUSTOMERS * share)
            n = (CUSTOMERS - n_0) // arms
            drawn = [spending_cells(rng, spend, n, draws) for _ in range(arms)]
            said = []
            for control, *cells in zip(spending_cells(rng, spend, n_0, draws), *drawn, strict=True):
                found = read({f"offer {place}": cell for place, cell in enumerate(cells)}, control, TERMS)
                said.append({arm.verdict.code for arm in found.arms})
            made, lost, probably = (
                np.array([code in codes for codes in said])
                for code in ("made_money", "lost_money", "probably_made_money")
            )
            yield {
                "arms": arms, "control share": share, "some arm made money": made.mean(),
                "made or lost money": (made | lost).mean(), "made or probably made money": (made | probably).mean(),
                "draws": draws,
            }  # fmt: skip


def looking(rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Four planned looks at profit adjusted for past spend; without an effect, and with one in the first arm.

    False is an interval of all looks that misses the truth, which without an effect is a verdict of made or lost money;
    an arm's is that of all arms at once.
    """
    for effect in (0.0, 2.0):
        for arms in (1, 2, 4) if effect == 0 else (1, 4):
            counts = [_looked_at(rng, arms, effect) for _ in range(draws)]
            yield {"effect": effect, "arms": arms} | {
                name: np.mean([count[name] for count in counts]) for name in counts[0]
            } | {"draws": draws}  # fmt: skip


def _looked_at(rng: np.random.Generator, arms: int, effect: float) -> dict[str, float]:
    sizes = [1_500] + [3_000 // arms] * arms
    pasts = [np.where(rng.random(n) < 0.7, rng.lognormal(3, 1.2, n), 0.0) for n in sizes]
    lifts = [0.0, effect, *[0.0] * (arms - 1)]
    spends = [np.zeros(n) for n in sizes]
    false_arm = false_campaign = stopped = contradicted = False
    scores: list[float] = []
    for look in range(1, LOOKS + 1):
        cells = []
        for place, (past, lift) in enumerate(zip(pasts, lifts, strict=True)):
            buys = rng.random(len(past)) < 0.1
            more = np.where(buys, (5 + past) * rng.lognormal(0, 0.7, len(past)), 0.0)
            spends[place] = spends[place] + more + lift * rng.exponential(1.0, len(past))
            own = spends[place]
            rows = np.column_stack([own, MARGIN * own, 0 * own, 0 * own, amount_log(past)])
            cells.append(of_rows(rows, (*OUTCOMES, PAST)))
        control, *treated = cells
        named = {f"offer {place}": cell for place, cell in enumerate(treated)}
        terms = TERMS_OF_LOOKS[look, arms]
        scores.append(campaign_score({**named, CONTROL: control}, covariates=terms.covariates, fixed=terms.fixed))
        found = read(named, control, terms)
        truths = [MARGIN * lift * look for lift in lifts[1:]]
        misses = [
            not arm.profit_simultaneous.ci_lower <= arm.assigned * truth <= arm.profit_simultaneous.ci_upper
            for arm, truth in zip(found.arms, truths, strict=True)
        ]
        total = sum(arm.assigned * truth for arm, truth in zip(found.arms, truths, strict=True))
        false_arm |= any(misses)
        false_campaign |= not found.profit.ci_lower <= total <= found.profit.ci_upper
        if not stopped and abs(scores[-1]) >= terms.bound:
            stopped = True
            contradicted |= found.profit.ci_lower <= 0 <= found.profit.ci_upper
    return {
        "false of some arm": false_arm, "false of the campaign": false_campaign,
        "false of either": false_arm or false_campaign, "stopped": stopped,
        "stopped with an interval that holds zero": contradicted,
    }  # fmt: skip


def _terms_of(look: int, arms: int) -> Terms:
    shares = [(number + 1) / LOOKS for number in range(look)]
    each = 1 - (1 - LEVEL) / arms
    return Terms(
        currency="EUR", level=LEVEL, tolerance=1e12, fixed=0.0, covariates=(PAST,),
        bound=bounds(shares, level=LEVEL)[-1], bound_of_arm=bounds(shares, level=each)[-1],
    )  # fmt: skip


TERMS_OF_LOOKS = {(look, arms): _terms_of(look, arms) for look in range(1, LOOKS + 1) for arms in (1, 2, 4)}


def study_arms(rng: np.random.Generator, data: Path, draws: int) -> tuple[Rows, Rows]:
    """Several arms, judged by how many they are and by the size of control."""
    rows = list(several_arms(rng, draws))
    limits = {"some arm made money": TOLERATED, "made or lost money": EITHER, "made or probably made money": PROBABLY}
    return rows, list(_judged("arms", rows, ("arms", "control share"), limits))


def study_looks(rng: np.random.Generator, data: Path, draws: int) -> tuple[Rows, Rows]:
    """Planned looks, judged by how many arms there are and by the effect."""
    rows = list(looking(rng, draws))
    limits = {
        "false of some arm": EITHER, "false of the campaign": EITHER, "stopped with an interval that holds zero": 0.0,
    }  # fmt: skip
    return rows, list(_judged("looks", rows, ("arms", "effect"), limits))


def _judged(section: str, rows: Rows, keys: tuple[str, ...], limits: dict[str, float]) -> Iterator[dict[str, Any]]:
    for name, limit in limits.items():
        for key in keys:
            for value, share in pooled(rows, key, name):
                yield target(f"{section}: {name}, {key} {value:g}", share, limit)


__all__ = ["looking", "read", "several_arms", "study_arms", "study_looks"]
