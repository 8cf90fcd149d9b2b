"""Choice of one run: journeys, then one option or none per customer; writes nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path

import numpy as np

from netlift.abtest.assignment.draw import hash_units, to_uniform
from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.decisions.changes.compare import Tonight, compare, find_before
from netlift.decisions.choice.choose import choose, names_of
from netlift.decisions.eligibility.reasons import WORDS
from netlift.decisions.journeys.night import Night, NightRequest, run_night
from netlift.decisions.launch_check.check import prove_run
from netlift.decisions.launch_check.forecast import evidence_of, read_evidence
from netlift.decisions.request import DecideRequest, require_decision
from netlift.decisions.run.customers import Known
from netlift.decisions.run.export import LOG_FILE
from netlift.decisions.run.log import Log
from netlift.decisions.run.scores import UPLIFT
from netlift.decisions.run.summarize import summarize
from netlift.decisions.run.summary import DecisionSummary
from netlift.progress import Progress
from netlift.registry.champions import Champion
from netlift.training.uplift.evidence_rows import ProofRows


def move_journeys(
    settings: BusinessSettings, decision: DecisionSettings, known: Known, *, as_of: date, run_key: str
) -> Night | None:
    """Journeys go first: what their steps take is left to nobody else, and neither is who is in one.

    Args:
        settings: The business.
        decision: Its decision block.
        known: What is known of customers.
        as_of: First day not seen.
        run_key: Of the run.

    Returns:
        The night; None for the list of a trigger, which moves no journey.
    """
    if known.facts is None:
        return None

    def draw(journey: str, ids: Sequence[str]) -> np.ndarray:
        salt = "\x1f".join([decision.holdout.salt, settings.name, journey, "journey"])
        return to_uniform(hash_units(ids, salt=salt, purpose="arm"))

    return run_night(
        NightRequest(
            decision=decision,
            options=known.options,
            customers=known.customers,
            ids=known.positions,
            cost=known.values.cost(),
            events=known.journeys.events,
            facts=known.facts,
            used=known.used,
            as_of=as_of,
            run_key=run_key,
            draw=draw,
            stopped=known.stopped,
        )
    )


def decide_for(
    settings: BusinessSettings,
    request: DecideRequest,
    known: Known,
    night: Night | None,
    champions: Mapping[str, Champion],
    without: tuple[str, ...],
    held_out: ProofRows | None,
    progress: Progress,
) -> tuple[Log, DecisionSummary]:
    """Choose for all customers together, and say what comes of it; writes nothing.

    Args:
        settings: The business, with its decision block.
        request: What is asked.
        known: What is known of the customers.
        night: What journeys do this night; None where they do nothing.
        champions: Task to its champion.
        without: Tasks of the config without one.
        held_out: Contacts that the model never saw; None where the training kept none.
        progress: Who watches.
    """
    decision = require_decision(settings)
    progress.stage("decide", f"choosing for {len(known.positions):,} customers together")
    salt = f"{decision.holdout.salt}\x1f{settings.name}\x1f{request.key}\x1fexplore"
    decided = choose(
        decision,
        known.options,
        known.customers,
        known.values,
        is_list=bool(request.trigger),
        words=hash_units(list(known.positions), salt=salt, purpose="arm"),
        as_of=datetime.combine(request.as_of, time()),
        used=known.used if night is None else night.used,
        new=known.new,
        stopped=known.stopped,
    )
    decided = decided if night is None else decided.with_steps(night.option)
    proof = prove_run(held_out, decision, decided, known.uplift - known.worn, is_list=bool(request.trigger))
    log = Log(
        run_key=request.key,
        as_of=request.as_of,
        ids=known.positions.to_numpy(dtype=object),
        decided=decided,
        uplift=known.uplift,
        evidence=evidence_of(proof.proof) or read_evidence(settings, champions[UPLIFT]),
        versions={task: champion.version for task, champion in champions.items()},
        night=night,
        journeys=decision.journeys,
    )
    mark = champions[UPLIFT].contract.observational
    summary = summarize(settings, log, known, proof, observational=mark, without=without)
    return log, summary


def tell_changes(state: Path, log: Log, known: Known, summary: DecisionSummary) -> DecisionSummary:
    """The summary with what the run changes against the newest one of an earlier day; as it is without one.

    Args:
        state: The state folder.
        log: What is written of the run.
        known: What it was made from.
        summary: The run as plain numbers.

    Raises:
        DataError: The run before is not whole.
    """
    before = find_before(state, as_of=log.as_of, own_key=log.run_key)
    if before is None:
        return summary
    tonight = Tonight(
        customers=known.positions,
        offer=names_of(log.decided.options)[log.decided.draw.option],
        reason=np.array([WORDS.get(code, "") for code in range(256)], dtype=object)[log.decided.reason],
        profit={line.offer_id: line.profit for line in summary.offers},
        total=summary.forecast.profit.point,
        limits=tuple(price.name for price in summary.prices if price.binding),
    )
    return replace(summary, changes=compare(before, LOG_FILE, tonight))


__all__ = ["DecideRequest", "decide_for", "move_journeys", "require_decision", "tell_changes"]
