"""The portfolio command: its result as four files, written together or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from pathlib import Path
from typing import Any, ClassVar

from netlift.abtest.portfolio.compute import own_plans, read_portfolio
from netlift.abtest.portfolio.holdout import UniversalHoldout, find_holdout
from netlift.abtest.portfolio.page import portfolio_document
from netlift.config.business import BusinessSettings
from netlift.config.plan import Plan
from netlift.data.checks.check import read_sound
from netlift.data.history import read_history
from netlift.data.run import (
    RunFolder,
    SourceFiles,
    combine_digests,
    name_question,
    reading_tables,
)
from netlift.decisions.eligibility.contact_history import decided_days
from netlift.progress import Progress
from netlift.registry.locks import job
from netlift.report.document import Document
from netlift.report.exports import to_text
from netlift.report.files import name_files, write_out
from netlift.report.language import speak
from netlift.report.names import speak_of
from netlift.report.run import ReportRun
from netlift.results import SCHEMA_VERSION, to_plain
from netlift.segments.splits import digest_splits

FILES = name_files("portfolio")


@dataclass(frozen=True, kw_only=True)
class PortfolioRequest:
    """What is asked.

    Attributes:
        language: Of the texts, ru or en.
        as_of: First moment not seen; None for the end of the receipts.
        run_key: Name of the output's folder; empty for one of day and language.
    """

    language: str
    as_of: datetime | None = None
    run_key: str = ""


@dataclass(frozen=True, kw_only=True)
class PortfolioSummary(ReportRun):
    """What the verb wrote.

    Attributes:
        lines: What is read first.
        portfolio: The portfolio, as in its JSON file.
    """

    lines: tuple[str, ...]
    portfolio: Mapping[str, Any]

    RESULT = "portfolio"
    CONVERTED: ClassVar = {"lines": tuple}

    @property
    def first_read(self) -> str:
        """What is read first."""
        return "\n".join(self.lines)


def make_portfolio(
    settings: BusinessSettings,
    request: PortfolioRequest,
    *,
    plans: Sequence[Path],
    progress: Progress,
    now: datetime,
    lock_timeout: float,
) -> PortfolioSummary:
    """Read all campaigns of a business and write them as JSON, Markdown, HTML and XLSX, all or none.

    Args:
        settings: The business.
        request: As of when, in which language, under which key.
        plans: Files that may be plans of its campaigns; those of others are passed by.
        progress: Who watches.
        now: Time of the call, for the manifest.
        lock_timeout: Seconds to wait for another portfolio of this business.

    Raises:
        UsageError: A language that netlift does not speak, or a key that was written before from other inputs.
        DataError: The tables break the contract.
        BusyError: Another portfolio is being made.
    """
    speak(request.language)
    held = job(settings.state, "portfolio", timeout_seconds=lock_timeout)
    with held, reading_tables(settings, verb="portfolio", repeatable=True) as (tables, sources):
        words = speak_of(settings, request.language, tables)
        progress.stage("check", "holding the tables against the contract")
        tables, checked = read_sound(tables, settings, verb="portfolio")
        own = own_plans(settings.currency, tables, plans)
        until = request.as_of or datetime.combine(read_history(tables).end, time())
        universal = find_holdout(settings, own, decided_days(settings.state))
        inputs = _input_digests(settings, own, universal, sources, f"{until.isoformat()} {words.language} with periods")
        moment = until.isoformat() if until.time() != time() else ""
        place = settings.state / "out" / "portfolio"
        named = name_question(f"{until:%Y-%m-%d}-{words.language}", moment)
        run = RunFolder.find(place, request.run_key, named, inputs=inputs, files=FILES)
        if standing := PortfolioSummary.read(run):
            return standing
        portfolio = read_portfolio(
            settings,
            tables,
            plans=own,
            universal=universal,
            as_of=until,
            faulty=tuple(checked.faulty),
            progress=progress,
        )
        sources.require_unchanged()
        document = portfolio_document(portfolio, words)
        progress.stage("report", "pages and workbook")
        return PortfolioSummary.write(
            run,
            write_out(document, {"schema_version": SCHEMA_VERSION, **to_plain(portfolio)}),
            language=words.language,
            lines=first_screen(document).split("\n"),
            left_out=checked.left_out_of("portfolio"),
            now=now,
        )


def first_screen(document: Document) -> str:
    """What is read first, as text."""
    return to_text(replace(document, sections=document.sections[:1]))


def _input_digests(
    settings: BusinessSettings,
    plans: Sequence[Plan],
    universal: UniversalHoldout | None,
    sources: SourceFiles,
    shape: str,
) -> dict[str, str]:
    readout = settings.readout.digest() if settings.readout else ""
    digests = {"config": settings.digest(), "readout": readout, "data": sources.digest}
    digests["plans"] = combine_digests({plan.campaign_id: plan.digest() for plan in plans})
    digests["segments"] = digest_splits(settings, settings.readout.segments if settings.readout else ())
    digests["names"] = settings.names.digest()
    digests["holdout"] = combine_digests({"universal": str(universal)})
    return digests | {"inputs": combine_digests({**digests, "shape": shape})}


__all__ = ["FILES", "PortfolioRequest", "PortfolioSummary", "make_portfolio"]
