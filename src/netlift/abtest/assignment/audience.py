"""Audience of a campaign as of a cutoff: known, eligible, consenting and not held out, counted at each step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.abtest.assignment.draw import sample_customers
from netlift.abtest.assignment.holdout import is_held_out, period_of
from netlift.config.business import BusinessSettings
from netlift.config.criteria import BEHAVIOURS, SEGMENT, Criterion
from netlift.config.plan import HoldoutPlan
from netlift.config.settings import did_you_mean
from netlift.data.contract import CONSENT_PREFIX, CONTROL
from netlift.data.read import Tables
from netlift.errors import DataError, GateRefusedError, UsageError
from netlift.progress import Progress

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pandas as pd

YEAR_DAYS = 365
MISSING = "(missing)"


@dataclass(frozen=True, kw_only=True)
class Question:
    """Who is asked for.

    Attributes:
        cutoff: Moment of assignment; only rows strictly before it count.
        criteria: Conditions that all hold.
        channels: Channels that everybody has consented to.
        columns: Columns of customers to bring along, as text.
        holdout: The universal holdout, left out; None without.
        cluster: Column of customers who are drawn together; one of `columns`.
        limit: At most so many, drawn by chance; None for all.
        salt: What that draw depends on.
    """

    cutoff: datetime
    criteria: tuple[Criterion, ...]
    channels: tuple[str, ...]
    columns: tuple[str, ...] = ()
    holdout: HoldoutPlan | None = None
    cluster: str | None = None
    limit: int | None = None
    salt: str = ""


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Who it is.

    Attributes:
        frame: customer_id and the columns asked for, in the order of customer_id.
        steps: Customers left after each step: known, eligible, consenting, not_held_out, taken.
        held_out: Customers of all steps before whom the universal holdout took.
    """

    frame: pd.DataFrame
    steps: Mapping[str, int]
    held_out: int

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def ids(self) -> list[str]:
        """Customers in the order of the frame."""
        return list(self.frame["customer_id"])

    def values(self, column: str) -> list[str]:
        """Text of a column, what is missing named so."""
        return [MISSING if value is None else value for value in self.frame[column]]

    def clusters(self, column: str | None) -> list[str | None] | None:
        """Cluster of each customer, None for who has none; None without a column."""
        return None if column is None else list(self.frame[column])


def read_audience(tables: Tables, question: Question, *, segment_of: Mapping[str, str] | None = None) -> Audience:
    """The customers that a question asks for.

    Args:
        tables: The tables of a business.
        question: Who is asked for.
        segment_of: Segment of each customer as of the cutoff; needed where the question speaks of segments.

    Raises:
        UsageError: A condition or a column on what nobody knows of customers.
        GateRefusedError: No column of consent for a channel: nobody may be contacted by it.
        DataError: Nobody is left.
    """
    _require_columns(tables, question)
    rows = _described(tables, question).to_pyarrow().to_pandas()
    rows = rows.sort_values("customer_id", ignore_index=True).astype(object)
    rows = rows.where(rows.notna(), None)
    if segment_of is not None:
        rows[SEGMENT] = [segment_of.get(customer) for customer in rows["customer_id"]]
    steps = {"known": len(rows)}
    rows = rows[_all_hold(rows, question.criteria)]
    steps["eligible"] = len(rows)
    for channel in question.channels:
        rows = rows[rows[CONSENT_PREFIX + channel] == True]  # noqa: E712 - objects: null is no consent
    steps["consenting"] = len(rows)
    kept = _not_held_out(rows, question)
    held_out, rows = int((~kept).sum()), rows[kept]
    steps["not_held_out"] = len(rows)
    if question.limit is not None and question.limit < len(rows):
        cluster = list(rows[question.cluster]) if question.cluster else None
        rows = rows[
            sample_customers(list(rows["customer_id"]), limit=question.limit, salt=question.salt, cluster=cluster)
        ]
    steps["taken"] = len(rows)
    if rows.empty:
        told = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in steps.items())
        raise DataError(
            f"customers: nobody is left to assign as of {question.cutoff:%Y-%m-%d} ({told}); widen eligible"
        )
    return Audience(
        frame=rows[["customer_id", *question.columns]].reset_index(drop=True), steps=steps, held_out=held_out
    )


def read_segments(
    settings: BusinessSettings, tables: Tables, day: date, *, names: Iterable[str], progress: Progress
) -> Mapping[str, str] | None:
    """Value segment of each customer as of a day; None where none of the names is `segment`.

    Raises:
        ConfigError: The config has no segments.
    """
    if SEGMENT not in names:
        return None
    from netlift.segments.snapshots import take_snapshots

    frame = take_snapshots(settings, tables, as_of=[day], progress=progress).frames[day]
    return dict(zip(frame["customer_id"], frame[SEGMENT], strict=True))


def _require_columns(tables: Tables, question: Question) -> None:
    found = list(tables["customers"].columns)
    known = [name for name in found if name not in ("customer_id", "joined_at", "birth_date", "cancelled_at")]
    for name in question.columns:
        if name not in (*found, SEGMENT):
            raise UsageError(
                f"customers: no column {name!r}{did_you_mean(name, known)}. A column of yours has to stand under "
                "data.attributes of the config"
            )
    for criterion in question.criteria:
        if criterion.name not in (*BEHAVIOURS, SEGMENT, *known):
            hint = did_you_mean(criterion.name, [*BEHAVIOURS, SEGMENT, *known])
            raise UsageError(f"--eligible: nothing called {criterion.name!r} is known of customers{hint}")
    for channel in question.channels:
        if not tables.has("customers", CONSENT_PREFIX + channel):
            has = [name.removeprefix(CONSENT_PREFIX) for name in found if name.startswith(CONSENT_PREFIX)]
            raise GateRefusedError(
                f"customers: no column {CONSENT_PREFIX}{channel}, so nobody is known to have agreed to {channel}"
                f"{did_you_mean(channel, has)}. Add the column, true for who agreed; nobody is contacted without it"
            )


