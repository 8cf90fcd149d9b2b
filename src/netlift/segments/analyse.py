"""Analysis of segments: value and risk of each, migration, survival and payback, as of a day."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.definitions import ChurnDefinition, load_definition
from netlift.config.segments import SegmentSettings
from netlift.data.history import History, read_history
from netlift.data.read import Tables
from netlift.features.labels import build_labels
from netlift.features.queries import queries_at
from netlift.progress import Progress
from netlift.registry.champions import Champion
from netlift.results import Estimate, Table
from netlift.segments.economics import SegmentEconomics, Valuation, observed_share, summarize_segment
from netlift.segments.figures import Note
from netlift.segments.migration import trace_migration
from netlift.segments.payback import Cohorts, find_payback, read_cohorts
from netlift.segments.report import Remaining, SegmentReport
from netlift.segments.snapshots import Snapshots, Staying, require_segments, take_snapshots
from netlift.segments.sums import normal_level_sd
from netlift.segments.survival import expected_lifetime
from netlift.segments.value_segments import cross_recency_and_frequency, cross_value_and_risk

if TYPE_CHECKING:
    import pandas as pd

ALL = "all"
CURVE_STEPS = 13


def analyse_segments(
    settings: BusinessSettings,
    tables: Tables,
    *,
    as_of: date,
    previous: date | None,
    progress: Progress,
    refit: bool = False,
    champions: tuple[list[Champion], tuple[str, ...]] | None = None,
) -> tuple[SegmentReport, Snapshots]:
    """The report, and the snapshots that it was made of; writes nothing but frozen edges.

    Arguments and refusals are those of `segment_business` and `take_snapshots`.
    """
    segments, history = require_segments(settings), read_history(tables)
    churn, mature, notes = _mature_cutoff(settings.models.get("churn"), as_of, history)
    days = [day for day in (as_of, previous, mature) if day is not None]
    snapshots = take_snapshots(settings, tables, as_of=days, progress=progress, refit=refit, champions=champions)
    frame = snapshots.frames[as_of]
    lost = {} if churn is None or mature is None else _lost_shares(tables, churn, snapshots.frames[mature], segments)
    progress.stage("segments", "what each segment brings, costs and risks")
    cohorts = read_cohorts(tables, first=history.first, as_of=as_of, months=segments.payback_months)
    if cohorts.before_history:
        notes.append(Note(code="payback_before_history", values={"customers": cohorts.before_history}))
    if len(cohorts.customer_id):
        notes.append(Note(code="payback_of_whom"))
    if snapshots.horizon_days is not None and frame["ltv_sd"].isna().all():
        notes.append(Note(code="no_spread"))
    elif snapshots.horizon_days is not None and not np.isnan(snapshots.level_sd):
        error = {"share": snapshots.level_sd, "totals": snapshots.level_seen}
        notes.append(Note(code="level_error", values=error))
    valuation = Valuation(
        currency=settings.currency,
        horizon_days=snapshots.horizon_days,
        level_sd=normal_level_sd(snapshots.level_sd, snapshots.level_seen, level=segments.level),
        lifetime_years=segments.lifetime_years,
        level=segments.level,
    )
    rows = _segment_rows(frame, segments, valuation, cohorts, lost)
    value = "ltv" if snapshots.horizon_days is not None else "margin_365d"
    before = None if previous is None else snapshots.frames[previous]
    if before is not None and value == "ltv":
        without = int(frame["ltv"].isna().sum())
        notes.append(Note(code="no_value_in_migration", values={"customers": without}))
    report = SegmentReport(
        business=settings.name,
        as_of=as_of,
        previous=previous,
        currency=settings.currency,
        horizon_days=snapshots.horizon_days,
        lifetime_years=segments.lifetime_years,
        level=segments.level,
        revenue_based=snapshots.revenue_based,
        segments=Table(name="segments", rows=tuple(rows[:-1])),
        total=rows[-1],
        recency_frequency=cross_recency_and_frequency(frame),
        value_by_risk=cross_value_and_risk(frame),
        flow_value="" if before is None else value,
        flows=Table(name="migration", rows=())
        if before is None
        else trace_migration(before, frame, value=value, segments=segments.segments),
        followed_from=snapshots.staying.landmark if snapshots.staying else None,
        remaining=Table(name="remaining lifetime", rows=_remaining(snapshots.staying)),
        labels_from=mature,
        nps_days=segments.nps_days if "surveys" in tables else None,
        versions=snapshots.versions,
        notes=(*snapshots.notes, *notes),
    )
    return report, snapshots


def _segment_rows(
    frame: pd.DataFrame,
    segments: SegmentSettings,
    valuation: Valuation,
    cohorts: Cohorts,
    lost: dict[str, Estimate | None],
) -> list[SegmentEconomics]:
    """A row per segment, and last that of all."""
    segment_of = frame.set_index("customer_id")["segment"].reindex(cohorts.customer_id).to_numpy()

    def row(name: str, own: pd.DataFrame, acquired: Cohorts, strategy: str) -> SegmentEconomics:
        return summarize_segment(
            own,
            segment=name,
            strategy=strategy,
            of_customers=len(frame),
            valuation=valuation,
            payback=find_payback(acquired, level=segments.level),
            lost=lost.get(name),
        )

    rows = [
        row(name, frame[frame["segment"] == name], cohorts.take(segment_of == name), segments.strategies[name])
        for name in segments.segments
    ]
    return [*rows, row(ALL, frame, cohorts, "")]


def _mature_cutoff(
    path: Path | None, as_of: date, history: History
) -> tuple[ChurnDefinition | None, date | None, list[Note]]:
    """The newest day whose label of churn is whole by `as_of`."""
    if path is None:
        return None, None, []
    definition = load_definition(path, "churn")
    if not isinstance(definition, ChurnDefinition):
        return None, None, []
    windows = definition.windows
    mature = as_of - timedelta(days=windows.gap_days + windows.horizon_days)
    if (mature - history.first).days < windows.horizon_days:
        return definition, None, [Note(code="lost_not_known")]
    return definition, mature, []


def _lost_shares(
    tables: Tables, churn: ChurnDefinition, frame: pd.DataFrame, segments: SegmentSettings
) -> dict[str, Estimate | None]:
    """Share lost of each segment as it was then, and of all, by the label of the churn model and its population."""
    limit = churn.population.active_within_days
    asked = frame if limit is None else frame[frame["days_since_last_purchase"] <= limit]
    if not len(asked):
        return {}
    windows, day = churn.windows, asked["as_of"].iloc[0]
    start = day + timedelta(days=windows.gap_days)
    if churn.label.kind == "cancellation":
        customers = tables["customers"]
        rows = tables.connection.to_pyarrow(customers.select("customer_id", "cancelled_at")).to_pandas()
        at = rows.set_index("customer_id")["cancelled_at"].reindex(asked["customer_id"]).to_numpy("datetime64[us]")
        end = np.datetime64(start, "us") + np.timedelta64(windows.horizon_days, "D")
        gone = (at >= np.datetime64(start, "us")) & (at < end)
    else:
        queries = queries_at(asked["customer_id"].to_numpy(dtype=object), np.array([day], dtype="datetime64[us]"))
        labels = build_labels(tables, queries, gap_days=windows.gap_days, horizon_days=windows.horizon_days)
        gone = labels.purchases == 0
    method = f"label of {windows.horizon_days} days after {start}"
    segment = asked["segment"].to_numpy()
    shares = {
        name: observed_share(gone[segment == name], level=segments.level, method=method) for name in segments.segments
    }
    return {**shares, ALL: observed_share(gone, level=segments.level, method=method)}


def _remaining(staying: Staying | None) -> tuple[Remaining, ...]:
    if staying is None:
        return ()
    rows = []
    for name, curve in staying.curves.items():
        lifetime = expected_lifetime(curve)
        steps = np.unique(np.linspace(0, curve.follow_days, CURVE_STEPS).round())
        rows.append(
            Remaining(
                segment=name,
                customers=curve.customers,
                lost=int(curve.lost.sum()),
                within=lifetime.within,
                beyond_days=lifetime.beyond_days if np.isfinite(lifetime.beyond_days) else None,
                curve={f"{day:g}": float(share) for day, share in zip(steps, curve.at(steps), strict=True)},
            )
        )
    return tuple(rows)


__all__ = ["analyse_segments"]
