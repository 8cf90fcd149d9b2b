"""Campaigns that share contacts, so that their margin is counted once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from netlift.abtest.readout.overlaps import (
    ANY,
    COINCIDES,
    TOO_MUCH,
    Touch,
    count_touches,
    find_pairs,
    touched_customers,
)
from netlift.data.read import Tables

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True, kw_only=True)
class Contacts:
    """What other campaigns mean for one.

    Attributes:
        reason: `same_contacts` where its arms are those of an earlier campaign that is counted, `other_contacts` where
            others reached its control unlike its arms; empty where it is counted.
        stands_for: Campaigns that are left out because their arms are its own.
        costs: What the contacts of these cost, rewards among them.
    """

    reason: str = ""
    stands_for: tuple[str, ...] = ()
    costs: float = 0.0


def judge_contacts(
    tables: Tables, readable: Sequence[str], contacts: ir.Table, *, until: datetime
) -> Mapping[str, Contacts]:
    """What other campaigns mean for each campaign that could be read without them.

    Two campaigns whose arms are the same and whose time is shared are one to the data: the first is counted for both,
    with the costs of both. Of others whose control was reached unlike their arms none is counted.

    Args:
        tables: The tables of a business.
        readable: Ids of the campaigns, in the order of their start.
        contacts: One row per customer of a campaign, as `campaign_contacts` gives them.
        until: First moment not seen.
    """
    drawn = contacts.filter(contacts.campaign_id.isin(list(readable)))
    pairs = find_pairs(tables, readable, until=until)
    if not any(pairs.values()):
        return {}
    touches = count_touches(drawn, tables.engine.hold(touched_customers(tables, drawn, pairs, until=until)))
    twins = _twins(touches)
    kept: list[str] = []
    found: dict[str, Contacts] = {}
    for name in readable:
        same = twins.get(name, frozenset())
        if any(other in same for other in kept):
            found[name] = Contacts(reason="same_contacts")
        elif any(_spoils(touch, same) for touch in touches.get(name, {}).values()):
            found[name] = Contacts(reason="other_contacts")
        else:
            kept.append(name)
    for name in kept:
        own = tuple(other for other, judged in found.items() if other in twins.get(name, ()) and judged.reason)
        if own:
            found[name] = Contacts(stands_for=own, costs=_costs(drawn, own))
    return found


def _spoils(touch: Touch, same: Collection[str]) -> bool:
    """Whether another campaign reached control unlike the arms; not one that has the same arms, alone or among all."""
    return abs(touch.unlike) > TOO_MUCH and touch.other not in ({ANY, *same} if same else ())


def _twins(touches: Mapping[str, Mapping[str, Touch]]) -> dict[str, frozenset[str]]:
    """Campaigns to those whose arms are their own, both ways."""
    same = {
        name: {other for other, touch in own.items() if other != ANY and touch.unlike >= COINCIDES}
        for name, own in touches.items()
    }
    return {name: frozenset(o for o in others if name in same.get(o, ())) for name, others in same.items()}


def _costs(drawn: ir.Table, campaigns: Sequence[str]) -> float:
    own = drawn.filter(drawn.campaign_id.isin(list(campaigns)))
    return float((own.contact_cost + own.reward).sum().to_pyarrow().as_py() or 0.0)


__all__ = ["Contacts", "judge_contacts"]
