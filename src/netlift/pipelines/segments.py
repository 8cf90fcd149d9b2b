"""The segments command: snapshots, value and risk by segment, migration and survival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netlift.config.business import BusinessSettings
from netlift.config.definitions import load_definition
from netlift.data.checks.check import read_sound
from netlift.data.read import open_tables
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
from netlift.pipelines.score import require_fresh
from netlift.progress import Progress
from netlift.registry.champions import Champion, find_champions
from netlift.registry.locks import job
from netlift.report.exports import to_text
from netlift.report.files import name_files, write_out
from netlift.report.language import speak
from netlift.report.names import speak_of
from netlift.report.run import TextRun
from netlift.results import SCHEMA_VERSION, to_plain
from netlift.segments.analyse import analyse_segments
from netlift.segments.edges import read_edges
from netlift.segments.pages.page import segments_document
from netlift.segments.snapshots import EDGES_FILE, TASKS, require_segments

if TYPE_CHECKING:
    import pandas as pd

CUSTOMERS = {"customers": "customers.parquet"}


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
class SegmentRun(TextRun):
    """What a job of the segments verb did.

    Attributes:
        report: What it found, as in its JSON file.
    """

    report: Mapping[str, Any]

    RESULT = "report"


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
