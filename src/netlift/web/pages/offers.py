"""Next best offers: tonight's run, its approval, the kill switch, and the lists once they may be fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Response

from netlift.data.run import MANIFEST_FILE
from netlift.data.write import file_digest
from netlift.decisions.eligibility.handover import APPROVED, REJECTED_FILE, digest_seen, lists_folder
from netlift.decisions.eligibility.stops import read_stops
from netlift.errors import GateRefusedError, UsageError
from netlift.web.store import NotStoredError
from netlift.web.stored_results import StoredDecisions, read_decided, read_decisions
from netlift.web.visit import Form, Operator, Reader, Visit

router = APIRouter(prefix="/offers", include_in_schema=False)
TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}
WAIT_SECONDS = 2.0


@router.get("")
def show_newest(visit: Reader) -> Response:
    """The newest run of all customers, and what operators may do."""
    decisions = read_decisions(visit)
    return _show(visit, next((one for one in decisions if not one.trigger), None), decisions)


@router.post("/switch")
def switch_offer(visit: Operator, form: Form) -> Response:
    """Stop or resume an offer or a channel."""
    from netlift.decisions.handover.acts import switch  # reads tables: not for whoever only looks

    family, _, name = form.text("what").partition(":")
    until = form.text("until")
    try:
        day = date.fromisoformat(until) if until else None
    except ValueError as error:
        raise UsageError(f"{until}: no day such as 2026-10-05") from error
    switched = switch(
        visit.desk.settings,
        offer=name if family == "offer" else "",
        channel=name if family == "channel" else "",
        stopped=form.text("act") == "stop",
        reason=form.text("reason"),
        by=visit.person.name,
        until=day,
        now=visit.desk.clock(),
    )
    visit.record("stop" if switched.stopped else "resume", family=switched.family, name=switched.name)
    return visit.go("/offers#switches")


@router.get("/{key}")
def show_run(visit: Reader, key: str) -> Response:
    """One run of decisions."""
    return _show(visit, read_decided(visit.store.run("decisions", key)), read_decisions(visit))


@router.post("/{key}/approve")
def approve(visit: Operator, key: str, form: Form) -> Response:
    """Hand the lists over that the operator has seen."""
    from netlift.decisions.handover.acts import approve_lists  # reads tables: not for whoever only looks

    answer = approve_lists(
        visit.desk.settings,
        run_key=key,
        by=visit.person.name,
        seen=form.text("seen"),
        now=visit.desk.clock(),
        lock_timeout=WAIT_SECONDS,
    )
    visit.record("approve", run_key=key, seen=answer.seen)
    return visit.go(f"/offers/{key}")


@router.post("/{key}/reject")
def reject(visit: Operator, key: str, form: Form) -> Response:
    """Let none of a run's lists go out."""
    from netlift.decisions.handover.acts import reject_lists  # reads tables: not for whoever only looks

    reject_lists(
        visit.desk.settings,
        run_key=key,
        by=visit.person.name,
        reason=form.text("reason"),
        now=visit.desk.clock(),
        lock_timeout=WAIT_SECONDS,
    )
    visit.record("reject", run_key=key)
    return visit.go(f"/offers/{key}")


@router.get("/{key}/lists/{channel}.{kind}")
def fetch_list(visit: Operator, key: str, channel: str, kind: str) -> Response:
    """The list of a channel, where it was handed over and nothing on it was stopped since."""
    one = read_decided(visit.store.run("decisions", key))
    if kind not in TYPES or channel not in {line.channel for line in one.summary.offers}:
        raise NotStoredError(f"no list of {channel} as {kind}")
    if one.handover in ("awaiting", "rejected"):
        raise GateRefusedError(f"the lists of {key} are not approved, so nobody can fetch them")
    path = lists_folder(one.run.folder) / f"export_{channel}.{kind}"
    told = json.loads((path.parent / MANIFEST_FILE).read_text())
    if not path.exists() or file_digest(path) not in told["digests"].values():
        raise GateRefusedError(f"{path.name} is not what was written; bring it back from a backup")
    offers = _offers_on(path.with_suffix(".parquet"))
    closed = [stop.name for stop in _stops(visit) if any(stop.covers(offer, channel) for offer in offers)]
    if closed:
        raise GateRefusedError(f"{', '.join(closed)} was stopped after the list of {channel} was handed over")
    visit.record("export", run_key=key, list=path.name)
    name = f"{key}_{channel}.{kind}"
    return visit.keep(
        Response(
            path.read_bytes(),
            media_type=TYPES[kind],
            headers={"content-disposition": f'attachment; filename="{name}"'},
        )
    )


def _show(visit: Visit, one: StoredDecisions | None, decisions: list[StoredDecisions]) -> Response:
    decision = visit.desk.settings.decision
    page = None
    if one is not None:
        page = one.run.page(f"decisions_{visit.words.language}.html")
    waits = one is not None and one.handover == "awaiting"
    return visit.render(
        "offers.html",
        one=one,
        page=page,
        decisions=decisions[:30],
        answer=read_answer(one) if one else {},
        seen=digest_seen(one.run.folder) if one and waits else "",
        channels=_channels(one) if one else (),
        stops=_stops(visit),
        offers=[*decision.offers] if decision else [],
        all_channels=[*decision.channels] if decision else [],
    )


def _stops(visit: Visit) -> tuple[Any, ...]:
    return read_stops(visit.desk.settings.state, today=visit.now.date())


def read_answer(one: StoredDecisions) -> Mapping[str, Any]:
    """Who approved or rejected a run, when, and what was struck."""
    if one.handover == "approved":
        found: dict[str, Any] = json.loads((one.run.folder / APPROVED / MANIFEST_FILE).read_text())["answer"]
        return found
    if one.handover == "rejected":
        note: dict[str, Any] = json.loads((one.run.folder / REJECTED_FILE).read_text())
        return {**note, "struck": {}}
    return {}


def _channels(one: StoredDecisions) -> list[tuple[str, int]]:
    """Channels with somebody on their list: as handed over where that is known, else as decided."""
    handed = read_answer(one).get("customers")
    if handed is not None:
        return [(channel, count) for channel, count in handed.items() if count]
    counts: dict[str, int] = {}
    for line in one.summary.offers:
        counts[line.channel] = counts.get(line.channel, 0) + line.customers
    return [(channel, count) for channel, count in counts.items() if count]


def _offers_on(path: Path) -> list[str]:
    """Offers on a list, each once."""
    import pyarrow.parquet as pq

    found: list[str] = pq.read_table(path, columns=["offer_id"])["offer_id"].unique().to_pylist()
    return found
