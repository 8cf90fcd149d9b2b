"""The segments command: snapshots, value and risk by segment, migration and survival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.config.business import BusinessSettings
from netlift.config.definitions import ChurnDefinition, load_definition
from netlift.config.segments import SegmentSettings
from netlift.data.checks.check import read_sound
from netlift.data.history import History, read_history
from netlift.data.read import Tables, open_tables
from netlift.data.run import (
    RunFolder,
    SourceFiles,
    combine_digests,
    find_sources,
    name_question,
    safe_key,
)
from netlift.data.write import parquet_writer
from netlift.errors import UsageError
from netlift.features.labels import build_labels
from netlift.features.queries import queries_at
from netlift.pipelines.score import require_fresh
from netlift.progress import Progress
from netlift.registry.champions import Champion, find_champions
from netlift.registry.locks import job
from netlift.report.exports import to_text
from netlift.report.files import name_files, write_out
from netlift.report.language import speak
from netlift.report.names import speak_of
from netlift.report.run import ReportRun
from netlift.results import SCHEMA_VERSION, Estimate, Table, to_plain
from netlift.segments.economics import SegmentRow, Valuation, observed_share, summarize_segment
from netlift.segments.edges import read_edges
from netlift.segments.figures import Note
from netlift.segments.migration import trace_migration
from netlift.segments.pages.page import segments_document
from netlift.segments.payback import Cohorts, find_payback, read_cohorts
from netlift.segments.report import Remaining, SegmentReport
from netlift.segments.snapshots import EDGES_FILE, TASKS, Snapshots, Staying, require_segments, take_snapshots
from netlift.segments.sums import normal_level_sd
from netlift.segments.survival import expected_lifetime
from netlift.segments.value_segments import cross_recency_and_frequency, cross_value_and_risk

if TYPE_CHECKING:
    import pandas as pd

CUSTOMERS = {"customers": "customers.parquet"}
ALL = "all"
CURVE_STEPS = 13


@dataclass(frozen=True, kw_only=True)
class SegmentRequest:
    """What is asked of the verb.

    Attributes:
        as_of: First day not seen.
        previous: An earlier day to compare with; None for no migration.
        language: Of the texts, ru or en.
        pdf: Whether a PDF is printed too.
        browser: Where Chromium is; searched when None.
        run_key: Name of the output's folder; empty for one of the days and the language.
    """

    as_of: date
    previous: date | None
    language: str
    pdf: bool = False
    browser: Path | None = None
    run_key: str = ""

    @property
    def own_key(self) -> str:
        """The key of what is asked."""
        since = f"-since-{self.previous}" if self.previous else ""
        return name_question(f"{self.as_of}{since}-{self.language}", "pdf" if self.pdf else "")

    @property
    def files(self) -> dict[str, str]:
        """Name in the manifest's digests to file."""
        return CUSTOMERS | name_files("segments", pdf=self.pdf)


@dataclass(frozen=True, kw_only=True)
class SegmentRun(ReportRun):
    """What a job of the segments verb did.

    Attributes:
        text: What is read first.
        report: What it found, as in its JSON file.
    """

    text: str
    report: Mapping[str, Any]

    RESULT = "report"

    @property
    def first_read(self) -> str:
        """What is read first."""
        return self.text


