"""The readout command: pages, slides, workbook and JSON of one campaign, all or none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from netlift.abtest.design.journey import find_journey
from netlift.abtest.portfolio.compute import own_plans, read_among
from netlift.abtest.readout.compute import read_campaign
from netlift.abtest.readout.result import AmongCampaigns, CampaignReadout
from netlift.abtest.readout.rows import ReadoutRequest
from netlift.abtest.readout_report.page import readout_brief, readout_document, readout_json, readout_workbook
from netlift.abtest.readout_report.slides import to_pptx
from netlift.config.business import BusinessSettings
from netlift.config.journeys import JourneySettings
from netlift.config.plan import PLAN_FILE, Plan, load_plan
from netlift.data.checks.check import read_sound
from netlift.data.history import read_history
from netlift.data.run import (
    MANIFEST_FILE,
    RunFolder,
    SourceFiles,
    combine_digests,
    name_question,
    reading_tables,
)
from netlift.data.write import file_digest, write_bytes
from netlift.decisions.eligibility.contact_history import digest_lists
from netlift.decisions.journeys.reach import JourneyLine, count_closed_reach
from netlift.decisions.run.page_journeys import reach_section
from netlift.errors import ConfigError, UsageError
from netlift.progress import Progress
from netlift.registry.locks import job
from netlift.report.exports import to_html, to_json, to_markdown, to_text
from netlift.report.language import Words, speak
from netlift.report.names import speak_of
from netlift.report.pdf import to_pdf
from netlift.report.run import TextRun
from netlift.results import to_plain
from netlift.segments.splits import digest_splits

FILES = {suffix: f"readout.{suffix}" for suffix in ("json", "md", "html", "xlsx", "pptx")}
PDF = {"pdf": "readout.pdf"}
LONGEST_NAME = 60


@dataclass(frozen=True, kw_only=True)
class ReadoutOrder:
    """What is asked of the verb.

    Attributes:
        target: Id of a campaign, or the plan of one: its file or its folder.
        language: Of the texts, ru or en.
        as_of: First moment not seen; None for the end of the receipts.
        split_by: Columns of customers, `segment` or `strategy`, beside those of plan and config: exploratory.
        tolerance: Loss that is immaterial, in currency; None for that of plan or config.
        pdf: Whether a PDF is printed too.
        browser: Where Chromium is; searched when None.
        run_key: Name of the output's folder; empty for one of campaign, day and language, and of what else is asked.
    """

    target: str
    language: str
    as_of: datetime | None = None
    split_by: tuple[str, ...] = ()
    tolerance: float | None = None
    pdf: bool = False
    browser: Path | None = None
    run_key: str = ""


@dataclass(frozen=True, kw_only=True)
class ReadoutSummary(TextRun):
    """What the verb wrote.

    Attributes:
        readout: The readout, as in its JSON file.
    """

    readout: Mapping[str, Any]

    RESULT = "readout"


def make_readout(
    settings: BusinessSettings,
    order: ReadoutOrder,
    *,
    progress: Progress,
    now: datetime,
    lock_timeout: float,
    plans: Sequence[Path] = (),
    among: Mapping[str, Mapping[str, AmongCampaigns]] | None = None,
) -> ReadoutSummary:
    """Read a campaign and write what came out as JSON, Markdown, HTML, XLSX, PPTX, and PDF if asked.

    The JSON that the scorecard reads stands beside the plan, or under `out/readouts` of the state without one.

    Args:
        settings: The business.
        order: Which campaign, as of when, in which language.
        progress: Who watches.
        now: Time of the call, for the manifest.
        lock_timeout: Seconds to wait for another readout of this campaign.
        plans: Files that may be plans of the business's other campaigns; those of others are passed by.
        among: What the portfolio of the same day says of each campaign; None where it must be asked.

    Raises:
        UsageError: An unknown campaign, column or language, or a key that was written before from other inputs.
        ConfigError: A plan that cannot be read, no tolerance, or no browser for the PDF.
        DataError: The tables break the contract, or hold no two arms of the campaign.
        BusyError: Another readout of this campaign runs, or somebody wrote the tables meanwhile; nothing was written.
    """
    speak(order.language)
    plan, folder = find_plan(order.target)
    campaign = plan.campaign_id if plan else order.target
    request = ReadoutRequest(
        campaign_id=campaign, plan=plan, as_of=order.as_of, split_by=order.split_by, tolerance=order.tolerance
    )
    held = job(settings.state, f"readout-{file_name(campaign)}", timeout_seconds=lock_timeout)
    with held, reading_tables(settings, verb="readout", repeatable=True) as (tables, sources):
        words = speak_of(settings, order.language, tables)
        request = replace(request, plans=own_plans(settings.currency, tables, plans))
        until = order.as_of or datetime.combine(read_history(tables).end, time())
        question = tuple(_question(order, until))
        journey = find_journey(settings.decision, campaign)
        inputs = _input_digests(settings, request, sources, (campaign, until.isoformat(), words.language, *question))
        own = name_question(f"{file_name(campaign)}-{until:%Y-%m-%d}-{words.language}", *question)
        place = settings.state / "out" / "readouts"
        run = RunFolder.find(place, order.run_key, own, inputs=inputs, files=FILES | (PDF if order.pdf else {}))
        if standing := ReadoutSummary.read(run):
            _publish(place, campaign, folder, run.target)  # the job that wrote it may have been killed just before
            return standing
        progress.stage("check", "holding the tables against the contract")
        tables, checked = read_sound(tables, settings, verb="readout")
        checked.require_campaign(campaign)

        def ask(until: datetime) -> Mapping[str, Mapping[str, AmongCampaigns]]:
            if among is not None:
                return among
            faulty = tuple(checked.faulty)
            return read_among(settings, tables, plans=request.plans, until=until, faulty=faulty, progress=progress)

        request = replace(request, faults=checked.faulty, among=ask)
        readout = read_campaign(settings, tables, request, progress=progress)
        progress.stage("report", "pages, slides and workbook")
        reach = None if journey is None else read_reach(settings, journey, until.date())
        contents = write_out(readout, words, order, reach)
        sources.require_unchanged()
        summary = ReadoutSummary.write(
            run,
            contents,
            language=words.language,
            text=to_text(readout_brief(readout, words)),
            left_out=checked.left_out_of("readout", campaign=campaign),
            now=now,
        )
        _publish(place, campaign, folder, run.target)
        return summary


def _publish(place: Path, campaign: str, folder: Path | None, written: Path) -> None:
    """Put the readout where the scorecard looks: beside its plan, else under the campaign's name; one a campaign."""
    newest = place / f"{file_name(campaign)}.json"
    if folder is None:
        _copy(written / FILES["json"], newest)
        return
    for suffix in ("md", "json"):
        _copy(written / FILES[suffix], folder / FILES[suffix])
    newest.unlink(missing_ok=True)


