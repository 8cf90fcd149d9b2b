"""Result of a launch check: the policy beside simple rivals, in plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from netlift.results import Estimate

PolicyName = Literal["policy", "nobody", "best", "likely_buyers", "rules", "at_random"]
WhyNot = Literal["", "missing", "list", "unlearned", "undrawn"]

Basis = Literal["policy", "tenths", "promise"]


@dataclass(frozen=True, kw_only=True)
class ProvedPolicy:
    """One policy on held-out contacts.

    Attributes:
        name: The run's own policy, or a rival.
        value: Profit per customer, doubly robust.
        ours_above: The run's policy less this one, paired; None for itself.
        contacted: Share of customers that it contacts.
        in_reach: Whether it asks for no more of what is short than the run's policy does.
        effective_rows: Kish's effective number of rows that drew what it chooses.
        max_weight: The largest inverse chance among them.
        without_support: Share of rows where what it wishes was not on offer.
    """

    name: PolicyName
    value: Estimate
    ours_above: Estimate | None
    contacted: float
    in_reach: bool
    effective_rows: float
    max_weight: float
    without_support: float


@dataclass(frozen=True, kw_only=True)
class BeforeLaunch:
    """The proof of a run.

    Attributes:
        why_not: Why there is none: the training kept no rows (`missing`), the run is a trigger's `list`, no held-out
            campaign had its offers (`unlearned`), or no row drew what a policy chooses (`undrawn`); empty where there
            is one.
        policies: The run's policy first; empty without a proof.
        rows: Held-out contacts.
        contacts: Of these, how many the policy would contact and what it gives was on offer.
        how: Which rows they are, as the training said it.
        predicted: Mean prediction of what the policy gives them; None where they are too few for a line.
        realised: Mean effect that came true; None likewise.
        slope: Effect per unit predicted; None likewise.
        not_asked: Names that conditions ask about and held-out rows do not have: taken as met.
        not_learned: Offers of the run that no held-out campaign had.
    """

    why_not: WhyNot
    policies: tuple[ProvedPolicy, ...] = ()
    rows: int = 0
    contacts: int = 0
    how: str = ""
    predicted: float | None = None
    realised: Estimate | None = None
    slope: Estimate | None = None
    not_asked: tuple[str, ...] = ()
    not_learned: tuple[str, ...] = ()

    @property
    def rivals(self) -> tuple[ProvedPolicy, ...]:
        """All but the run's own policy."""
        return tuple(one for one in self.policies if one.ours_above is not None)

    @property
    def nobody(self) -> ProvedPolicy | None:
        """The rival that contacts nobody."""
        return next((one for one in self.rivals if one.name == "nobody"), None)

    @property
    def best_rule(self) -> ProvedPolicy | None:
        """The rival within reach that did best, nobody apart."""
        rules = [one for one in self.rivals if one.in_reach and one.name != "nobody"]
        return max(rules, key=lambda one: one.value.point, default=None)

    @property
    def beaten_by(self) -> ProvedPolicy | None:
        """The best rival within reach that the policy is certainly worse than."""
        better = [one for one in self.rivals if one.in_reach and one.ours_above and one.ours_above.ci_upper < 0]
        return max(better, key=lambda one: one.value.point, default=None)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> BeforeLaunch:
        """Read what `results.to_plain` made of it."""
        own: dict[str, Any] = {field.name: plain[field.name] for field in fields(cls)}
        policies = (
            ProvedPolicy(**one | {name: _estimate(one[name]) for name in ("value", "ours_above")})
            for one in own["policies"]
        )
        return cls(
            **own
            | {name: _estimate(own[name]) for name in ("realised", "slope")}
            | {name: tuple(own[name]) for name in ("not_asked", "not_learned")}
            | {"policies": tuple(policies)}
        )


def _estimate(plain: Mapping[str, Any] | None) -> Estimate | None:
    """An estimate, with a number that is none in place of the null that JSON has for it."""
    if plain is None:
        return None
    numbers: dict[str, Any] = {name: float("nan") if value is None else value for name, value in plain.items()}
    return Estimate(**numbers)


__all__ = ["BeforeLaunch", "PolicyName", "ProvedPolicy", "WhyNot"]