def segment_business(
    settings: BusinessSettings,
    request: SegmentRequest,
    *,
    progress: Progress,
    now: datetime,
    lock_timeout: float,
    refit: bool = False,
) -> SegmentRun:
    """Divide the customers of a business; write them, and the report as JSON, Markdown, HTML, XLSX, and PDF if asked.

    Args:
        settings: The business.
        request: Which days, in which language, under which key. The same key gives the same bytes, or a refusal.
        progress: Who watches.
        now: Time of the call, for the manifest.
        lock_timeout: Seconds to wait for another job with this key.
        refit: Freeze new edges in place of those that stand.

    Raises:
        ConfigError: The config has no segments, or a PDF is asked for and there is no Chromium.
        UsageError: A language that netlift does not speak, the frozen edges are stale, or the key was written before
            from other inputs.
        DataError: Nobody bought, or the newest receipt is older than the config allows.
        BusyError: Another job writes this key.
    """
    speak(request.language)
    as_of, previous = request.as_of, request.previous
    require_segments(settings)
    if previous is not None and previous >= as_of:
        raise UsageError(f"--previous {previous} must be before --as-of {as_of}")
    place, own = settings.state / "out" / "segments", request.own_key
    named = safe_key(request.run_key or own)
    lock = f"segments-{named}"
    with job(settings.state, lock, holder=f"segments {named}", timeout_seconds=lock_timeout, needed_mb=200):
        champions = find_champions(settings, [task for task in TASKS if task in settings.models])
        sources = find_sources(settings)
        inputs = _input_digests(settings, champions[0], sources, request)
        if refit and (place / named).exists():
            raise UsageError(
                f"run key {named} was written over the edges as they stand; give --refit another --run-key"
            )
        edges = read_edges(settings.state / EDGES_FILE)
        asked = _with_edges(inputs, edges.digest if edges else "")
        run = RunFolder.find(place, request.run_key, own, inputs=asked, files=request.files)
        if standing := SegmentRun.read(run):
            return standing
        with open_tables(settings, verb="segments", repeatable=True) as tables:
            words = speak_of(settings, request.language, tables)
            progress.stage("check", "holding the tables against the contract")
            tables, checked = read_sound(tables, settings, verb="segments")
            require_fresh(tables, as_of, settings.score.max_data_age_days)
            report, snapshots = analyse_segments(
                settings,
                tables,
                as_of=as_of,
                previous=previous,
                progress=progress,
                refit=refit,
                champions=champions,
            )
        sources.require_unchanged()
        progress.stage("report", "pages and workbook")
        document = segments_document(report, words)
        result = {"schema_version": SCHEMA_VERSION, **to_plain(report)}
        contents = write_out(document, result, pdf=request.pdf, browser=request.browser)
        return SegmentRun.write(
            replace(run, inputs=_with_edges(inputs, snapshots.edges.digest), access=settings.ids_readable_by),
            {**contents, "customers": partial(_write_customers, frame=snapshots.frames[as_of])},
            language=words.language,
            text=to_text(replace(document, sections=document.sections[:1])),
            left_out=checked.left_out_of("segments"),
            now=now,
            about={"as_of": as_of, "customers": report.total.customers},
        )


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
    churn, mature, notes = _mature_cutoff(settings, as_of, history)
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
) -> list[SegmentRow]:
    """A row per segment, and last that of all."""
    segment_of = frame.set_index("customer_id")["segment"].reindex(cohorts.customer_id).to_numpy()

    def row(name: str, own: pd.DataFrame, acquired: Cohorts, strategy: str) -> SegmentRow:
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
    settings: BusinessSettings, as_of: date, history: History
) -> tuple[ChurnDefinition | None, date | None, list[Note]]:
    """The newest day whose label of churn is whole by `as_of`."""
    if "churn" not in settings.models:
        return None, None, []
    definition = load_definition(settings.models["churn"], "churn")
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


def _write_customers(path: Path, frame: pd.DataFrame) -> None:
    import pyarrow as pa

    found = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    wordless = (pa.types.is_null, pa.types.is_large_string)
    schema = [f.with_type(pa.string()) if any(is_(f.type) for is_ in wordless) else f for f in found.schema]
    table = found.cast(pa.schema(schema))
    with parquet_writer(path, table.schema) as writer:
        writer.write_table(table)


def _input_digests(
    settings: BusinessSettings, champions: Sequence[Champion], sources: SourceFiles, request: SegmentRequest
) -> dict[str, str]:
    digests = {f"model_{champion.task}": champion.digest for champion in champions}
    if "churn" in settings.models:
        digests["definition_churn"] = load_definition(settings.models["churn"], "churn").digest()
    digests |= {
        "config": settings.digest(),
        "names": settings.names.digest(),
        "segments": require_segments(settings).digest(),
    }
    digests |= {"data": sources.digest, "language": request.language}
    return digests | {"previous": str(request.previous), "as_of": str(request.as_of), "pdf": str(request.pdf)}


def _with_edges(inputs: dict[str, str], edges: str) -> dict[str, str]:
    digests = {**inputs, "edges": edges}
    return digests | {"inputs": combine_digests(digests)}
