"""Conversion of a design request and its result to a frozen plan."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from netlift.abtest.design.journey import arm_of_journey, find_journey, request_of_journey
from netlift.abtest.design.request import EVERY_OFFER, DesignRequest
from netlift.abtest.design.result import PastSpend
from netlift.abtest.design.sizing import Precision
from netlift.config.business import BusinessSettings
from netlift.config.criteria import SPLITS, parse_criterion
from netlift.config.plan import ArmPlan, HoldoutPlan, Plan, PlanBasis, freeze_plan
from netlift.config.settings import did_you_mean
from netlift.data.read import Tables
from netlift.errors import DataError, UsageError

LEVEL = 0.95
HOLDOUT_MONTHS, WASHOUT_DAYS = 6, 28
_SLUG = re.compile(r"^[a-z0-9][a-z0-9._-]{0,79}$")


def complete(request: DesignRequest, settings: BusinessSettings) -> DesignRequest:
    """The request with what the config says where it says nothing.

    Raises:
        UsageError: It cannot be designed; with every mistake.
    """
    request = request_of_journey(request, settings) if request.is_journey else request
    how = settings.readout
    standing = None if settings.decision is None else settings.decision.holdout
    mistakes = _mistaken_holdout(request, standing)
    full = replace(
        request,
        holdout=standing if standing or mistakes else _holdout(request, settings.name),
        tolerance=request.tolerance if request.tolerance is not None or how is None else how.tolerance,
        level=request.level or (how.level if how else LEVEL),
        cluster=request.cluster or (how.household if how else None),
    )
    mistakes = _mistakes(full, level=full.level or LEVEL) + mistakes
    named = [name for name in SPLITS if name in request.segments]
    if named and settings.segments is None:
        mistakes.append(
            f"--segments {', '.join(named)}: the config has no segments block, so nobody has said what one is"
        )
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return full


def _mistakes(request: DesignRequest, *, level: float) -> list[str]:
    asked, days = (request.control_share, request.half_width, request.chance), request.outcome_days
    unsized = asked == (None, None, None)
    sizes = "nothing says how large control has to be; give --half-width, --expect with --chance, or --control-share"
    rules = (
        (not request.campaign_id, "nothing says which campaign is planned; give --campaign-id, or --journey"),
        (not request.offers, "--offers names no offer; name at least one of the table offers"),
        (request.tolerance is None, "nothing says which loss is immaterial; give --tolerance, or readout.tolerance"),
        (unsized, sizes),
        (request.chance is not None and request.expected is None, "--chance goes with an assumed profit: --expect"),
        (not _within(request.chance, 0, 1), f"--chance {request.chance}: lies between 0 and 1"),
        (not _within(request.half_width, 0, math.inf), f"--half-width {request.half_width}: is above zero"),
        (not _within(request.control_share, 0, 1), f"--control-share {request.control_share}: lies between 0 and 1"),
        (not _within(level, 0.5, 1), f"--level {level}: lies between 0.5 and 1"),
        (not 1 <= days <= 366, f"--outcome-days {days}: 1 to 366; give the days whose receipts count"),
        (request.looks < 1, "--looks is at least 1"),
        (
            _SLUG.match(request.folder) is None,
            f"--slug {request.folder!r}: small letters, digits, '.', '-' and '_' only, no point first",
        ),
    )
    return [words for broken, words in rules if broken] + _strange_words(request)


def _mistaken_holdout(request: DesignRequest, standing: HoldoutPlan | None) -> list[str]:
    """What is asked of the holdout and cannot be, or is not what the config says: a holdout is one."""
    share, months, washout = request.holdout_share, request.holdout_months, request.washout_days
    rules = (
        (share is not None and not 0 <= share <= 0.5, f"--holdout-share {share}: lies between 0 and 0.5"),
        (months is not None and months < 1, "--holdout-months is at least 1"),
        (washout is not None and washout < 0, "--washout-days is at least 0"),
    )
    mistakes = [words for broken, words in rules if broken]
    if standing is None or mistakes:
        return mistakes
    asked = {
        "--holdout-share": (share, standing.share, "share"),
        "--holdout-months": (months, standing.rotate_months, "rotate_months"),
        "--washout-days": (washout, standing.washout_days, "washout_days"),
    }
    return [
        f"{option} {value}: decision.holdout.{name} of the config says {own}, and the universal holdout is one for all "
        "campaigns and decisions; leave the option out, or change the config"
        for option, (value, own, name) in asked.items()
        if value is not None and value != own
    ]


def _holdout(request: DesignRequest, business: str) -> HoldoutPlan | None:
    """The universal holdout of a business whose config names none; None where nothing asks for one."""
    if not request.holdout_share:
        return None
    return HoldoutPlan(
        share=request.holdout_share,
        salt=f"{business}-holdout",
        rotate_months=request.holdout_months or HOLDOUT_MONTHS,
        washout_days=WASHOUT_DAYS if request.washout_days is None else request.washout_days,
    )


def _within(value: float | None, low: float, high: float) -> bool:
    return value is None or low < value < high


def _strange_words(request: DesignRequest) -> list[str]:
    """Conditions that cannot be read, and costs of offers that are not tried."""
    mistakes = []
    for text in request.eligible:
        try:
            parse_criterion(text)
        except ValueError as error:
            mistakes.append(f"--eligible {error}")
    for option, given in (("--reward", request.reward), ("--reward-share", request.reward_share)):
        unknown = [offer for offer in given if offer and offer not in request.offers]
        mistakes += [f"{option} {name}: not among --offers{did_you_mean(name, [*request.offers])}" for name in unknown]
    return mistakes


def plan_arms(
    settings: BusinessSettings, tables: Tables, request: DesignRequest, *, control_share: float = 0.5
) -> tuple[ArmPlan, ...]:
    """The arms with their channels and costs, sharing evenly what control leaves.

    Raises:
        DataError: There is no table of offers.
        UsageError: An offer that it does not have; says what was probably meant.
    """
    journey = find_journey(settings.decision, request.campaign_id) if request.is_journey else None
    if journey is not None and settings.decision is not None:
        return (arm_of_journey(journey, settings.decision.offers, tables, share=1 - control_share),)
    if "offers" not in tables:
        raise DataError("a design needs the table offers (offer_id, channel, contact_cost); name it in the config")
    offers = tables["offers"].select("offer_id", "channel", "contact_cost")
    known = {row["offer_id"]: row for row in tables.connection.to_pyarrow(offers).to_pylist()}
    unknown = [offer for offer in request.offers if offer not in known]
    if unknown:
        raise UsageError("; ".join(f"no offer {offer!r}{did_you_mean(offer, list(known))}" for offer in unknown))
    return tuple(
        ArmPlan(
            offer_id=offer,
            share=(1 - control_share) / len(request.offers),
            channel=known[offer]["channel"],
            contact_cost=known[offer]["contact_cost"],
            reward=_of(request.reward, offer),
            reward_share=_of(request.reward_share, offer),
        )
        for offer in request.offers
    )


def make_plan(
    settings: BusinessSettings, tables: Tables, request: DesignRequest, *, chosen: Precision, past: PastSpend
) -> Plan:
    """The frozen plan of a design.

    Raises:
        UsageError: The request does not make a plan; all mistakes at once.
    """
    content: dict[str, Any] = {
        "campaign_id": request.campaign_id,
        "name": request.name or request.campaign_id,
        "hypothesis": request.hypothesis,
        "metric": "incremental_profit",
        "currency": settings.currency,
        "start": request.start,
        "outcome_days": request.outcome_days,
        "control_share": chosen.control_share,
        "arms": plan_arms(settings, tables, request, control_share=chosen.control_share),
        "fixed_cost": request.fixed_cost,
        "eligible": request.eligible,
        "customers": request.customers,
        "strata": request.strata,
        "cluster": request.cluster,
        "segments": request.segments,
        "looks": request.looks,
        "level": request.level,
        "tolerance": request.tolerance,
        "holdout": request.holdout,
        "salt": f"{settings.name}/{request.campaign_id}",
        "basis": PlanBasis(
            window_from=past.window.start,
            window_to=past.window.end,
            customers=past.customers,
            margin_mean=past.margin_mean,
            margin_sd=past.spread.sd,
            half_width=chosen.half_width,
            gamma=chosen.gamma,
            expected_profit=request.expected,
            chance=chosen.chance,
        ),
    }
    try:
        return freeze_plan(**content)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'plan'}: {e['msg'].removeprefix('Value error, ')}"
                 for e in error.errors(include_url=False, include_input=False)]  # fmt: skip
        raise UsageError("no plan can be made of this:\n" + "\n".join(f"  {line}" for line in lines)) from error


def _of(given: Mapping[str, float], offer: str) -> float:
    return given.get(offer, given.get(EVERY_OFFER, 0.0))


__all__ = ["HOLDOUT_MONTHS", "LEVEL", "complete", "make_plan", "plan_arms"]
