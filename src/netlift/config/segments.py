"""Segmentation settings: frozen edges, rules of value segments, strategies, definition of a lost customer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from netlift.config.bounds import Day
from netlift.config.settings import Settings, did_you_mean

SEGMENTS = (
    "champions",
    "loyal",
    "potential_loyalists",
    "new",
    "needing_attention",
    "sleeping",
    "lost",
    "one_off",
    "prospect",
    "never_bought",
)
Strategy = Literal["keep", "grow", "reactivate", "serve_cheaply"]
MOST_RULES = 30
TIERS = ("none", "low", "middle", "high")
RISKS = ("unknown", "low", "middle", "high")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """What a rule may ask about.

    Attributes:
        low: Smallest value there can be.
        high: Largest value there can be.
        whole: Whether values are whole numbers.
        missing: Whether a customer may have none; no condition holds then.
        words: The words it takes, where it is no number.
    """

    low: float = -math.inf
    high: float = math.inf
    whole: bool = False
    missing: bool = False
    words: tuple[str, ...] = ()


_SCORE = Variable(low=0, high=5, whole=True)
_COUNT = Variable(low=0, whole=True)
_DAYS = Variable(low=0, whole=True, missing=True)
VARIABLES: Mapping[str, Variable] = {
    "r": _SCORE,
    "f": _SCORE,
    "m": _SCORE,
    "purchase_days_all": _COUNT,
    "purchase_days_365d": _COUNT,
    "margin_365d": Variable(),
    "days_since_last_purchase": _DAYS,
    "days_since_first_purchase": _DAYS,
    "days_since_last_purchase_over_gap": Variable(low=0, missing=True),
    "tenure_days": _COUNT,
    "ltv": Variable(missing=True),
    "p_churn": Variable(low=0, high=1, missing=True),
    "value_tier": Variable(words=TIERS),
    "risk": Variable(words=RISKS),
}


class Condition(Settings):
    """What one variable must be; a value that is missing meets no condition.

    Attributes:
        at_least: The value is this or more.
        at_most: The value is this or less.
        below: The value is less than this.
        any_of: The value is one of these words.
    """

    at_least: float | None = None
    at_most: float | None = None
    below: float | None = None
    any_of: tuple[str, ...] | None = None

    def allows(self, value: float | str) -> bool:
        """Whether the condition holds for one value.

        Examples:
            >>> [Condition(at_least=2, below=4).allows(value) for value in (1.0, 2.0, 4.0, float("nan"))]
            [False, True, False, False]
        """
        if self.any_of is not None:
            return value in self.any_of
        return (
            not (isinstance(value, str) or math.isnan(value))
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    @property
    def bounds(self) -> tuple[float, ...]:
        """The numbers that it compares with."""
        return tuple(bound for bound in (self.at_least, self.at_most, self.below) if bound is not None)


class Rule(Settings):
    """One rule: customers for whom all conditions hold, and no rule before it held, are of the segment.

    Attributes:
        segment: One of the known segments.
        when: Variable to its condition; empty for the last rule, which takes everybody left.
    """

    segment: str
    when: dict[str, Condition] = Field(default_factory=dict, max_length=MOST_RULES)


class Quantiles(Settings):
    """Where tiers of predicted value begin, as shares of the customers at the reference.

    Attributes:
        middle: Share of customers in the low tier.
        high: Share of customers in the low and middle tiers.
    """

    middle: Annotated[float, Field(gt=0, lt=1)]
    high: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Quantiles:
        if not self.middle < self.high:
            raise ValueError(f"middle {self.middle:g} must be below high {self.high:g}")
        return self


class LostSettings(Settings):
    """What counts as lost, for the survival view.

    Attributes:
        kind: A silence of so many days, dated by its first day, or a cancellation by `customers.cancelled_at`.
        silence_days: Days without a purchase; only with silence.
        follow_days: How long customers are followed.
    """

    kind: Literal["silence", "cancellation"]
    silence_days: Annotated[int, Field(ge=1, le=3660)] | None = None
    follow_days: Annotated[int, Field(ge=7, le=3660)]

    @model_validator(mode="after")
    def _days_with_silence(self) -> LostSettings:
        if (self.kind == "silence") != (self.silence_days is not None):
            raise ValueError("silence_days goes with kind silence, and only with it")
        return self


class SegmentSettings(Settings):
    """How a business divides its customers.

    Attributes:
        reference: The cutoff at which all quantile edges are frozen.
        observation_days: How far back purchases are looked at; a customer without one in them has "never bought".
        tiers: Quantiles of the tiers of predicted value.
        risk: Chances of churn from which risk is middle and high.
        rules: The value segments, in order: the first rule that holds names the segment.
        strategies: Segment to what is done with it.
        lost: What counts as lost.
        nps_days: Days whose answers count for NPS and satisfaction, each customer's newest of them: what somebody felt
            years ago says nothing of today's customers.
        lifetime_years: Years in the textbook formula of LTV.
        payback_months: Months after joining within which an acquisition should be paid back.
        level: Confidence of the intervals.
    """

    reference: Day
    observation_days: Annotated[int, Field(ge=365, le=3660)]
    tiers: Quantiles
    risk: Quantiles
    rules: Annotated[tuple[Rule, ...], Field(max_length=MOST_RULES)]
    strategies: dict[str, Strategy]
    lost: LostSettings
    nps_days: Annotated[int, Field(ge=1, le=3660)] = 365
    lifetime_years: Annotated[float, Field(gt=0, le=100)]
    payback_months: Annotated[int, Field(ge=1, le=120)]
    level: Annotated[float, Field(gt=0.5, lt=1)]

    @field_validator("rules")
    @classmethod
    def _sound_rules(cls, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        mistakes = [mistake for i, rule in enumerate(rules) for mistake in _rule_mistakes(i, rule)]
        if not rules or rules[-1].when:
            mistakes.append("the last rule must have no `when`, so that every customer has a segment")
        if not any(_unusable(rule) for rule in rules):
            mistakes += _unreachable(rules)
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return rules

    @field_validator("strategies")
    @classmethod
    def _known_segments(cls, strategies: dict[str, Strategy]) -> dict[str, Strategy]:
        unknown = [name for name in strategies if name not in SEGMENTS]
        if unknown:
            raise ValueError("; ".join(f"no segment {name!r}{did_you_mean(name, [*SEGMENTS])}" for name in unknown))
        return strategies

    @model_validator(mode="after")
    def _strategy_of_each(self) -> SegmentSettings:
        named = dict.fromkeys(rule.segment for rule in self.rules)
        mistakes = [f"strategies.{name}: missing, a rule gives this segment" for name in named.keys() - self.strategies]
        mistakes += [f"strategies.{name}: no rule gives this segment" for name in self.strategies.keys() - named]
        if mistakes:
            raise ValueError("; ".join(sorted(mistakes)))
        return self

    @property
    def segments(self) -> tuple[str, ...]:
        """The segments that the rules give, in the order in which they are shown."""
        given = {rule.segment for rule in self.rules}
        return tuple(name for name in SEGMENTS if name in given)


def _rule_mistakes(i: int, rule: Rule) -> list[str]:
    place = f"rule {i + 1} ({rule.segment})"
    mistakes = []
    if rule.segment not in SEGMENTS:
        mistakes.append(f"{place}: no such segment{did_you_mean(rule.segment, [*SEGMENTS])}")
    for name, condition in rule.when.items():
        if name not in VARIABLES:
            mistakes.append(f"{place}: no variable {name!r}{did_you_mean(name, [*VARIABLES])}")
            continue
        words = VARIABLES[name].words
        if words and (condition.bounds or not condition.any_of):
            mistakes.append(f"{place}: {name} is a word; compare it by any_of: [{', '.join(words)}]")
        elif words:
            strange = [word for word in condition.any_of or () if word not in words]
            mistakes += [f"{place}: {name} is never {word!r}{did_you_mean(word, [*words])}" for word in strange]
        elif condition.any_of is not None or not condition.bounds:
            mistakes.append(f"{place}: {name} is a number; compare it by at_least, at_most or below")
    return mistakes


def _unusable(rule: Rule) -> bool:
    return any(name not in VARIABLES or bool(VARIABLES[name].words) == bool(c.bounds) for name, c in rule.when.items())


Value = float | str


def _unreachable(rules: Sequence[Rule]) -> list[str]:
    """Rules that no customer can come to, because the rules before them take all of theirs."""
    space = {name: _cells(name, rules) for name in {name for rule in rules for name in rule.when}}
    mistakes = []
    for i, rule in enumerate(rules):
        box = dict(space)
        for name, condition in rule.when.items():
            box[name] = [value for value in space[name] if condition.allows(value)]
        if not all(box.values()):
            mistakes.append(f"rule {i + 1} ({rule.segment}): no customer can meet its conditions")
        elif not _escapes(box, rules[:i]):
            mistakes.append(f"rule {i + 1} ({rule.segment}) is never reached: the rules before it take its customers")
    return mistakes


def _escapes(box: Mapping[str, list[Value]], rules: Sequence[Rule]) -> bool:
    """Whether some customer of a box of values meets none of the rules: the box is cut by each rule in turn."""
    if not rules:
        return True
    inside = dict(box)
    for name, condition in rules[0].when.items():
        outside = [value for value in inside[name] if not condition.allows(value)]
        if outside and _escapes({**inside, name: outside}, rules[1:]):
            return True
        inside[name] = [value for value in inside[name] if condition.allows(value)]
        if not inside[name]:
            return False
    return False


def _cells(name: str, rules: Sequence[Rule]) -> list[Value]:
    """Values of a variable such that any value at all is treated by every condition like one of them."""
    variable = VARIABLES[name]
    if variable.words:
        return list(variable.words)
    bounds = sorted({bound for rule in rules if name in rule.when for bound in rule.when[name].bounds})
    if variable.whole:
        values = [math.floor(bound) + step for bound in bounds for step in (-1.0, 0.0, 1.0)]
    else:
        values = [bound + step for bound in bounds for step in (-1.0, 0.0, 1.0)]
        values += [(low + high) / 2 for low, high in pairwise(bounds)]
    ends = [end for end in (variable.low, variable.high) if math.isfinite(end)]
    inside: list[Value] = [float(value) for value in (*values, *ends) if variable.low <= value <= variable.high]
    return [*dict.fromkeys(inside), *([math.nan] if variable.missing else [])]


__all__ = ["RISKS", "SEGMENTS", "TIERS", "VARIABLES", "Condition", "Rule", "SegmentSettings", "Variable"]
