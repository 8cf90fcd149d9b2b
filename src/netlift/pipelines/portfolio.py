"""The portfolio command: its result as four files, written together or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from pathlib import Path
from typing import Any

from netlift.abtest.portfolio.compute import own_plans, read_portfolio
from netlift.abtest.portfolio.holdout import UniversalHoldout, find_holdout
from netlift.abtest.portfolio.page import portfolio_document
from netlift.config.business import BusinessSettings
from netlift.config.plan import Plan
from netlift.data.checks.check import read_sound
from netlift.data.checks.findings import Finding, read_findings
from netlift.data.history import read_history
from netlift.data.run import (
    MANIFEST_FILE,
    SourceFiles,
    combine_digests,
    find_key,
    name_question,
    read_standing,
    reading_tables,
)
from netlift.data.write import file_digest, require_free_space, staged_directory, write_bytes
from netlift.decisions.eligibility.contact_history import decided_days
from netlift.progress import Progress
from netlift.registry.locks import exclusive
from netlift.report.document import Document
from netlift.report.exports import to_html, to_json, to_markdown, to_text, to_xlsx
from netlift.report.language import speak
from netlift.report.names import speak_of
from netlift.results import SCHEMA_VERSION, Told, to_plain
from netlift.segments.splits import digest_splits

FILES = {suffix: f"portfolio.{suffix}" for suffix in ("json", "md", "html", "xlsx")}


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
class PortfolioSummary(Told):
    """What the verb wrote.

    Attributes:
        run_key: Name of the output's folder.
        language: Of the texts.
        path: The folder.
        lines: What is read first.
        digests: What it was made from, and of the files themselves.
        portfolio: The portfolio, as in its JSON file.
        written: False where it stood already, made from the same inputs.
        left_out: What of the tables was not read, as the check found it.
    """

    run_key: str
    language: str
    path: str
    lines: tuple[str, ...]
    digests: Mapping[str, str]
    portfolio: Mapping[str, Any]
    written: bool
    left_out: tuple[Finding, ...] = ()

    def to_text(self) -> str:
        """What is read first, and where the rest is."""
        where = speak(self.language).say("scorecard.saved" if self.written else "scorecard.stood", path=self.path)
        return "\n".join([*self.lines, "", where])


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
    require_free_space(settings.state, needed_mb=100)
    lock = settings.state / "locks" / "portfolio.lock"
    held = exclusive(lock, timeout_seconds=lock_timeout, holder="portfolio")
    with held, reading_tables(settings, verb="portfolio", repeatable=True) as (tables, sources):
        words = speak_of(settings, request.language, tables)
        progress.stage("check", "holding the tables against the contract")
        tables, checked = read_sound(tables, settings, verb="portfolio")
        own = own_plans(settings, tables, plans)
        until = request.as_of or datetime.combine(read_history(tables).end, time())
        universal = find_holdout(settings, own, decided_days(settings.state))
        inputs = _input_digests(settings, own, universal, sources, f"{until.isoformat()} {words.language}")
        moment = until.isoformat() if until.time() != time() else ""
        place = settings.state / "out" / "portfolio"
        named = name_question(f"{until:%Y-%m-%d}-{words.language}", moment)
        key = find_key(place, request.run_key, named, inputs)
        target = place / key
        if target.exists():
            return _standing(target, inputs, key)
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
        contents = {
            "json": to_json({"schema_version": SCHEMA_VERSION, **to_plain(portfolio)}),
            "md": to_markdown(document),
            "html": to_html(document),
            "xlsx": to_xlsx(document),
        }
        with staged_directory(target) as staging:
            for suffix, name in FILES.items():
                write_bytes(staging / name, contents[suffix])
            summary = PortfolioSummary(
                run_key=key,
                language=words.language,
                path=str(target),
                lines=tuple(first_screen(document).split("\n")),
                digests={**inputs, **{suffix: file_digest(staging / name) for suffix, name in FILES.items()}},
                portfolio=json.loads(contents["json"]),
                written=True,
                left_out=checked.left_out_of("portfolio"),
            )
            manifest = {"schema_version": SCHEMA_VERSION, "written_at": now.isoformat(), **to_plain(summary)}
            del manifest["portfolio"]
            write_bytes(staging / MANIFEST_FILE, to_json(manifest))
    return summary


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


def _standing(target: Path, inputs: Mapping[str, str], key: str) -> PortfolioSummary:
    manifest = read_standing(target, inputs, key, files=FILES)
    return PortfolioSummary(
        run_key=key,
        language=manifest["language"],
        path=str(target),
        lines=tuple(manifest["lines"]),
        digests=manifest["digests"],
        portfolio=json.loads((target / FILES["json"]).read_text()),
        written=False,
        left_out=read_findings(manifest.get("left_out", ())),
    )


__all__ = ["FILES", "PortfolioRequest", "PortfolioSummary", "make_portfolio"]
