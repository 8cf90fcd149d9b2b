"""Size of a universal holdout that measures the effect of all CRM over some months."""

from __future__ import annotations

from datetime import date, datetime

from netlift.abtest.assignment.audience import Question, read_audience
from netlift.abtest.assignment.holdout import holdout_half_width, holdout_share, period_of
from netlift.abtest.design.past_spend import last_window, read_spend, summarize_spend
from netlift.abtest.design.result import HoldoutRow, HoldoutSize
from netlift.abtest.design.sizing import Setup, measure
from netlift.abtest.stats import skew
from netlift.config.plan import HoldoutPlan
from netlift.data.read import Tables

SHARES = (0.005, 0.01, 0.02, 0.05, 0.1)
DAYS_A_YEAR, MONTHS_A_YEAR = 365, 12


def size_holdout(
    tables: Tables,
    *,
    end: date,
    months: int,
    level: float,
    start: datetime,
    half_width: float | None,
    planned: HoldoutPlan | None,
) -> HoldoutSize:
    """Sizes of a universal holdout, from what all customers spent in the newest months.

    Args:
        tables: The tables of a business.
        end: First day without receipts.
        months: Months that are read.
        level: Confidence of the interval.
        start: Start of the campaign, for the period of rotation.
        half_width: Wanted half-width of what all of CRM brought, currency; None where none is asked.
        planned: The holdout of the plan.

    Raises:
        DataError: Nobody was a customer, or nobody bought, in those months.
    """
    window = last_window(end, round(months * DAYS_A_YEAR / MONTHS_A_YEAR))
    everybody = read_audience(tables, Question(cutoff=window.cutoff, criteria=(), channels=()))
    spend = summarize_spend(read_spend(tables, everybody.ids, window), window, cluster=None)
    z, variance, n = skew.critical(level), spend.spread.sd**2, spend.customers
    setup = Setup(spread=spend.spread, weights={"crm": 1.0}, level=level)
    margin = spend.margin_mean * n
    shares = sorted({*SHARES, *([planned.share] if planned else [])})
    rows = []
    for share in shares:
        width = holdout_half_width(variance, customers=n, share=share, z=z)
        rows.append(
            HoldoutRow(
                share=share,
                customers=round(n * share),
                half_width=width,
                of_margin=width / margin if margin > 0 else float("nan"),
                lean=measure(setup, customers=n, control_share=share).lean,
            )
        )
    needed = None if half_width is None else holdout_share(variance, customers=n, half_width=half_width, z=z)
    period = None
    if planned is not None:
        period = period_of(start.date(), rotate_months=planned.rotate_months, washout_days=planned.washout_days)
    return HoldoutSize(
        months=months,
        customers=n,
        margin=margin,
        rows=tuple(rows),
        asked_half_width=half_width,
        share_needed=needed,
        planned=planned,
        period=period,
    )


__all__ = ["size_holdout"]
