"""The design command: from past spend to a plan frozen before the first contact."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from netlift.abtest.design.compute import compute_design
from netlift.abtest.design.page import design_document
from netlift.abtest.design.plan import complete
from netlift.abtest.design.request import DesignRequest
from netlift.abtest.design.result import DesignReport
from netlift.config.business import BusinessSettings
from netlift.config.plan import PLAN_FILE, Plan, dump_plan, load_plan
from netlift.data.checks.check import read_sound
from netlift.data.checks.findings import Finding
from netlift.data.run import (
    RunFolder,
    combine_digests,
    name_question,
    reading_tables,
)
from netlift.data.write import write_bytes
from netlift.errors import ConfigError, GateRefusedError
from netlift.progress import Progress
from netlift.registry.locks import job
from netlift.report.exports import to_text
from netlift.report.files import name_files, write_out
from netlift.report.language import speak
from netlift.report.names import speak_of
from netlift.results import SCHEMA_VERSION, Told, to_plain


@dataclass(frozen=True, kw_only=True)
class DesignRun(Told):
    """What a job of the design verb did.

    Attributes:
        design: What it found.
        path: The plan's file.
        written: Whether the plan was written now; it may have stood before, or none was made.
        pages: The folder of the page, workbook, Markdown and JSON.
        text: The design for people.
        left_out: What of the tables was not read, as the check found it.
    """

    design: DesignReport
    path: str
    written: bool
    pages: str
    text: str
    left_out: tuple[Finding, ...] = ()

    @property
    def language(self) -> str:
        """Of the texts."""
        return self.design.request.language

    def to_text(self) -> str:
        """The design for people, and where its page is."""
        words = speak(self.language)
        stood = self.design.plan is not None and not self.written
        last = [words.say("design.plan_stood")] if stood else []
        return "\n".join([self.text, "", *last, words.say("scorecard.saved", path=self.pages)])

    def raise_for_refusal(self) -> None:
        """Leave with exit code 4 where no plan was made.

        Raises:
            GateRefusedError: No control meets the aims with the customers at hand.
        """
        design = self.design
        if design.plan is None:
            needed = "no number would do" if design.needed is None else f"{design.needed:,} are needed"
            raise GateRefusedError(
                f"no plan was written: {design.customers:,} customers do not meet the aims with any control up to "
                f"half, {needed} with {design.needed_share:.0%} control. Widen eligible, ask for less, or take the "
                "risk with --control-share"
            )


def design_campaign(
    settings: BusinessSettings,
    request: DesignRequest,
    *,
    experiments: Path,
    progress: Progress,
    now: datetime,
    lock_timeout: float,
    pdf: bool = False,
    browser: Path | None = None,
) -> DesignRun:
    """Size a campaign from past spend and freeze its plan in `experiments/<slug>/plan.yaml`.

    What it found stands in `<state>/out/designs/<run key>` as JSON, Markdown, HTML and XLSX, all or none, where no plan
    was made too.

    Args:
        settings: The business.
        request: What is asked.
        experiments: Folder of experiments.
        progress: Who watches.
        now: Time of the call, for the manifest of the page.
        lock_timeout: Seconds to wait for another design of this experiment.
        pdf: Whether a PDF is printed too.
        browser: Where Chromium is; searched when None.

    Raises:
        UsageError: The request cannot be met as it stands; all mistakes at once.
        GateRefusedError: Another plan is frozen there, a channel has no consents, or a page is not what was written.
        DataError: The tables break the contract, nobody is eligible, or nobody like them bought.
        HistoryTooShortError: The receipts do not hold one outcome window.
    """
    speak(request.language)
    request = complete(request, settings)
    target = experiments / request.folder / PLAN_FILE
    lock, holder = f"design-{request.folder}", f"design {request.folder}"
    with job(settings.state, lock, holder=holder, timeout_seconds=lock_timeout):
        standing = _standing(target)
        with reading_tables(settings, verb="design") as (tables, sources):
            progress.stage("design", "holding the tables against the contract")
            tables, checked = read_sound(tables, settings, verb="design")
            report = compute_design(settings, tables, request, progress=progress)
            words = speak_of(settings, request.language, tables)
        sources.require_unchanged()
        if standing is not None and report.plan not in (None, standing):
            raise GateRefusedError(
                f"{target}: a plan of campaign {standing.campaign_id!r} is frozen there "
                f"({standing.frozen_digest[:12]}), and this design gives another. A plan is made once; give another "
                "--slug"
            )
        progress.stage("report", "page and workbook")
        document = design_document(report, words, path=str(target))
        contents = write_out(document, {"schema_version": SCHEMA_VERSION, **to_plain(report)}, pdf=pdf, browser=browser)
        made_from = {"config": settings.digest(), "data": sources.digest}
        pages = _write_pages(settings, request, contents, names=words.names, made_from=made_from, now=now)
        if written := report.plan is not None and standing is None:
            write_bytes(target, dump_plan(report.plan))
    return DesignRun(
        design=report,
        path=str(target),
        written=written,
        pages=str(pages),
        text=to_text(document),
        left_out=checked.left_out_of("design"),
    )


def _write_pages(
    settings: BusinessSettings,
    request: DesignRequest,
    contents: Mapping[str, bytes],
    *,
    names: Mapping[str, str],
    made_from: Mapping[str, str],
    now: datetime,
) -> Path:
    """The folder of the pages; where they stand already from the same design, nothing is written again."""
    files = name_files("design", pdf="pdf" in contents)
    digests = {"design": hashlib.sha256(contents["json"]).hexdigest(), "names": combine_digests(dict(names))}
    inputs = digests | {"inputs": combine_digests(digests)}
    place = settings.state / "out" / "designs"
    own = name_question(f"{request.folder}-{request.language}", "pdf" if "pdf" in contents else "")
    run = RunFolder.find(place, "", own, inputs=inputs, files=files)
    if not run.read():
        run.write(contents, {"run_key": run.key, "digests": made_from}, now=now)
    return run.target


def _standing(target: Path) -> Plan | None:
    if not target.exists():
        return None
    try:
        return load_plan(target).verify()
    except ConfigError as error:
        raise GateRefusedError(f"{target} stands and is no plan of a campaign; give another --slug") from error


__all__ = ["DesignRun", "design_campaign"]
