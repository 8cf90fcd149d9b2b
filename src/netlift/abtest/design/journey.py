"""Design of a journey's test: one treatment of all its steps, drawn night by night against its own control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from netlift.abtest.design.request import DesignRequest
from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.config.journeys import JourneySettings
from netlift.config.outreach import OfferSettings
from netlift.config.plan import ArmPlan
from netlift.config.settings import did_you_mean
from netlift.data.read import Tables
from netlift.errors import ConfigError, UsageError


def find_journey(decision: DecisionSettings | None, name: str) -> JourneySettings | None:
    """The journey of the config of that name; None where no journey is called so."""
    journeys = decision.journeys if decision else ()
    return next((journey for journey in journeys if journey.name == name), None)


def request_of_journey(request: DesignRequest, settings: BusinessSettings) -> DesignRequest:
    """The request with what the config says of the journey: its id, arm, window, control and conditions.

    Args:
        request: What is asked, with the journey's name as the campaign's id.
        settings: The business.

    Raises:
        UsageError: No such journey, something that only its config may say, or no count of customers.
    """
    journey = find_journey(settings.decision, request.campaign_id)
    if journey is None:
        names = [one.name for one in settings.decision.journeys] if settings.decision else []
        known = did_you_mean(request.campaign_id, names) or f"; the config has {', '.join(names) or 'none'}"
        raise UsageError(f"--journey {request.campaign_id}: no such journey{known}")
    place = f"journeys.{journey.name} of the config"
    mistakes = [
        f"{option} {given}: {place} says {own}; leave the option out, or change the config before the journey begins"
        for option, given, own in (
            ("--offers", ", ".join(request.offers), f"which offers its {len(journey.steps)} steps send"),
            ("--outcome-days", request.outcome_days or None, journey.outcome_days),
            ("--control-share", request.control_share, journey.control_share),
            ("--cluster", request.cluster, "nothing of it: the arm is drawn by customer"),
            ("--strata", ", ".join(request.strata), "nothing of them: the arm is drawn when the trigger fires"),
        )
        if given and given != own
    ]
    if request.customers is None:
        mistakes.append(
            f"--customers is missing: say how many the trigger {journey.trigger!r} brings in over the nights that you "
            "want to wait; the page of `netlift decide` counts them every night"
        )
    if request.looks > 1:
        mistakes.append(f"--looks {request.looks}: a journey has no last day to plan looks by; leave the option out")
    if mistakes:
        raise UsageError("\n".join(mistakes))
    return replace(
        request,
        offers=(journey.name,),
        outcome_days=journey.outcome_days,
        control_share=journey.control_share,
        eligible=(*journey.who, *request.eligible),
    )


def arm_of_journey(
    journey: JourneySettings, offers: Mapping[str, OfferSettings], tables: Tables, *, share: float
) -> ArmPlan:
    """The journey as an arm: who gets every step costs the dearest offer of each, and is rewarded at most once.

    A purchase ends most journeys, so that the reward of one step, the dearest, is expected of who buys.

    Args:
        journey: The journey.
        offers: Of the config.
        tables: Of the business, for the costs of contacts.
        share: Chance of the arm.

    Raises:
        ConfigError: Nobody says what a contact of an offer costs.
    """
    costs = _contact_costs(tables)
    costs |= {name: cost for name in journey.offers if (cost := offers[name].contact_cost) is not None}
    missing = [name for name in journey.offers if name not in costs]
    if missing:
        raise ConfigError(
            f"journeys.{journey.name}: nothing says what a contact of {', '.join(missing)} costs; add contact_cost to "
            "the offers of the config, or their rows to the table offers"
        )
    return ArmPlan(
        offer_id=journey.name,
        share=share,
        channel=offers[journey.steps[0].offers[0]].channel,
        contact_cost=sum(max(costs[name] for name in step.offers) for step in journey.steps),
        reward=max(offers[name].reward or 0.0 for name in journey.offers),
        reward_share=0.0,
    )


def _contact_costs(tables: Tables) -> dict[str, float]:
    if "offers" not in tables:
        return {}
    rows = tables.connection.to_pyarrow(tables["offers"].select("offer_id", "contact_cost")).to_pylist()
    return {row["offer_id"]: float(row["contact_cost"]) for row in rows}


__all__ = ["arm_of_journey", "find_journey", "request_of_journey"]
