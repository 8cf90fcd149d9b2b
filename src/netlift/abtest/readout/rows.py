"""Campaign parameters and the rows from which a readout is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from netlift.abtest.readout.checks import FEWEST_CUSTOMERS
from netlift.abtest.readout.result import AmongCampaigns
from netlift.abtest.stats.outcomes import SECONDS_A_DAY, Spans, assigned_outcomes, campaign_contacts
from netlift.config.plan import Plan
from netlift.config.readout import ReadoutSettings
from netlift.data.assigned_days import AssignedDays, common_starts, read_assigned_days
from netlift.data.checks.findings import Finding
from netlift.data.contract import CONTROL
from netlift.data.history import seen_until
from netlift.data.read import Tables
from netlift.errors import DataError

if TYPE_CHECKING:
    import ibis.expr.types as ir

FEWEST_DAYS_AFTER = 7
FEWEST_ARMS = 2


@dataclass(frozen=True, kw_only=True)
class ReadoutRequest:
    """What is asked.

    Attributes:
        campaign_id: The campaign.
        plan: What was decided before it, if a plan was written.
        as_of: First moment not seen; None for the end of the receipts, which a later moment stands for too.
        split_by: Columns of customers, `segment` or `strategy`, beyond those of plan and config: exploratory.
        tolerance: Loss that is immaterial, in currency; None for that of plan or config.
        plans: Plans of other campaigns of the business, which name their fixed costs.
        faults: Campaign to the errors that the check found of it; None where nobody checked.
        among: Asks the portfolio, as of a moment, what it says of each campaign and arm; None where nobody does.
    """

    campaign_id: str
    plan: Plan | None = None
    as_of: datetime | None = None
    split_by: tuple[str, ...] = ()
    tolerance: float | None = None
    plans: tuple[Plan, ...] = ()
    faults: Mapping[str, Sequence[Finding]] | None = None
    among: Callable[[datetime], Mapping[str, Mapping[str, AmongCampaigns]]] | None = None


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign as the tables describe it.

    Attributes:
        campaign_id: Its id.
        name: What the business calls it.
        fixed_cost: Its fixed cost.
        outcome_days: Length of its outcome window.
        randomized: Whether it says so; None where it says nothing.
        until: First moment not seen.
        unseen_days: Days by which the receipts end before the moment that was asked for.
        started: First assignment.
        ended: End of the last window.
        open_windows: Customers whose window is not over, or not covered by receipts.
        days: On which days the arms were assigned.
        since: The moment from which all its customers are read, by its id; empty where each is from his own assignment.
        after_days: Days behind the window that are seen of everybody; 0 where they are too few to read.
    """

    campaign_id: str
    name: str
    fixed_cost: float
    outcome_days: int
    randomized: bool | None
    until: datetime
    unseen_days: float
    started: datetime
    ended: datetime
    open_windows: int
    days: AssignedDays
    since: Mapping[str, datetime]
    after_days: int


def describe_campaign(tables: Tables, request: ReadoutRequest, settings: ReadoutSettings) -> Campaign:
    """Look the campaign up.

    Raises:
        UsageError: A campaign that the tables do not have.
        DataError: Nobody was assigned, or nobody to control.
    """
    until = seen_until(tables, request.as_of)
    contacts = campaign_contacts(tables, [request.campaign_id], until=until)
    days = read_assigned_days(contacts.rename(offer_id="arm"))
    campaigns = tables["campaigns"]
    row = campaigns.filter(campaigns.campaign_id == request.campaign_id).to_pyarrow().to_pylist()[0]
    since = common_starts(days, {request.campaign_id: row["outcome_days"]})
    if since:
        contacts = campaign_contacts(tables, [request.campaign_id], until=until, since=since)
    spans = contacts.aggregate(
        started=contacts.assigned_at.min(),
        first_end=contacts.ends_at.min(),
        ended=contacts.ends_at.max(),
        open=(contacts.ends_at > until).sum(),
        control=(contacts.arm == CONTROL).sum(),
        rows=contacts.count(),
    )
    found = spans.to_pyarrow().to_pylist()[0]
    if not found["rows"]:
        raise DataError(
            f"contacts: nobody was assigned in campaign {request.campaign_id!r} before {until:%Y-%m-%d}; a readout "
            "needs who was drawn into which arm"
        )
    if not found["control"] or found["control"] == found["rows"]:
        what, arm = ("no", f"the {CONTROL} arm") if not found["control"] else ("nothing but", "control")
        raise DataError(
            f"contacts: campaign {request.campaign_id!r} has {what} row of {arm} among {found['rows']:,}; without "
            "customers left alone, and others who were not, nobody can say what the contact earned"
        )
    behind = (until - found["ended"]).days
    after = min(settings.after_days, behind)
    return Campaign(
        campaign_id=request.campaign_id,
        name=row.get("name") or (request.plan.name if request.plan else "") or request.campaign_id,
        fixed_cost=float(row.get("fixed_cost") or (request.plan.fixed_cost if request.plan else 0.0)),
        outcome_days=int(row["outcome_days"]),
        randomized=row.get("randomized"),
        until=until,
        unseen_days=max((request.as_of - until).total_seconds() / SECONDS_A_DAY, 0.0) if request.as_of else 0.0,
        started=found["started"],
        ended=found["ended"],
        open_windows=int(found["open"] or 0),
        days=days[request.campaign_id],
        since=since,
        after_days=after if after >= FEWEST_DAYS_AFTER else 0,
    )


def assigned_rows(
    tables: Tables,
    campaign: Campaign,
    settings: ReadoutSettings,
    *,
    dimensions: Sequence[str],
    household: str | None,
) -> ir.Table:
    """One row per assigned customer, in Ibis; who shares a household with nobody is one by himself."""
    spans = Spans(
        pre_days=settings.pre_days, after_days=campaign.after_days, until=campaign.until, since=campaign.since
    )
    columns = tuple(dict.fromkeys([*dimensions, *([household] if household else [])]))
    rows = assigned_outcomes(tables, [campaign.campaign_id], spans, dimensions=columns)
    if household is None or household in dimensions:
        return rows
    return rows.mutate(**{household: rows[household].coalesce("customer " + rows.customer_id)})


def without_small_arms(rows: ir.Table) -> tuple[ir.Table, int]:
    """Rows without those of arms too small to tell an effect from chance, and how many these were.

    All rows where nothing else could be compared: a check then says what is missing, and takes the verdict.
    """
    sizes = {row["arm"]: row["n"] for row in rows.group_by("arm").aggregate(n=rows.count()).to_pyarrow().to_pylist()}
    small = [arm for arm, n in sizes.items() if n < FEWEST_CUSTOMERS]
    if not small or CONTROL in small or len(sizes) - len(small) < FEWEST_ARMS:
        return rows, 0
    return rows.filter(rows.arm.notin(small)), sum(sizes[arm] for arm in small)
