"""Result of a decision readout in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from netlift.data.checks.sample_ratio import SampleRatio
from netlift.evaluation.policy.comparison import ProofRow
from netlift.evaluation.policy.profit_forecast import WorthTenth
from netlift.results import Estimate, Table

OURS = "policy"
EVERYBODY = "everybody "  # and the offer: a challenger
LEADS_NOW = "now "  # and the model


@dataclass(frozen=True, kw_only=True)
class GroupLine:
    """One group against another, by intention to treat.

    Attributes:
        group: decided (all but the holdout), or policy.
        against: holdout or explore.
        customers: Of the group.
        others: Customers of the other.
        total: Profit that the group brought beyond the other, for its own number of customers; of the policy against
            the holdout for all decided, whom the policy's customers stand for.
        per_customer: The same per customer.
    """

    group: str
    against: str
    customers: int
    others: int
    total: Estimate
    per_customer: Estimate


@dataclass(frozen=True, kw_only=True)
class EffectDrift:
    """Whether predictions are worth what they were.

    Attributes:
        now: Slope of realised effects on predictions.
        before: Slope that was to be expected.
        change: Their difference.
    """

    now: Estimate
    before: Estimate
    change: Estimate

    @property
    def has_drifted(self) -> bool:
        """Whether chance does not explain the change."""
        return self.change.ci_lower > 0 or self.change.ci_upper < 0


@dataclass(frozen=True, kw_only=True)
class LeftOutPolicy:
    """The model that leads now, where it could not be replayed.

    Attributes:
        model: Its name and version.
        why: The config no longer has `offers` that the run had, or past contacts do not tell what `costs` were.
        offers: These offers.
    """

    model: str
    why: Literal["offers", "costs"]
    offers: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DecisionReadout:
    """What a run of decisions earned.

    Attributes:
        run_key: The run.
        as_of: Day of the decision.
        currency: Of all money.
        customers: In the log.
        held_out: In the holdout.
        explored: Whose option was drawn by lot.
        open_to: Whose option was left to chance.
        checks: Sample ratios: holdout, explore, offers.
        groups: The differences of groups.
        expected: Sum of expected profits of what was given, as the log has it.
        tenths: Predicted against realised effect of the policy's choices; None where the log does not say what the
            policy would have given those who explored was expected to earn.
        drift: Of the slope; None likewise.
        replay: The policy and challengers by logged chances; the policy first.
        left_out: The model that leads now, where it is no challenger and should be; None otherwise.
    """

    run_key: str
    as_of: date
    currency: str
    customers: int
    held_out: int
    explored: int
    open_to: int
    checks: tuple[SampleRatio, ...]
    groups: Table[GroupLine]
    expected: float
    tenths: Table[WorthTenth] | None
    drift: EffectDrift | None
    replay: Table[ProofRow]
    left_out: LeftOutPolicy | None = None

    @property
    def is_sound(self) -> bool:
        """Whether the groups have the sizes that chance gives them; if not, no figure is to be trusted."""
        return not any(check.alarm for check in self.checks)


__all__ = ["EVERYBODY", "LEADS_NOW", "OURS", "DecisionReadout", "EffectDrift", "GroupLine", "LeftOutPolicy"]
