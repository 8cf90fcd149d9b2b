"""The forecast command: tables, segments, campaigns and today's run to a margin forecast."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from netlift.config.business import BusinessSettings
from netlift.data.checks.check import read_sound
from netlift.data.checks.quality import is_revenue_based
from netlift.data.csv_lists import to_csv
from netlift.data.history import read_history
from netlift.data.read import Tables
from netlift.data.run import (
    RunFolder,
    SourceFiles,
    combine_digests,
    name_question,
    reading_tables,
    safe_key,
)
from netlift.data.write import file_digest
from netlift.decisions.eligibility.contact_history import digest_lists
from netlift.errors import UsageError
from netlift.forecast.compose import ForecastBasis, forecast_margin
from netlift.forecast.inputs import group_customers, plan_contacts, read_campaigns
from netlift.forecast.model import YEAR, lag_of
from netlift.forecast.page import forecast_document
from netlift.forecast.purchases import read_purchases
from netlift.forecast.result import MarginForecast, WhatIf
from netlift.pipelines.score import require_fresh
from netlift.progress import Progress
from netlift.registry.champions import Champion, find_champions
from netlift.registry.locks import job
from netlift.report.document import Document, Section
from netlift.report.exports import to_text
from netlift.report.files import name_files, write_out
from netlift.report.language import speak
from netlift.report.names import speak_of
from netlift.report.run import TextRun
from netlift.results import SCHEMA_VERSION, to_plain
from netlift.segments.snapshots import EDGES_FILE

if TYPE_CHECKING:
    import pyarrow as pa

FILES = name_files("forecast") | {"csv": "forecast.csv"}
LEVEL = 0.95
MOST_TIMES = 10.0


@dataclass(frozen=True, kw_only=True)
class ForecastRequest:
    """What is asked.

    Attributes:
        as_of: First day not seen, and the first of the months ahead.
        language: Of the texts, ru or en.
        what_if: Other conditions to look at beside the plan.
        run_key: Name of the output's folder; empty for one of the question.
    """

    as_of: date
    language: str
    what_if: WhatIf = field(default_factory=WhatIf)
    run_key: str = ""

    @property
    def own_key(self) -> str:
        """The key of what is asked."""
        asked = json.dumps(to_plain(self.what_if)) if self.what_if.asks else ""
        return name_question(f"{self.as_of}-{self.language}", asked)


@dataclass(frozen=True, kw_only=True)
class ForecastRun(TextRun):
    """What a job of the forecast verb did.

    Attributes:
        forecast: What it found, as in its JSON file.
    """

    forecast: Mapping[str, Any]

    RESULT = "forecast"


def forecast_business(
    settings: BusinessSettings,
    request: ForecastRequest,
    *,
    progress: Progress,
    now: datetime,
    lock_timeout: float,
) -> ForecastRun:
    """Forecast the margin of a business; write it as JSON, CSV, Markdown, HTML and XLSX, all or none.

    Args:
        settings: The business.
        request: Which day, in which language, under which key. The same key gives the same bytes, or a refusal.
        progress: Who watches.
        now: Time of the call, for the manifest.
        lock_timeout: Seconds to wait for another job with this key.

    Raises:
        UsageError: A language that netlift does not speak, a condition that cannot be, stale edges of segments, or a
            key that was written before from other inputs.
        DataError: The tables break the contract, or the newest receipt is older than the config allows.
        HistoryTooShortError: Fewer than six whole months lie before the day.
        BusyError: Another job writes this key.
    """
    speak(request.language)
    require_possible(request.what_if, settings)
    place, named = settings.state / "out" / "forecasts", safe_key(request.run_key or request.own_key)
    held = job(settings.state, f"forecast-{named}", holder=f"forecast {named}", timeout_seconds=lock_timeout)
    with held, reading_tables(settings, verb="forecast", repeatable=True) as (tables, sources):
        champions = find_champions(settings, [*settings.models])
        inputs = _input_digests(settings, champions[0], sources, request)
        run = RunFolder.find(place, request.run_key, request.own_key, inputs=inputs, files=FILES)
        if standing := ForecastRun.read(run):
            return standing
        words = speak_of(settings, request.language, tables)
        progress.stage("check", "holding the tables against the contract")
        sound, report = read_sound(tables, settings, verb="forecast")
        require_fresh(sound, request.as_of, settings.score.max_data_age_days)
        found = make_forecast(settings, sound, request, champions=champions, faulty=[*report.faulty], progress=progress)
        progress.stage("report", "pages and workbook")
        document = forecast_document(found, words)
        contents = write_out(document, {"schema_version": SCHEMA_VERSION, **to_plain(found)})
        contents["csv"] = to_csv(_rows(found))
        sources.require_unchanged()
        inputs = _input_digests(settings, champions[0], sources, request)  # with edges that were frozen meanwhile
        return ForecastRun.write(
            replace(run, inputs=inputs),
            contents,
            language=words.language,
            text=to_text(replace(document, sections=_first_read(document))),
            left_out=report.left_out_of("forecast"),
            now=now,
        )


def make_forecast(
    settings: BusinessSettings,
    tables: Tables,
    request: ForecastRequest,
    *,
    champions: tuple[list[Champion], tuple[str, ...]],
    faulty: Sequence[str],
    progress: Progress,
) -> MarginForecast:
    """The forecast; writes nothing but frozen edges of segments.

    Args:
        settings: The business.
        tables: Its tables, checked.
        request: What is asked.
        champions: The champions of the business, and the tasks without one.
        faulty: Campaigns with errors of the check.
        progress: Who watches.
    """
    as_of = request.as_of
    progress.stage("forecast", "purchases by customer and month")
    purchases = read_purchases(tables, as_of=as_of, first=read_history(tables).first)
    if request.what_if.churn != 1 and lag_of(purchases, purchases.months) < YEAR:
        raise UsageError(
            f"--churn {request.what_if.churn:g}: less than 15 months of history cannot tell leaving from the season; "
            "leave --churn out"
        )
    of_segments = [champion for champion in champions[0] if champion.task in ("churn", "ltv")], champions[1]
    groups, group_of, segment_of = group_customers(
        settings, tables, purchases, as_of=as_of, champions=of_segments, progress=progress
    )
    campaigns, told = read_campaigns(settings, tables, as_of=as_of, faulty=faulty, progress=progress)
    progress.stage("forecast", "what a run of decisions would earn today")
    asked = request.what_if.budget
    plan, why = plan_contacts(
        settings,
        tables,
        as_of=as_of,
        segment_of=segment_of,
        budgets=[] if asked is None else [asked],
        progress=progress,
    )
    if asked is not None and (plan is None or not plan.curve):
        raise UsageError(f"--budget {asked:g}: there is no plan of contacts to spend it on; leave --budget out")
    basis = ForecastBasis(
        business=settings.name,
        as_of=as_of,
        currency=settings.currency,
        level=LEVEL if settings.segments is None else settings.segments.level,
        revenue_based=is_revenue_based(tables),
        groups=groups,
        notes=(*why, *told),
    )
    progress.stage("forecast", "months ahead, and the same forecast on days past")
    return forecast_margin(basis, purchases, group_of, campaigns=campaigns, plan=plan, what_if=request.what_if)


def require_possible(what_if: WhatIf, settings: BusinessSettings) -> None:
    """Refuse conditions that cannot be.

    Raises:
        UsageError: The option, its value and what is possible.
    """
    if what_if.budget is not None and not 0 <= what_if.budget < float("inf"):
        raise UsageError(f"--budget {what_if.budget:g}: money of a run, 0 or more")
    if what_if.budget is not None and settings.decision is None:
        raise UsageError(
            f"--budget {what_if.budget:g}: config {settings.name} has no decision block, so there are no contacts to "
            "spend it on; leave --budget out, or write the block as in configs/demo.yaml"
        )
    for name, times in (("--margin", what_if.margin), ("--churn", what_if.churn)):
        if not 0 < times <= MOST_TIMES:
            raise UsageError(f"{name} {times:g}: times today's, above 0 and at most {MOST_TIMES:g}; 0.9 is 10 % less")


def _first_read(document: Document) -> tuple[Section, ...]:
    """What a terminal shows: the money, the months and what if."""
    return tuple(section for section in document.sections if section.name in ("money", "months", "what_if"))


def _rows(found: MarginForecast) -> pa.Table:
    """Every line, a row each."""
    import pyarrow as pa

    frame = found.lines.to_frame()
    money = [name for name in frame.columns if name not in ("span", "start", "end", "group")]
    frame = frame[["span", "start", "end", "group", *(name for name in money if not name.endswith("unit"))]]
    return pa.Table.from_pandas(frame.assign(currency=found.currency), preserve_index=False)


def _input_digests(
    settings: BusinessSettings, champions: Sequence[Champion], sources: SourceFiles, request: ForecastRequest
) -> dict[str, str]:
    edges = settings.state / EDGES_FILE
    digests = {f"model_{champion.task}": champion.digest for champion in champions}
    digests |= {"config": settings.digest(), "names": settings.names.digest(), "data": sources.digest}
    digests["segments"] = "" if settings.segments is None else settings.segments.digest()
    digests["decision"] = "" if settings.decision is None else settings.decision.digest()
    digests["edges"] = file_digest(edges) if edges.exists() else ""
    digests["lists"] = combine_digests(digest_lists(settings.state, own_key=""))
    digests |= {"language": request.language, "as_of": request.as_of.isoformat()}
    digests["asked"] = json.dumps(to_plain(request.what_if))
    return digests | {"inputs": combine_digests(digests)}


__all__ = ["ForecastRequest", "ForecastRun", "forecast_business", "make_forecast", "require_possible"]
