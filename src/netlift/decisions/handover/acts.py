"""Acts of operators: stop and resume an offer or a channel, approve and reject the lists of a run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.config.settings import did_you_mean
from netlift.data.read import open_tables
from netlift.data.run import MANIFEST_FILE, safe_key
from netlift.data.write import file_digest, staged_directory, write_bytes
from netlift.decisions.eligibility.consents import (
    consent_updated_at,
    require_consent_files,
    require_consent_sources,
    require_known_customers,
)
from netlift.decisions.eligibility.contact_history import DECISIONS, standing_decisions
from netlift.decisions.eligibility.eligibility import require_fresh_consent
from netlift.decisions.eligibility.handover import (
    APPROVE,
    APPROVED,
    AWAITING,
    REJECTED_FILE,
    digest_seen,
    read_handover,
    reject,
    write_audit,
)
from netlift.decisions.eligibility.stops import RESUMED, STOPPED, Family, read_stops
from netlift.decisions.handover.strike import hand_over
from netlift.decisions.request import require_decision
from netlift.decisions.run.export import list_files
from netlift.errors import GateRefusedError, ModelIntegrityError, UsageError
from netlift.registry.locks import exclusive
from netlift.results import Told, to_plain

SHORTEST_SEEN = 8


@dataclass(frozen=True, kw_only=True)
class Switched(Told):
    """An offer or a channel that was stopped, or resumed.

    Attributes:
        family: offer or channel.
        name: Which one.
        stopped: Whether it is stopped now.
        until: Last day on which it is; None until it is resumed.
        reason: Why.
        by: Who did it.
        waiting: Runs whose lists wait for approval and from which it will be struck; none after a resumption.
    """

    family: Family
    name: str
    stopped: bool
    until: date | None
    reason: str
    by: str
    waiting: tuple[str, ...] = ()

    def to_text(self) -> str:
        """What holds from now on."""
        if not self.stopped:
            return f"{self.family} {self.name} is in use again, from the next run on"
        until = "until `netlift resume`" if self.until is None else f"up to and including {self.until}"
        also = f"; it will be struck from the lists of {', '.join(self.waiting)}, which wait" if self.waiting else ""
        return (
            f"{self.family} {self.name} is stopped {until}: no run gives it to anybody{also}. Lists that were handed "
            "over before are with whoever sends them: stop them there too"
        )


@dataclass(frozen=True, kw_only=True)
class Answered(Told):
    """An operator's answer to the lists of a run.

    Attributes:
        run_key: The run.
        answer: approved or rejected.
        by: Who.
        at: When.
        seen: Digest of what was approved; empty for a rejection.
        path: Where the lists lie; empty for a rejection.
        customers: Channel to whoever is on its list.
        struck: Reason to whoever was on a list and may not be contacted any more.
        reason: Why it was rejected.
        written: False where the answer stood already.
    """

    run_key: str
    answer: str
    by: str
    at: datetime
    seen: str = ""
    path: str = ""
    customers: Mapping[str, int]
    struck: Mapping[str, int]
    reason: str = ""
    written: bool = True

    def to_text(self) -> str:
        """The answer, and where the lists are."""
        if self.answer != APPROVE:
            return f"{self.run_key} is rejected: none of its lists goes out, and its customers count as not contacted"
        told = ", ".join(f"{channel} {count:,}" for channel, count in self.customers.items() if count)
        struck = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in self.struck.items())
        also = f"\n  struck since the run was decided: {struck}" if struck else ""
        return f"{self.run_key} is approved by {self.by}: {told or 'nobody'}\n  {self.path}{also}"


def switch(
    settings: BusinessSettings,
    *,
    offer: str = "",
    channel: str = "",
    stopped: bool,
    reason: str,
    by: str,
    until: date | None = None,
    now: datetime,
) -> Switched:
    """Stop an offer or a channel, or put it to use again; every run obeys from the moment this returns.

    Args:
        settings: The business.
        offer: The offer; empty for a channel.
        channel: The channel; empty for an offer.
        stopped: Whether to stop it.
        reason: Why, for the audit.
        by: Who.
        until: Last day of the stop; None until it is resumed.
        now: Time of the call.

    Raises:
        UsageError: Neither or both were named, the config knows no such, no reason, a day that is over, or a resumption
            of what is not stopped.
        ModelIntegrityError: The audit was changed.
    """
    decision = require_decision(settings)
    family, name = _named(decision, offer, channel)
    today = now.astimezone(ZoneInfo(settings.time_zone)).date()
    _require_told(reason, by)
    if until is not None and until < today:
        raise UsageError(f"--until {until} is over, today is {today}; give a later day, or leave it out")
    if not stopped and (family, name) not in {(s.family, s.name) for s in read_stops(settings.state, today=today)}:
        raise UsageError(f"{family} {name} is not stopped, so there is nothing to resume")
    event = STOPPED if stopped else RESUMED
    entry = {"at": now.isoformat(), "event": event, "family": family, "name": name, "reason": reason, "by": by}
    write_audit(settings.state, entry | {"until": None if until is None else until.isoformat()})
    waiting = [
        folder.name
        for folder in (standing_decisions(settings.state) if stopped else ())
        if read_handover(folder) == "awaiting"
    ]
    return Switched(
        family=family, name=name, stopped=stopped, until=until, reason=reason, by=by, waiting=tuple(waiting)
    )


def approve_lists(
    settings: BusinessSettings, *, run_key: str, by: str, seen: str = "", now: datetime, lock_timeout: float
) -> Answered:
    """Hand the lists of a run over, less who may not be contacted any more; again gives the same lists.

    Args:
        settings: The business.
        run_key: The run.
        by: Who approves.
        seen: Digest of what the operator looked at, or its first letters; empty for what stands.
        now: Time of the call.
        lock_timeout: Seconds to wait for a run that is being decided.

    Raises:
        UsageError: No such run, one that needs no approval, or one that was rejected.
        GateRefusedError: Another run than was seen, lists that are not what was written, or consents that are missing
            or stale; nothing was handed over.
        BusyError: A run is being decided.
    """
    decision = require_decision(settings)
    with _answering(settings, run_key, "approve", lock_timeout) as folder:
        standing = read_handover(folder)
        if standing == "rejected":
            raise UsageError(f"{run_key} was rejected, or has lapsed; decide anew with another --run-key")
        digest = digest_seen(folder)
        if seen and (len(seen) < SHORTEST_SEEN or not digest.startswith(seen)):
            raise GateRefusedError(
                f"{run_key}: what was seen ({seen}) is not what waits ({digest[:12]}); look at it again, and approve "
                "what is there"
            )
        if standing == "approved":
            return _standing(folder)
        _require_whole(folder / AWAITING)
        require_consent_files(settings, decision, now=now)
        manifest = json.loads((folder / MANIFEST_FILE).read_text())
        as_of = date.fromisoformat(manifest["as_of"])
        with (
            open_tables(settings, verb="decide") as tables,
            staged_directory(folder / APPROVED, access=settings.ids_readable_by) as staging,
        ):
            require_consent_sources(tables, decision, decision.channels)
            updated_at = consent_updated_at(settings, decision)
            require_fresh_consent(updated_at, now=now, max_age_hours=decision.consent.max_age_hours)
            require_known_customers(tables, decision, max_share=settings.check.max_orphan_share)
            today = now.astimezone(ZoneInfo(settings.time_zone)).date()
            stops = read_stops(settings.state, today=today)
            found = hand_over(folder / AWAITING, staging, tables, decision, stops=stops, as_of=as_of)
            answer = Answered(
                run_key=run_key,
                answer=APPROVE,
                by=by,
                at=now,
                seen=digest,
                path=str(folder / APPROVED),
                customers=found.customers,
                struck=found.struck,
            )
            files = list_files(decision.channels)
            told = {"schema_version": 1, "run_key": run_key, "answer": to_plain(answer)}
            told["digests"] = {name: file_digest(staging / file) for name, file in files.items()}
            write_bytes(staging / MANIFEST_FILE, json.dumps(told, ensure_ascii=False, indent=1).encode())
            entry = {"at": now.isoformat(), "event": APPROVE, "run_key": run_key, "by": by, "seen": digest}
            write_audit(settings.state, entry | {"customers": found.customers, "struck": found.struck})
    return answer


def reject_lists(
    settings: BusinessSettings, *, run_key: str, by: str, reason: str, now: datetime, lock_timeout: float
) -> Answered:
    """Let none of a run's lists go out; its customers count as not contacted, its journeys as not moved.

    Args:
        settings: The business.
        run_key: The run.
        by: Who rejects.
        reason: Why, for the audit.
        now: Time of the call.
        lock_timeout: Seconds to wait for a run that is being decided.

    Raises:
        UsageError: No such run, one that needs no approval or was approved, or journeys that another run moved on from
            where this one left them.
        BusyError: A run is being decided.
    """
    require_decision(settings)
    _require_told(reason, by)
    answer = Answered(run_key=run_key, answer="rejected", by=by, at=now, customers={}, struck={}, reason=reason)
    with _answering(settings, run_key, "reject", lock_timeout) as folder:
        if (standing := read_handover(folder)) == "approved":
            raise UsageError(f"{run_key} was approved, and its lists are with whoever sends them: stop them there")
        if standing == "rejected":
            return _standing(folder)
        _require_last(settings, folder)
        reject(folder, state=settings.state, by=by, reason=reason, at=now)
    return answer


def _named(decision: DecisionSettings, offer: str, channel: str) -> tuple[Family, str]:
    if bool(offer) == bool(channel):
        raise UsageError("name an offer, or a channel with --channel, and not both")
    family: Family = "offer" if offer else "channel"
    known = [*(decision.offers if offer else decision.channels)]
    if (name := offer or channel) not in known:
        raise UsageError(f"decision.{family}s has no {family} {name!r}{did_you_mean(name, known)}")
    return family, name


def _require_told(reason: str, by: str) -> None:
    if not reason.strip() or not by.strip():
        raise UsageError("--reason and --by must say something: the audit keeps who did it, and why")


@contextmanager
def _answering(settings: BusinessSettings, run_key: str, what: str, lock_timeout: float) -> Iterator[Path]:
    """The folder of a run that waits or has waited, while none is decided.

    Raises:
        UsageError: There is none, or nobody has to approve it.
    """
    folder = settings.state / DECISIONS / safe_key(run_key)
    lock = settings.state / "locks" / "decide.lock"
    with exclusive(lock, timeout_seconds=lock_timeout, holder=f"{what} {run_key}"):
        if not (folder / MANIFEST_FILE).exists():
            places = (settings.state / DECISIONS).glob(f"*/{AWAITING}")
            waiting = sorted(path.parent.name for path in places if read_handover(path.parent) == "awaiting")
            raise UsageError(f"no run {run_key!r} of decisions; waiting: {', '.join(waiting) or 'none'}")
        if read_handover(folder) == "none":
            raise UsageError(
                f"{run_key} needs no approval: its lists were handed over as they were written. Write `approval: "
                "required` under `decision` for the runs to come"
            )
        yield folder


def _require_whole(lists: Path) -> None:
    """Refuse lists that are not what was written.

    Raises:
        ModelIntegrityError: Files that were changed or are missing.
    """
    digests: dict[str, str] = json.loads((lists / MANIFEST_FILE).read_text())["digests"]
    channels = [name.removeprefix("export_") for name in digests if not name.endswith("_csv")]
    for name, file in list_files(channels).items():
        if not (lists / file).exists() or file_digest(lists / file) != digests[name]:
            raise ModelIntegrityError(f"{lists / file} is not what was written, so nothing was handed over; reject it")


def _require_last(settings: BusinessSettings, folder: Path) -> None:
    """Refuse to take a run away whose journeys another one has moved on."""
    own = json.loads((folder / MANIFEST_FILE).read_text())
    if own["trigger"]:
        return
    for other in standing_decisions(settings.state, own_key=folder.name):
        told: dict[str, Any] = json.loads((other / MANIFEST_FILE).read_text())
        if not told["trigger"] and f"{DECISIONS}/{folder.name}" in told["lists"]:
            raise UsageError(f"{other.name} moved journeys on from where {folder.name} left them; reject that first")


def _standing(folder: Path) -> Answered:
    """The answer that a run was given before."""
    if read_handover(folder) == "approved":
        plain = json.loads((folder / APPROVED / MANIFEST_FILE).read_text())["answer"]
        return Answered(**plain | {"at": datetime.fromisoformat(plain["at"]), "written": False})
    note = json.loads((folder / REJECTED_FILE).read_text())
    return Answered(
        run_key=folder.name,
        answer="rejected",
        by=note["by"],
        at=datetime.fromisoformat(note["at"]),
        customers={},
        struck={},
        reason=note["reason"],
        written=False,
    )


__all__ = ["Answered", "Switched", "approve_lists", "reject_lists", "switch"]
