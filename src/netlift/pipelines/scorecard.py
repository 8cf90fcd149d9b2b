"""The scorecard command: months, snapshots, sums and figures as four files."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from netlift.config.business import BusinessSettings
from netlift.config.definitions import ChurnDefinition, load_definition
from netlift.data.checks.check import read_sound
from netlift.data.checks.quality import measure_quality
from netlift.data.history import History, read_history
from netlift.data.read import Tables
from netlift.data.run import (
    RunFolder,
    SourceFiles,
    combine_digests,
    reading_tables,
)
from netlift.data.write import file_digest
from netlift.progress import Progress
from netlift.registry.champions import Champion, find_champions
from netlift.registry.locks import job
from netlift.report.document import Document
from netlift.report.files import name_files, write_out
from netlift.report.language import speak
from netlift.report.names import speak_of
from netlift.report.run import ReportRun
from netlift.scorecards.build import build_scorecard
from netlift.scorecards.campaign_effects import read_effects, read_readouts
from netlift.scorecards.months import Span, plan_months
from netlift.scorecards.page import scorecard_document
from netlift.segments.figures import Basis, CampaignEffect, Note, Scorecard
from netlift.segments.metrics import Source
from netlift.segments.monthly import OUTSIDE, ChurnRule, Month, sum_channels, sum_month
from netlift.segments.snapshots import EDGES_FILE, TASKS, Snapshots, require_segments, take_snapshots
from netlift.segments.sums import normal_level_sd

if TYPE_CHECKING:
    import pandas as pd

FILES = name_files("scorecard")
CUSTOMERS_AT_ONCE = 2_000_000


@dataclass(frozen=True, kw_only=True)
class ScorecardSummary(ReportRun):
    """What the verb wrote.

    Attributes:
        until: The newest month shown, its first day.
        months: How many are shown.
        lines: What is read first: the money, and what changed.
        scorecard: The scorecard, as in its JSON file.
    """

    until: date
    months: int
    lines: tuple[str, ...]
    scorecard: Mapping[str, Any]

    RESULT = "scorecard"
    CONVERTED: ClassVar = {"until": date.fromisoformat, "lines": tuple}

    @property
    def first_read(self) -> str:
        """What is read first."""
        return "\n".join(self.lines).rstrip("\n")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of the scorecard.

    Attributes:
        months: How many whole months to show at most.
        until: Any day of the newest month; None for the last whole one.
        language: Of the texts, ru or en.
        run_key: Name of the output's folder; empty for one of month, months and language.
    """

    months: int
    until: date | None
    language: str
    run_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What a scorecard says beyond the tables.

    Attributes:
        champions: The champions of churn and ltv, and the tasks that have none.
        effects: What the contacts of a month earned, where there are readouts.
        notes: What to know.
    """

    champions: tuple[list[Champion], tuple[str, ...]]
    effects: Mapping[Month, CampaignEffect]
    notes: tuple[Note, ...] = ()


def make_scorecard(
    settings: BusinessSettings,
    request: Request,
    *,
    readouts: Sequence[Path],
    progress: Progress,
    now: datetime,
    lock_timeout: float,
) -> ScorecardSummary:
    """Make the scorecard of a business and write it as JSON, Markdown, HTML and XLSX, all or none.

    Args:
        settings: The business, with its segments.
        request: Which months, in which language, under which key.
        readouts: Files that may hold readouts of campaigns.
        progress: Who watches.
        now: Time of the call, for the manifest.
        lock_timeout: Seconds to wait for another scorecard of this business.

    Raises:
        UsageError: A month that is not whole, a language that netlift does not speak, or a key that was written
            before from other inputs.
        ConfigError: The config has no segments.
        DataError: The tables break the contract, or a readout cannot be read.
        HistoryTooShortError: The data hold no whole month.
        BusyError: Another scorecard is being made.
    """
    speak(request.language)
    require_segments(settings)
    held = job(settings.state, "scorecard", timeout_seconds=lock_timeout)
    with held, reading_tables(settings, verb="scorecard", repeatable=True) as (tables, files):
        words = speak_of(settings, request.language, tables)
        span = plan_months(read_history(tables), months=request.months, until=request.until, words=words)
        champions = find_champions(settings, [task for task in TASKS if task in settings.models])
        shape = f"{span.shown[0]}..{span.shown[-1]} {words.language}"
        inputs = _input_digests(settings, champions, files, readouts, shape)
        place = settings.state / "out" / "scorecard"
        own = f"{span.shown[-1]}-{len(span.shown)}m-{words.language}"
        run = RunFolder.find(place, request.run_key, own, inputs=inputs, files=FILES)
        if standing := ScorecardSummary.read(run):
            return standing
        progress.stage("check", "holding the tables against the contract")
        sound, report = read_sound(tables, settings, verb="scorecard")
        effects, partial = read_effects(sound, read_readouts(readouts), (*span.shown, *span.compared), words)
        sources = Sources(champions=champions, effects=effects, notes=(*span.notes, *partial))
        card = compute_scorecard(settings, sound, span, sources, progress=progress)
        progress.stage("quality", "rows, delays and findings by month")
        quality = measure_quality(tables, settings, months=[(month.first, month.end) for month in span.shown])
        document = scorecard_document(card, quality, words)
        progress.stage("report", "pages and workbook")
        contents = write_out(document, {**card.to_document(), "quality": quality.to_dicts()})
        files.require_unchanged()
        inputs = _input_digests(settings, champions, files, readouts, shape)  # with the edges frozen meanwhile
        return ScorecardSummary.write(
            replace(run, inputs=inputs),
            contents,
            until=card.newest,
            months=len(card.months),
            language=words.language,
            lines=[*first_lines(document)],
            left_out=report.left_out_of("scorecard"),
            now=now,
        )


def compute_scorecard(
    settings: BusinessSettings, tables: Tables, span: Span, sources: Sources, *, progress: Progress
) -> Scorecard:
    """The scorecard of some months.

    Args:
        settings: The business, with its segments.
        tables: Its tables.
        span: The months.
        sources: What it says beyond the tables.
        progress: Who watches.
    """
    segments = require_segments(settings)
    rule = _churn_rule(settings, read_history(tables))
    wanted = sorted({*span.shown, *span.compared})
    sums: dict[Month, pd.DataFrame] = {}
    told: list[Note] = []
    for part in _parts(tables, wanted):
        days = [month.first for month in part]
        taken = take_snapshots(settings, tables, as_of=days, progress=progress, champions=sources.champions)
        told += [note for note in taken.notes if note not in told]
        for month in part:
            sums[month] = sum_month(tables, month, taken.frames[month.first], lost=segments.lost, rule=rule)
            progress.advance("scorecard", len(sums), len(wanted), f"{month}")
    notes = [*sources.notes, Note(code="past_models"), Note(code="joined_have_no_segment")]
    if any(OUTSIDE in frame.index for frame in sums.values()):
        notes.append(Note(code="outside"))
    basis = Basis(
        business=settings.name,
        currency=settings.currency,
        segments=segments.segments,
        ltv_horizon_days=taken.horizon_days,
        level_sd=0.0 if math.isnan(taken.level_sd) else normal_level_sd(taken.level_sd, taken.level_seen),
        lost=segments.lost,
        rule=rule,
        missing=frozenset(_missing(tables, taken, rule, silence=segments.lost.silence_days)),
        versions=dict(taken.versions),
    )
    return build_scorecard(
        basis,
        sums,
        shown=span.shown,
        channels=sum_channels(tables, span.shown),
        effects=sources.effects,
        notes=[*notes, *told],
    )


def first_lines(document: Document) -> Iterator[str]:
    """What is read first, as lines of text."""
    yield document.title
    yield document.subtitle
    for section in document.sections[:2]:
        yield ""
        yield section.title
        for card in section.cards:
            interval = document.show_small(card.cell)
            figure = document.show(card.cell) + (f" ({interval})" if interval else "")
            yield "; ".join([f"  {card.title}: {figure}", *(text for text, _ in card.lines)])
        yield from (f"  {item}" for item in section.items)
    yield ""


def _parts(tables: Tables, months: Sequence[Month]) -> Iterator[Sequence[Month]]:
    """Months whose snapshots are held at once, so that memory does not grow with their number."""
    customers = int(tables["customers"].count().to_pyarrow().as_py())
    size = max(1, CUSTOMERS_AT_ONCE // max(customers, 1))
    return (months[i : i + size] for i in range(0, len(months), size))


def _churn_rule(settings: BusinessSettings, history: History) -> ChurnRule | None:
    if "churn" not in settings.models:
        return None
    definition = load_definition(settings.models["churn"], "churn")
    if not isinstance(definition, ChurnDefinition):
        return None
    return ChurnRule(
        active_within_days=definition.population.active_within_days,
        gap_days=definition.windows.gap_days,
        horizon_days=definition.windows.horizon_days,
        by_cancellation=definition.label.kind == "cancellation",
        known_until=history.end - timedelta(days=definition.windows.late_arrival_days),
    )


def _missing(tables: Tables, taken: Snapshots, rule: ChurnRule | None, *, silence: int | None) -> Iterator[Source]:
    if "ltv" not in taken.versions:
        yield "ltv"
    if "churn" not in taken.versions:
        yield "churn"
    if rule is None:
        yield "churn_rule"
    if silence is None:
        yield "silence"
    if not tables.has("customers", "acquisition_cost"):
        yield "acquisition_cost"
    if "surveys" not in tables:
        yield "surveys"
    if "contacts" not in tables:
        yield "contacts"
    if not tables.has("contacts", "reward_cost"):
        yield "reward_cost"


def _input_digests(
    settings: BusinessSettings,
    champions: tuple[list[Champion], tuple[str, ...]],
    files: SourceFiles,
    readouts: Sequence[Path],
    shape: str,
) -> dict[str, str]:
    edges = settings.state / EDGES_FILE
    digests = {f"model_{champion.task}": champion.digest for champion in champions[0]}
    digests["config"] = settings.digest()
    digests["segments"] = require_segments(settings).digest()
    if "churn" in settings.models:
        digests["definition_churn"] = load_definition(settings.models["churn"], "churn").digest()
    digests["data"] = files.digest
    digests["names"] = settings.names.digest()
    digests["edges"] = file_digest(edges) if edges.exists() else ""
    digests["readouts"] = combine_digests({str(i): file_digest(path) for i, path in enumerate(readouts)})
    return digests | {"inputs": combine_digests({**digests, "shape": shape})}