def _copy(written: Path, published: Path) -> None:
    """Write a file where its content does not stand already."""
    content = written.read_bytes()
    if not published.exists() or published.read_bytes() != content:
        write_bytes(published, content)


def find_behind(state: Path, experiments: Path | None) -> tuple[str, ...]:
    """Campaigns whose published readout is none that was read, or older than the newest; a killed job leaves that.

    Args:
        state: Of the business.
        experiments: Folder of plans, beside which readouts are published; None for none.
    """
    place = state / "out" / "readouts"
    runs: dict[str, list[tuple[datetime, str]]] = {}
    for manifest in sorted(place.glob(f"*/{MANIFEST_FILE}")):
        try:
            told = json.loads(manifest.read_text())
            campaign = json.loads((manifest.parent / FILES["json"]).read_text())["campaign_id"]
            run = (datetime.fromisoformat(told["written_at"]), told["digests"]["json"])
        except (OSError, ValueError, KeyError):
            continue  # a run that is not whole is refused by whoever reads it
        runs.setdefault(campaign, []).append(run)
    beside = {file_name(campaign): place / f"{file_name(campaign)}.json" for campaign in runs}
    for plan in sorted(experiments.glob(f"*/{PLAN_FILE}")) if experiments else ():
        with suppress(ConfigError):
            beside[file_name(load_plan(plan).campaign_id)] = plan.parent / FILES["json"]
    return tuple(c for c, found in sorted(runs.items()) if _is_behind(beside[file_name(c)], found))


