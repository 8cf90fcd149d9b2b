"""A run of decisions and a closed loop made by hand, whose offers, channels and segments are called what is asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from netlift.closed_loop.result import (
    PASSED,
    SEGMENTS,
    WORLDS,
    DemoReport,
    MonthRow,
    RoundRow,
    Shop,
    Standing,
    WorldRow,
    WorldSegmentRow,
)
from netlift.decisions.allocation.result import BudgetPoint, Price
from netlift.decisions.choice.value import Sensitivity
from netlift.decisions.launch_check.result import BeforeLaunch, ProvedPolicy
from netlift.decisions.new_offers.plan import NewOffer
from netlift.decisions.run.summary import (
    DecisionSummary,
    Forecast,
    NewOfferLine,
    NewOffersPart,
    OfferLine,
    PartLine,
    RunNote,
)
from netlift.evaluation.policy.added_effects import AddedEffect
from netlift.results import Estimate, Table

DAY = date(2026, 10, 1)


def about(point: float, half: float = 1.0, unit: str = "RUB") -> Estimate:
    return Estimate(point=point, ci_lower=point - half, ci_upper=point + half, level=0.95, unit=unit, method="by hand")


def proved(name, value: float, above: float | None, *, in_reach: bool = True) -> ProvedPolicy:
    return ProvedPolicy(
        name=name, value=about(value, 30), ours_above=None if above is None else about(above, 20), contacted=0.8,
        in_reach=in_reach, effective_rows=900.0, max_weight=8.0, without_support=0.0,
    )  # fmt: skip


def price(name: str, used: float, bound: float, worth: float, side: str = "most") -> Price:
    return Price(name=name, side=side, bound=bound, used=used, slack=bound - used, price=worth, binding=worth > 0)


def new_offer(offer: str, state, contacts: int, *, needed: int | None = None, share: float = 0.0) -> NewOfferLine:
    """A new offer that brings 6 a contact, or loses 25 where it is retired."""
    expected = -25.0 if state == "retired" else 6.0
    return NewOfferLine(
        known=NewOffer(
            offer_id=offer, state=state, contacts=contacts, made=contacts + 120, cost=4.0 * contacts, expected=expected,
            lower=expected - 12, upper=expected + 12, chance=0.01 if state == "retired" else 0.83,
            left=9000 if share else 0, share=share, needed=needed,
        ),
        customers=180 if share else 0,
        spend=720.0 if share else 0.0,
        probability=0.02 if share else 0.0,
    )  # fmt: skip


def make_summary(
    offers: tuple[str, str] = ("mail", "phone"),
    channels: tuple[str, str] = ("email", "call"),
    *,
    segment: str = "champions",
    strategy: str = "VIP",
    attribute: str = "region",
    **changes: object,
) -> DecisionSummary:
    """Two offers that bring 300,000 and 90,000 of the 400,000 that the model promises."""
    first, second = offers
    parts = (
        PartLine(name=segment, customers=4000, offers={first: 3000, second: 100}, spend=9000.0, profit=300_000.0),
        PartLine(name="", customers=6000, offers={first: 1000, second: 200}, spend=21_000.0, profit=90_000.0),
    )
    before = BeforeLaunch(
        why_not="",
        policies=(
            proved("policy", 656.0, None),
            proved("nobody", 573.0, 83.0),
            proved("best", 607.0, 49.0),
            proved("rules", 572.0, 84.0, in_reach=False),
        ),
        rows=29_000,
        contacts=25_000,
        how="by hand",
        predicted=114.1,
        realised=about(95.9, 41.0),
        slope=about(0.8, 0.3),
        not_asked=(attribute, "segment"),
        not_learned=(second,),
    )
    whole = DecisionSummary(
        run_key="2026-10-01",
        as_of=DAY,
        currency="RUB",
        customers=10_000,
        contacted=4300,
        explored=250,
        held_out=500,
        forecast=Forecast(
            profit=about(390_000.0, 200_000.0),
            promised=400_000.0,
            basis="policy",
            rows=25_000,
            unknown=0,
            exploration=12_000.0,
        ),
        before_launch=before,
        budget=30_000.0,
        spend=30_000.0,
        gap=0.000014,
        curve=tuple(
            BudgetPoint(
                budget=budget,
                spent=budget,
                profit=9 * budget,
                bound=9 * budget,
                gap=0.0,
                price=5.34,
                customers=4000,
                binding=("budget",),
            )
            for budget in (15_000.0, 30_000.0, 45_000.0)
        ),
        prices=(
            price("budget", 30_000.0, 30_000.0, 5.34),
            price(f"channel {channels[1]}", 300, 300, 335.5),
            price(f"offer {second}", 300, 300, 12.0),
            price(f"offer {first}", 50, 50, 3.0, side="least"),
        ),
        offers=(
            OfferLine(
                offer_id=first,
                channel=channels[0],
                customers=4000,
                explored=100,
                open_to=9000,
                spend=16_500.0,
                profit=300_000.0,
                profit_lower=120_000.0,
                profit_upper=480_000.0,
            ),
            OfferLine(
                offer_id=second,
                channel=channels[1],
                customers=300,
                explored=60,
                open_to=8000,
                spend=13_500.0,
                profit=90_000.0,
            ),
        ),
        reasons={"policy": 4140, "explore": 160, "explore_none": 90, "nothing_pays": 5610},
        refusals={first: {"open": 9000, "consent": 1000}, second: {"open": 8000, "consent": 2000}},
        sensitivity=(
            Sensitivity(input="margin", offer_id=first, amount=320_000.0, change=32_000.0),
            Sensitivity(input="reward", offer_id=second, amount=-9000.0, change=-900.0),
        ),
        versions={"uplift": 1},
        observational="",
        notes=(
            RunNote(key="untrained_refuse", values={"offers": (second,)}),
            RunNote(key="empty_strategy", values={"strategies": (strategy,)}),
            RunNote(key="no_future", values={"customers": 12, "offers": (first,)}),
            RunNote(key="reward_moved", values={"offer": first, "times": 1.5}),
            RunNote(key="thinned", values={"offers": offers, "least": 0.82}),
            RunNote(key="drifted", values={"count": 2, "features": ("contacts_30d", attribute)}),
        ),
        new_offers=NewOffersPart(
            lines=(new_offer(first, "learning", 600, needed=2100, share=0.7), new_offer(second, "retired", 700)),
            level=0.95,
            confidence=0.9,
            budget=2000.0,
            spend=720.0,
            monthly_budget=5000.0,
            before=1500.0,
        ),
        segments=parts,
        strategies=(replace(parts[0], name=strategy), parts[1]),
    )
    return replace(whole, **changes)


def make_loop(offer: str = "mail") -> DemoReport:
    """A loop between two rules that lose money and knowing everything."""
    gains = dict(zip(WORLDS, (0.0, -504_000.0, -177_000.0, 4_760_000.0, 9_880_000.0), strict=True))
    standing = Standing(
        churn=about(0.25, 0.01, "share"), nps=about(12.0, 4.0, "NPS"), ltv=about(8500.0, 400.0),
        frequency=about(19.0, 0.5), customers=7000,
    )  # fmt: skip
    worlds = tuple(
        WorldRow(
            world=name,
            profit=52e6 + gain,
            gain=about(gain, 0.1 * abs(gain)),
            spend=6000.0 if gain < 0 else 0.25 * gain,
            roi=None if not gain else about(gain / (6000.0 if gain < 0 else 0.25 * gain), 0.4, "share"),
            roi_after=None if not gain else about(3.8, 0.4, "share"),
            contacts_per_customer=4.0 if gain else 0.0,
            standing=standing,
            churn_change=about(-0.016 if gain > 0 else 0.03, 0.007, "share"),
            frequency_change=about(1.03, 0.07),
            kept_ltv=about(8500.0, 400.0),
            left_behind=about(-259_000.0, 370_000.0),
            left_share=about(-0.005, 0.007, "share"),
        )
        for name, gain in gains.items()
    )
    months = tuple(
        MonthRow(
            world=name, month=DAY, gain=about(gain / 12, 50_000), gain_so_far=about(gain / 12, 50_000),
            contacts_per_customer=0.5, lost=about(0.05, 0.01, "share"), nps=None,
        )
        for name, gain in gains.items()
    )  # fmt: skip
    segments = tuple(
        WorldSegmentRow(
            world=name, segment=segment, customers=2000, gain=about(357.0, 77.0), contacts_per_customer=6.1,
            churn_change=None if segment == "newcomers" else about(-0.02, 0.01, "share"),
            frequency_change=about(1.13, 0.1), left_behind=about(-39.0, 43.0),
        )
        for name in WORLDS
        for segment in SEGMENTS
    )  # fmt: skip
    rounds = (
        RoundRow(
            month=DAY, rows=33_733, gate=PASSED, rest_days=31, contacted=4518, explored=157, promised=432_000.0,
            true_promise=555_000.0, sound=True, replayed=about(691_000.0, 2e6), true_replayed=570_000.0,
            measured=about(175_000.0, 1.5e6), true_measured=about(569_000.0, 100_000.0),
        ),
    )  # fmt: skip
    shop = Shop(
        preset="retailer", customers=10_000, seed=7, start=DAY, rounds=12, epsilon=0.04, rest_days=None, holdout=0.05,
        likely_share=0.3, constant=offer, currency="RUB", level=0.95,
    )  # fmt: skip
    return DemoReport(
        shop=shop, start=standing, worlds=Table(name="worlds", rows=worlds), months=Table(name="months", rows=months),
        segments=Table(name="segments", rows=segments), rounds=Table(name="rounds", rows=rounds),
        measured=about(-900_000.0, 12e6), true_measured=about(4_210_000.0, 500_000.0),
        added=(
            AddedEffect(offer_id=offer, rest_days=28, rows=4000, added=about(6.0, 66.0), rested=about(66.9, 24.0)),
        ),
        last_gate=("said",),
    )  # fmt: skip


__all__ = ["about", "make_loop", "make_summary"]