def _described(tables: Tables, question: Question) -> ir.Table:
    """Customers who had joined and not left by the cutoff, with what the question needs to know of them."""
    people, cutoff = tables["customers"], question.cutoff
    people = people.filter(people.joined_at < cutoff)
    people = people.filter(people.cancelled_at.isnull() | (people.cancelled_at >= cutoff))
    asked = {criterion.name for criterion in question.criteria}
    consents = [CONSENT_PREFIX + channel for channel in question.channels]
    plain = {name for name in (*question.columns, *asked, *consents) if name in people.columns}
    kept = {name: people[name] for name in sorted(plain)}
    for name in question.columns:
        if name in kept:
            kept[name] = kept[name].cast("string")
    if "tenure_days" in asked:
        kept["tenure_days"] = people.joined_at.date().delta(cutoff.date(), unit="day") * -1
    rows = people.select("customer_id", **kept)
    if asked & {"days_since_last_purchase", "purchase_days_365d", "margin_365d", "revenue_365d"}:
        rows = _with(rows, _receipts_of(tables, cutoff), zero=("purchase_days_365d", "margin_365d", "revenue_365d"))
    if "days_since_last_contact" in asked:
        rows = _with(rows, _contacts_of(tables, cutoff), zero=())
    return rows


def _receipts_of(tables: Tables, cutoff: datetime) -> ir.Table:
    receipts = tables["transactions"]
    receipts = receipts.filter(receipts.occurred_at < cutoff)
    bought = ~receipts.is_return.coalesce(receipts.revenue < 0)
    recent = receipts.occurred_at >= cutoff - timedelta(days=YEAR_DAYS)
    day = receipts.occurred_at.date()
    return receipts.group_by("customer_id").aggregate(
        days_since_last_purchase=day.max(where=bought).delta(cutoff.date(), unit="day") * -1,
        purchase_days_365d=day.nunique(where=bought & recent),
        margin_365d=receipts.margin.sum(where=recent),
        revenue_365d=receipts.revenue.sum(where=recent),
    )


def _contacts_of(tables: Tables, cutoff: datetime) -> ir.Table:
    """Days since a customer was last drawn into any arm but control."""
    if "contacts" not in tables:
        raise DataError("--eligible days_since_last_contact needs the table contacts; name it in the config")
    contacts = tables["contacts"]
    sent = contacts.filter((contacts.assigned_at < cutoff) & (contacts.offer_id != CONTROL))
    day = sent.assigned_at.date().max()
    return sent.group_by("customer_id").aggregate(days_since_last_contact=day.delta(cutoff.date(), unit="day") * -1)


def _with(rows: ir.Table, more: ir.Table, *, zero: Sequence[str]) -> ir.Table:
    joined = rows.left_join(more.rename(other_id="customer_id"), rows.customer_id == more.customer_id)
    return joined.mutate(**{name: joined[name].coalesce(0) for name in zero}).drop("other_id")


def _all_hold(rows: pd.DataFrame, criteria: Sequence[Criterion]) -> np.ndarray:
    kept = np.ones(len(rows), dtype=bool)
    for criterion in criteria:
        kept &= _holds(list(rows[criterion.name]), criterion)
    return kept


def _holds(values: list[Any], criterion: Criterion) -> np.ndarray:
    """Whether a condition holds for each value; for none that is missing."""
    known = np.array([value is not None for value in values], dtype=bool)
    numbers = criterion.sign not in ("=", "!=") or any(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )
    if not numbers:
        wanted = {word.lower() if word.lower() in ("true", "false") else word for word in criterion.values}
        texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
        equal = np.array([text in wanted for text in texts], dtype=bool)
        return known & (equal if criterion.sign == "=" else ~equal)
    try:
        found = np.array([np.nan if value is None else float(value) for value in values])
        asked = np.array([float(word) for word in criterion.values])
    except (TypeError, ValueError) as error:
        raise UsageError(f"--eligible: {criterion.name} {criterion.sign} compares a number with words") from error
    with np.errstate(invalid="ignore"):
        answer = {
            "<": found < asked[0],
            "<=": found <= asked[0],
            ">": found > asked[0],
            ">=": found >= asked[0],
            "=": np.isin(found, asked),
            "!=": ~np.isin(found, asked),
        }[criterion.sign]
    return known & answer


def _not_held_out(rows: pd.DataFrame, question: Question) -> np.ndarray:
    holdout = question.holdout
    if holdout is None:
        return np.ones(len(rows), dtype=bool)
    period = period_of(question.cutoff.date(), rotate_months=holdout.rotate_months, washout_days=holdout.washout_days)
    cluster = list(rows[question.cluster]) if question.cluster else None
    return ~is_held_out(
        list(rows["customer_id"]), share=holdout.share, salt=holdout.salt, period=period, cluster=cluster
    )


__all__ = ["MISSING", "Audience", "Question", "read_audience", "read_segments"]
