"""Permission of an uplift policy: full, one offer for all, a part, or none.

A policy can pay as a whole and not be proven, while a part of it is; and where no choice among customers is proven, one
offer for all may pay. So the policy, the constants, what remains of it without some offers, and its largest predictions
alone are held against contacting nobody on all evidence, jointly (`joint_proof`). What ships is the first of these that
is proven and that the newest campaigns do not contradict:

    the whole policy     unless a proven constant earns as much, for all that the evidence can tell
    the best constant    named as such
    the largest part     the proven one of the highest gain
    nobody               a refusal
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

from netlift.config.definitions import UpliftGate
from netlift.estimators.rows import ContactRows
from netlift.estimators.uplift.counted_gains import Counted
from netlift.estimators.uplift.fit import average_effects
from netlift.evaluation.policy.joint_comparison import prove_jointly
from netlift.results import Estimate, Table, format_number
from netlift.training.gate import GateCheck, beats_baseline, held_out_agrees
from netlift.training.uplift.holdout import Judged

TOPS = (0.5, 0.25)  # of those contacted, the shares of the highest predictions that are tried alone
ALL_SUBSETS = 4  # up to so many offers every subset is tried; beyond, single offers and all but one
SILENCE = "contacting nobody"
NOTHING = "nothing ships: neither the policy nor a constant nor a part of it is proven to earn more than no contact"
LEAST = 0.1  # of an offer's mean effect: what a constant predicts of everybody at least
Kind = Literal["whole", "constant", "part", "nobody"]


@dataclass(frozen=True, kw_only=True)
class PartRow:
    """One thing that might have shipped.

    Attributes:
        part: What, in words.
        gain: Over contacting nobody per customer; all lower ends hold together.
        contacted: Share of customers that it contacts.
        ships: Whether it does.
    """

    part: str
    gain: Estimate
    contacted: float
    ships: bool


@dataclass(frozen=True, kw_only=True)
class Permission:
    """What may go live.

    Attributes:
        kind: How much.
        counted: Which predicted gains count; all where nobody may be contacted, for that is what was asked about.
        words: What ships, in a sentence.
        checks: What the gate asked of it.
        parts: Everything that was tried.
    """

    kind: Kind
    counted: Counted
    words: str
    checks: tuple[GateCheck, ...]
    parts: Table[PartRow]


@dataclass(frozen=True, kw_only=True)
class _Tried:
    kind: Kind
    counted: Counted
    words: str


def permit(evidence: Judged, late: Judged, rows: ContactRows, gates: UpliftGate) -> Permission:
    """Try the policy, constants and parts, and take the first that is proven.

    Args:
        evidence: The policy's rows out of fold.
        late: The newest campaigns, judged by a model that never saw them.
        rows: All rows.
        gates: Confidence, and what the policy must earn above a constant.
    """
    everything = Counted(offers=tuple(range(len(rows.offers))))
    whole = _Tried(kind="whole", counted=everything, words="the whole policy")
    tried = [whole, *_constants(rows), *_parts(evidence, rows.offers)]
    policies = [evidence.count(one.counted).policy for one in tried]
    gains = prove_jointly(evidence.logged, policies, confidence=gates.confidence)
    proven = [i for i in range(len(tried)) if gains[i].ci_lower > 0]
    proven.sort(key=lambda i: -gains[i].point)
    rival = next((i for i in proven if tried[i].kind == "constant"), None)
    asked = {0: _ask_whole(evidence, late, gates, gains[0], None if rival is None else tried[rival])}
    for i in [rival, *(i for i in proven if tried[i].kind == "part")]:
        if i is not None:
            asked[i] = _ask(tried[i], gains[i], late, gates)
    passed = next((i for i, checks in asked.items() if all(check.passed for check in checks)), None)
    failed = tuple(check.words for check in asked[0] if not check.passed)
    parts = [
        PartRow(part=one.words, gain=gain, contacted=float(np.mean(policy > 0)), ships=i == passed)
        for i, (one, gain, policy) in enumerate(zip(tried, gains, policies, strict=True))
    ]
    return Permission(
        kind="nobody" if passed is None else tried[passed].kind,
        counted=tried[passed or 0].counted,
        words=NOTHING if passed is None else _tell(tried[passed], failed),
        checks=asked[passed or 0],
        parts=Table(name="parts", rows=tuple(parts)),
    )


def _ask_whole(
    evidence: Judged, late: Judged, gates: UpliftGate, gain: Estimate, rival: _Tried | None
) -> tuple[GateCheck, ...]:
    """Whether the policy beats nobody and the best proven constant, and the newest campaigns agree."""
    asked = [beats_baseline(gain, baseline=SILENCE, measure="profit", at_least=gates.min_gain_over_constant)]
    if rival is not None:
        above = evidence.gain_over(evidence.count(rival.counted).policy, confidence=gates.confidence)
        baseline, least = f"giving {rival.words}", gates.min_gain_over_constant
        asked.append(beats_baseline(above, baseline=baseline, measure="profit", at_least=least))
        held = late.gain_over(late.count(rival.counted).policy, confidence=gates.confidence)
        return (*asked, held_out_agrees(held, baseline=baseline))
    return (*asked, held_out_agrees(late.gain_over(_nobody(late), confidence=gates.confidence), baseline=SILENCE))


def _ask(one: _Tried, gain: Estimate, late: Judged, gates: UpliftGate) -> tuple[GateCheck, ...]:
    """Whether a constant or a part, proven on all evidence, is not contradicted by the newest campaigns."""
    subject = f"giving {one.words}" if one.kind == "constant" else f"what ships of it ({one.words})"
    held = late.count(one.counted).gain_over(_nobody(late), confidence=gates.confidence)
    return (
        beats_baseline(gain, baseline=SILENCE, measure="profit", subject=subject[0].upper() + subject[1:]),
        held_out_agrees(held, baseline=SILENCE, subject=subject),
    )


def _nobody(judged: Judged) -> np.ndarray:
    return np.zeros(len(judged.policy), dtype=np.int64)


def _constants(rows: ContactRows) -> list[_Tried]:
    effects = average_effects(rows)
    return [
        _Tried(
            kind="constant",
            counted=Counted(offers=(j,), least=max(LEAST * float(effects[j]), 1e-9)),
            words=f"everybody {offer}",
        )
        for j, offer in enumerate(rows.offers)
    ]


def _parts(evidence: Judged, offers: Sequence[str]) -> list[_Tried]:
    """Fewer offers, and the largest predictions alone."""
    every, found = range(len(offers)), []
    sizes = range(1, len(offers)) if len(offers) <= ALL_SUBSETS else (1, len(offers) - 1)
    for kept in (kept for size in sizes for kept in combinations(every, size)):
        names = " and ".join(offers[j] for j in kept)
        found.append(_Tried(kind="part", counted=Counted(offers=kept), words=f"{names} alone"))
    best = np.where(evidence.logged.available[:, 1:], evidence.uplift, 0.0).max(axis=1, initial=0.0)
    for share in TOPS if (best > 0).any() else ():
        cutoff = float(np.quantile(best[best > 0], 1 - share))
        words = f"contacts predicted to earn over {format_number(cutoff)} alone"
        found.append(_Tried(kind="part", counted=Counted(offers=tuple(every), cutoff=cutoff), words=words))
    return found


def _tell(one: _Tried, failed: Sequence[str]) -> str:
    if one.kind == "whole":
        return "the whole policy ships"
    why = " ".join(failed)
    if one.kind == "constant":
        return f"what ships is one offer for all, {one.words}: choosing by customer is not proven to earn more. {why}"
    return f"a part of the policy ships, {one.words}: the rest is not proven and counts as no gain. {why}"


__all__ = ["Permission", "permit"]
