"""The promote command: manual champion change with compare-and-set and a reason.

The next best offer follows the champion of uplift: it is made anew after every move, as after a training. Its own
versions can be moved by hand only among those that were made from the uplift that leads.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from netlift.config.business import BusinessSettings
from netlift.config.settings import did_you_mean
from netlift.decisions.next_best_offer import model as next_best_offer
from netlift.decisions.next_best_offer.model import UPLIFT
from netlift.decisions.next_best_offer.upkeep import find_stale, offer_of_history
from netlift.errors import GateRefusedError, UsageError
from netlift.registry.models import CHAMPION, aliases, describe, model_name
from netlift.registry.promotion import Promotion, promote, read_history
from netlift.registry.store import Store, open_business
from netlift.registry.tracking import TAG

NEXT_BEST_OFFER = "next_best_offer"  # as its definition names the task; registered with hyphens


@dataclass(frozen=True, kw_only=True)
class PromotedVersion(Promotion):
    """A champion named by hand.

    Attributes:
        next_best_offer: What became of the next best offer, or why it could not be made anew; empty where it has
            nothing to do with the move.
    """

    next_best_offer: str = ""

    def to_text(self) -> str:
        """What moved, and what followed."""
        return "\n".join(filter(None, [super().to_text(), self.next_best_offer]))


def promote_version(
    settings: BusinessSettings,
    *,
    task: str,
    version: int,
    expect_current: int | None,
    reason: str,
    now: datetime,
    lock_timeout: float,
) -> PromotedVersion:
    """Make a version champion; where it is one of uplift, the next best offer is made anew from it and leads.

    The promotion stands where the next best offer cannot be made, and the result says why.

    Raises:
        GateRefusedError: The version's gate refused it, and it was never champion; or it is a next best offer made from
            an uplift that does not lead.
        UsageError: No such task or version, no reason, or another champion than expected.
        ModelIntegrityError: The version's files are not those that were registered.
        BusyError: Another process kept the registry's lock.
    """
    name = _registered(settings, task)
    if not reason.strip():
        raise UsageError("--reason is empty; the audit keeps why a champion was moved by hand")
    store = open_business(settings)
    _require_gate(store, name, version)
    if name == next_best_offer.TASK:
        _require_leading_uplift(store, version)
    promotion = promote(
        store,
        name,
        version,
        expect_current=expect_current,
        reasons=(reason.strip(),),
        actor="netlift promote",
        at=now,
        lock_timeout_seconds=lock_timeout,
    )
    followed = ""
    if name == next_best_offer.TASK:
        followed = find_stale(settings, store)
    elif name == UPLIFT and settings.decision is not None:
        followed = offer_of_history(settings, store, actor="netlift promote", now=now, lock_timeout=lock_timeout)
    return PromotedVersion(**vars(promotion), next_best_offer=followed)


def _registered(settings: BusinessSettings, task: str) -> str:
    """The task as models are registered by it."""
    if task.replace("-", "_") == NEXT_BEST_OFFER and UPLIFT in settings.models:
        return next_best_offer.TASK
    if task not in settings.models:
        known = [*settings.models, NEXT_BEST_OFFER]
        raise UsageError(f"{task}: the config defines no such task{did_you_mean(task, known)}")
    return task


def _require_gate(store: Store, task: str, version: int) -> None:
    passed = describe(store, task, version).tags.get(f"{TAG}gate") == "passed"
    if not passed and version not in {entry["version"] for entry in read_history(store, task)}:
        raise GateRefusedError(
            f"netlift-{task} version {version}: its gate refused it and it was never champion; its card says why. "
            "Change the gate in the model definition and train again if the gate is wrong"
        )


def _require_leading_uplift(store: Store, version: int) -> None:
    """A next best offer of effects that do not lead would answer otherwise than decisions do."""
    made_from = next_best_offer.uplift_version(describe(store, next_best_offer.TASK, version))
    leads = aliases(store, UPLIFT).get(CHAMPION)
    if made_from != leads:
        now = "none" if leads is None else f"version {leads}"
        raise GateRefusedError(
            f"{model_name(next_best_offer.TASK)} version {version} was made from {model_name(UPLIFT)} version "
            f"{made_from}, whose champion is {now}: `netlift promote {UPLIFT} --version {made_from}`, and the next "
            "best offer follows it"
        )


__all__ = ["PromotedVersion", "promote_version"]
