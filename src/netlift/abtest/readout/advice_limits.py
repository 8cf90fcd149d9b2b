"""Advice for each arm within the budget and capacities of the decision config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from netlift.abtest.readout.advice import Limits, Seen, advise
from netlift.abtest.readout.arms import ArmsRead
from netlift.abtest.readout.metrics import worst_guardrail
from netlift.abtest.readout.result import ArmAdvice, Rollout
from netlift.config.business import BusinessSettings
from netlift.config.decision import DecisionSettings
from netlift.data.read import Tables


def advise_arms(
    settings: BusinessSettings,
    tables: Tables,
    read: ArmsRead,
    rollout: Sequence[Rollout],
    *,
    fixed: float,
    control: int,
) -> Iterator[ArmAdvice]:
    """Advice on every arm, in their order.

    Args:
        settings: The business; its block `decision` holds the limits of a run, if there is one.
        tables: Its tables, for the channels of offers.
        read: The arms.
        rollout: Their forecasts, in the same order.
        fixed: Fixed cost of a run.
        control: Customers of control.
    """
    channels = channels_of(tables)
    after = {found.arm: found for found in read.pull_forward}
    for arm, customer, forecast in zip(read.arms, read.customers, rollout, strict=True):
        limits = _limits(settings.decision, arm.arm, channels.get(arm.arm, ""))
        yield advise(
            Seen(
                arm=arm, customer=customer, after=after.get(arm.arm), rollout=forecast, fixed=fixed, control=control,
                limits=limits, guardrail=worst_guardrail(read.metrics, arm.arm),
            )
        )  # fmt: skip


def channels_of(tables: Tables) -> Mapping[str, str]:
    """Offer to its channel, of offers that have one."""
    if "offers" not in tables:
        return {}
    return {row["offer_id"]: row["channel"] for row in tables["offers"].to_pyarrow().to_pylist() if row["channel"]}


def _limits(rules: DecisionSettings | None, offer_id: str, channel: str) -> Limits:
    if rules is None:
        return Limits(channel_name=channel)
    offer = rules.offers.get(offer_id)
    channel = offer.channel if offer is not None else channel
    over = rules.channels.get(channel)
    return Limits(
        offer=None if offer is None else offer.at_most,
        channel=None if over is None else over.at_most,
        budget=rules.budget,
        channel_name=channel,
    )


__all__ = ["advise_arms", "channels_of"]