def _is_behind(published: Path, runs: Sequence[tuple[datetime, str]]) -> bool:
    if not published.exists():
        return True
    digest, (newest, current) = file_digest(published), max(runs)
    is_older = published.stat().st_mtime < newest.timestamp()
    return digest not in {each for _, each in runs} or (digest != current and is_older)


def read_reach(settings: BusinessSettings, journey: JourneySettings, until: date) -> JourneyLine | None:
    """How far a journey's customers came whose window is over; None where no run that stands tells.

    Raises:
        DataError: A run of decisions is not whole.
    """
    from netlift.decisions.run.journeys import read_journeys  # it loads features and models: for journeys alone

    return count_closed_reach(journey, read_journeys(settings.state, own_key="").events, until=until)


def write_out(
    readout: CampaignReadout, words: Words, order: ReadoutOrder, reach: JourneyLine | None = None
) -> dict[str, bytes]:
    """The readout in every form, suffix to content; of a journey also how far its customers came."""
    more = () if reach is None else (reach_section(reach, words),)
    document, told = readout_document(readout, words, more=more), readout_json(readout, words)
    if reach is not None:
        told["journey"] = to_plain(reach)
    page = to_html(document)
    contents = {
        "json": to_json(told),
        "md": to_markdown(document),
        "html": page,
        "xlsx": readout_workbook(readout, words, more=more),
        "pptx": to_pptx(readout, words, more=more),
    }
    return contents | ({"pdf": to_pdf(page, browser=order.browser)} if order.pdf else {})


def find_plan(target: str) -> tuple[Plan | None, Path | None]:
    """The plan that a target names and its folder; nothing where the target is a campaign's id.

    Raises:
        UsageError: A path at which there is no plan.
        ConfigError: A plan that cannot be read.
    """
    path = Path(target)
    if path.exists():
        return load_plan(path), path if path.is_dir() else path.parent
    if path.suffix in (".yaml", ".yml"):
        raise UsageError(f"{target}: there is no such plan; name a plan.yaml, its folder, or the id of a campaign")
    return None, None


def file_name(campaign: str) -> str:
    """A campaign's id as part of a file name: itself where it is safe, else a digest of it.

    Examples:
        >>> file_name("C08"), file_name("весна/2026")
        ('C08', 'campaign-9e7c117b43db')
    """
    safe = all(letter.isalnum() or letter in "-_." for letter in campaign) and not campaign.startswith(".")
    if safe and len(campaign) <= LONGEST_NAME:
        return campaign
    return f"campaign-{hashlib.sha256(campaign.encode()).hexdigest()[:12]}"


def _input_digests(
    settings: BusinessSettings, request: ReadoutRequest, sources: SourceFiles, shape: tuple[str, ...]
) -> dict[str, str]:
    digests = {
        "config": settings.digest(),
        "names": settings.names.digest(),
        "readout_settings": settings.readout.digest() if settings.readout else "",
        "plan": request.plan.digest() if request.plan else "",
        "plans": combine_digests({plan.campaign_id: plan.digest() for plan in request.plans}),
        "data": sources.digest,
        "decision": settings.decision.digest() if settings.decision else "",
        "segments": digest_splits(settings, _split_by(settings, request)),
    }
    if find_journey(settings.decision, request.campaign_id) is not None:
        digests["lists"] = combine_digests(digest_lists(settings.state, own_key=""))
    return digests | {"inputs": combine_digests({**digests, "shape": json.dumps(shape)})}


def _split_by(settings: BusinessSettings, request: ReadoutRequest) -> tuple[str, ...]:
    planned = request.plan.segments if request.plan else ()
    return (*planned, *(settings.readout.segments if settings.readout else ()), *request.split_by)


def _question(order: ReadoutOrder, until: datetime) -> Iterator[str]:
    """What is asked beside the plain readout as of a day."""
    yield until.isoformat() if until.time() != time() else ""
    yield json.dumps(order.split_by) if order.split_by else ""
    yield "" if order.tolerance is None else repr(float(order.tolerance))
    yield "pdf" if order.pdf else ""


__all__ = [
    "FILES", "ReadoutOrder", "ReadoutSummary", "file_name", "find_behind", "find_plan", "make_readout",
]  # fmt: skip
