"""The decision readout command: the readout of a run by its key.

What it takes is imported when a run is read: the readout of a campaign asks here only whether its target is one.
"""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path

from netlift.config.business import BusinessSettings
from netlift.data.checks.check import read_sound
from netlift.data.history import read_history
from netlift.data.run import MANIFEST_FILE, RunFolder, combine_digests, name_question, reading_tables
from netlift.data.write import file_digest
from netlift.decisions.eligibility.contact_history import DECISIONS
from netlift.pipelines.readout import ReadoutOrder, ReadoutSummary, file_name
from netlift.progress import Progress
from netlift.registry.locks import job
from netlift.report.exports import to_html, to_json, to_markdown, to_text
from netlift.report.language import speak
from netlift.report.names import speak_of
from netlift.results import SCHEMA_VERSION, to_plain

FILES = {suffix: f"decisions.{suffix}" for suffix in ("json", "md", "html")}


def is_run(settings: BusinessSettings, target: str) -> bool:
    """Whether a target is the key of a run that `netlift decide` wrote."""
    return not Path(target).exists() and (settings.state / DECISIONS / target).is_dir()


def make_decision_readout(
    settings: BusinessSettings, order: ReadoutOrder, *, progress: Progress, now: datetime, lock_timeout: float
) -> ReadoutSummary:
    """Read a run of decisions and write what came out as JSON, Markdown and HTML.

    Args:
        settings: The business, with the decision block of the run.
        order: The run's key as its target; as of when, in which language.
        progress: Who watches.
        now: Time of the call, for the manifest.
        lock_timeout: Seconds to wait for another readout of this campaign.

    Raises:
        UsageError: No such run, or a key that was written before from other inputs.
        ConfigError: No decision block, or another than that of the run.
        DataError: The window is not over, or log, contacts and customers do not fit together.
        BusyError: Another readout of this campaign is being made.
    """
    from netlift.decisions.readout.find import read_run
    from netlift.decisions.readout.page import decision_readout_document
    from netlift.decisions.run.scores import UPLIFT
    from netlift.registry.champions import find_champions

    speak(order.language)
    held = job(settings.state, f"readout-decisions-{file_name(order.target)}", timeout_seconds=lock_timeout)
    with held, reading_tables(settings, verb="readout", repeatable=True) as (tables, sources):
        words = speak_of(settings, order.language, tables)
        until = order.as_of or datetime.combine(read_history(tables).end, time())
        moment = until.isoformat() if until.time() != time() else ""
        run = settings.state / DECISIONS / order.target / MANIFEST_FILE
        digests = {f"model_{champion.task}": champion.digest for champion in find_champions(settings, [UPLIFT])[0]}
        digests |= {
            "config": settings.digest(),
            "decision": settings.decision.digest() if settings.decision else "",
            "readout_settings": settings.readout.digest() if settings.readout else "",
            "names": settings.names.digest(),
            "data": sources.digest,
            "run": file_digest(run) if run.exists() else "",
        }
        inputs = digests | {"inputs": combine_digests({**digests, "shape": f"{order.target} {until} {words.language}"})}
        own = name_question(f"decisions-{file_name(order.target)}-{until:%Y-%m-%d}-{words.language}", moment)
        place = settings.state / "out" / "readouts"
        folder = RunFolder.find(place, order.run_key, own, inputs=inputs, files=FILES)
        if standing := ReadoutSummary.read(folder):
            return standing
        progress.stage("check", "holding the tables against the contract")
        tables, checked = read_sound(tables, settings, verb="readout")
        progress.stage("readout", f"decisions {order.target}: what was promised and what came")
        found = read_run(settings, tables, order.target, until=order.as_of)
        sources.require_unchanged()
        document = decision_readout_document(found, words)
        contents = {
            "json": to_json({"schema_version": SCHEMA_VERSION, **to_plain(found)}),
            "md": to_markdown(document),
            "html": to_html(document),
        }
        return ReadoutSummary.write(
            folder,
            contents,
            language=words.language,
            text=to_text(document),
            now=now,
            left_out=checked.left_out_of("readout", campaign=order.target),
        )
