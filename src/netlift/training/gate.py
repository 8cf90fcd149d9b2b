"""The gate: checks against bounds that a challenger must pass, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from netlift.results import Estimate, format_number

RIGHT = ". Where it is right as it is, gates.{} of the definition allows more."


@dataclass(frozen=True, kw_only=True)
class GateCheck:
    """One thing that was asked of a model.

    Attributes:
        name: Short name.
        passed: Whether it holds.
        found: The number found.
        needed: The bound it was held against.
        words: What was found and what it means, in a sentence or two.
    """

    name: str
    passed: bool
    found: float
    needed: float
    words: str


@dataclass(frozen=True, kw_only=True)
class GateResult:
    """What the gate says.

    Attributes:
        passed: Whether every check holds.
        checks: The checks, in order.
    """

    passed: bool
    checks: tuple[GateCheck, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why: the words of what failed, or of everything where nothing failed."""
        return tuple(check.words for check in self.checks if check.passed == self.passed)

    def to_markdown(self) -> str:
        """The verdict and every check with its answer."""
        verdict = "**Passed.**" if self.passed else "**Refused.**"
        lines = [f"- {'yes' if check.passed else 'NO'}: {check.words}" for check in self.checks]
        return "\n".join([verdict, "", *lines])


def judge(*checks: GateCheck) -> GateResult:
    """All checks together; a gate that asked nothing lets nothing through."""
    return GateResult(passed=bool(checks) and all(check.passed for check in checks), checks=checks)


def beats_champion(gain: Estimate | None, *, measure: str, at_least: float = 0.0) -> GateCheck:
    """Whether a model is better than the champion on the same held-out customers.

    Args:
        gain: Paired difference to the champion, this model less the champion; None where there is no champion.
        measure: What was compared, such as "ROC-AUC"; not used where the unit is money per customer.
        at_least: What the lower end of the interval must exceed; below zero allows to be that little worse.
    """
    if gain is None:
        words = "There is no champion to beat yet."
        return GateCheck(name="beats_champion", passed=True, found=float("nan"), needed=at_least, words=words)
    return _beats("beats_champion", gain, rival="the champion", measure=measure, at_least=at_least)


def beats_baseline(
    gain: Estimate, *, baseline: str, measure: str, at_least: float = 0.0, subject: str = "The model"
) -> GateCheck:
    """Whether a model is better than the best simple rule on the same held-out customers.

    Args:
        gain: Paired difference to the baseline, this model less the baseline.
        baseline: What it is called in a sentence, such as "the best constant".
        measure: What was compared, such as "ROC-AUC"; not used where the unit is money per customer.
        at_least: What the lower end of the interval must exceed.
        subject: What earns, at the beginning of a sentence.

    Examples:
        >>> gain = Estimate(point=12.3, ci_lower=4.1, ci_upper=20.5, level=0.95, unit="RUB/customer", method="paired")
        >>> print(beats_baseline(gain, baseline="the rule", measure="profit").words)
        The model earns 12.3 RUB per customer more than the rule, at least 4.1 (97.5 % sure). More than 0 was needed.
    """
    return _beats("beats_baseline", gain, rival=baseline, measure=measure, at_least=at_least, subject=subject)


def money_agrees(gain: Estimate, *, baseline: str, held: str) -> GateCheck:
    """Whether held-out money does not contradict a better order: its list is not surely the poorer one.

    Args:
        gain: Paired difference of the share of the money that the tenth named first holds, less that of the baseline.
        baseline: What it is called in a sentence.
        held: The money, in words.

    Examples:
        >>> gain = Estimate(point=0.012, ci_lower=-0.004, ci_upper=0.028, level=0.95, unit="share", method="paired")
        >>> print(money_agrees(gain, baseline="last_period", held="the margin that came").words)
        The tenth named first holds 1.2 percentage points more of the margin that came than by last_period
        (-0.4 to 2.8).
    """
    share, low, high = map(_points, (abs(gain.point), gain.ci_lower, gain.ci_upper))
    more = "less" if gain.point < 0 else "more"
    words = (
        f"The tenth named first holds {share} percentage points {more} of {held} than by {baseline} ({low} to {high})"
    )
    passed = not gain.ci_upper < 0
    words += "." if passed else ": it orders better and holds less of the money."
    return GateCheck(name="money_agrees", passed=passed, found=gain.ci_upper, needed=0.0, words=words)


def held_out_agrees(gain: Estimate, *, baseline: str, subject: str = "the model") -> GateCheck:
    """Whether the newest campaigns, kept apart from all learning, do not contradict the gain: its upper end is above 0.

    Where the two do the same to everybody there is no gain, and nothing that could contradict it.

    Args:
        gain: Paired difference to the baseline on them, this model less the baseline.
        baseline: What it is called in a sentence.
        subject: What earns.
    """
    currency = gain.unit.removesuffix("/customer")
    seen = f"{format_number(gain.point)} [{format_number(gain.ci_lower)}, {format_number(gain.ci_upper)}] {currency}"
    words = f"On the newest campaigns alone {subject} earns {seen} per customer more than {baseline}"
    passed = gain.ci_upper > 0 or gain.ci_lower == gain.ci_upper == 0
    words += "." if passed else ": they contradict what earlier campaigns promised."
    return GateCheck(name="held_out_agrees", passed=passed, found=gain.ci_upper, needed=0.0, words=words)


def calibration_within(error: float, *, bound: float, by_chance: float = 0.0) -> GateCheck:
    """Whether predicted chances are the shares that came true.

    Args:
        error: Expected difference of predicted chance and observed share over the bins, in [0, 1].
        bound: The most allowed.
        by_chance: What honest chances would show on so few rows, allowed beyond the bound.
    """
    verdict = f"{_points(error)} percentage points away from what happened, on average"
    chance = f" beyond the {_points(by_chance)} that chance shows on so many customers" if by_chance else ""
    words = f"Predicted chances are {verdict}; up to {_points(bound)} are allowed{chance}."
    return _bounded("calibration", "Calibration", found=error, bound=bound + by_chance, words=words)


@dataclass(frozen=True, kw_only=True)
class Cutoffs:
    """What several cutoffs say of chances, each predicted by a fit that knew only what was known then.

    Attributes:
        number: How many, the test cutoff among them.
        level: Mean predicted chance less observed share, mean over the cutoffs.
        level_error: How far that mean may lie from the lasting one, as the cutoffs differ and are few.
        shape: Expected difference of predicted chance and observed share over the bins of the test cutoff, its mean
            difference taken out.
        off: How far that mean difference lies from those of the others, in size.
        swing: How far it may, if the test cutoff is one of them.
    """

    number: int
    level: float
    level_error: float
    shape: float
    off: float
    swing: float


def calibration_over_cutoffs(error: float, cutoffs: Cutoffs, *, bound: float) -> GateCheck:
    """Whether chances that missed the bound at the test cutoff missed it by that cutoff's season alone.

    They did where no lasting difference beyond the bound is seen over all cutoffs, the test cutoff keeps the bound but
    for its level, and that level is no further off than cutoffs differ among themselves. A model that is wrong for good
    fails the first or the second, one whose world has just broken the last.

    Args:
        error: At the test cutoff.
        cutoffs: What it and others say.
        bound: The most allowed.
    """
    lasting = f"{_points(cutoffs.level)} ± {_points(cutoffs.level_error)}"
    usual = f"where up to {_points(cutoffs.swing)} is usual"
    asked = (
        (
            abs(cutoffs.level) - cutoffs.level_error,
            bound,
            f"over {cutoffs.number} cutoffs their level is {lasting} off",
        ),
        (cutoffs.shape, bound, f"but for its level the test cutoff is {_points(cutoffs.shape)} away"),
        (cutoffs.off, cutoffs.swing, f"its level is {_points(cutoffs.off)} from that of the others, {usual}"),
    )
    broken = [words for found, most, words in asked if not found <= most]
    start = f"Predicted chances are {_points(error)} percentage points away from what happened at the test cutoff"
    if broken:
        words = f"{start}; {_points(bound)} are allowed, and its season does not excuse it: {'; '.join(broken)}."
    else:
        words = (
            f"{start}, more than the {_points(bound)} allowed, by the season of that cutoff: "
            f"{'; '.join(words for *_, words in asked)}."
        )
    return GateCheck(name="calibration", passed=not broken, found=error, needed=bound, words=words)


def total_bias_within(bias: float, *, bound: float) -> GateCheck:
    """Whether the predicted total is near the real one.

    Args:
        bias: Predicted total over the observed one, less 1.
        bound: The most allowed, either way.
    """
    side = "above" if bias >= 0 else "below"
    found = f"The predicted total is {_points(abs(bias))} % {side} the real one"
    words = f"{found}; up to {_points(bound)} % either way is allowed."
    return _bounded("total_bias", "The bias of the total", found=bias, bound=bound, words=words)


def auc_believable(auc: float, *, bound: float) -> GateCheck:
    """Whether the model is not too good to be true."""
    if auc <= bound:
        words = f"ROC-AUC is {auc:.3f}; only above {bound:g} would it be suspected to know the answer beforehand."
    else:
        words = (
            f"ROC-AUC is {auc:.3f}, above {bound:g}: too good to be true. "
            "Some feature probably knows the answer beforehand: find it and exclude it"
            f"{RIGHT.format('max_auc')}"
        )
    return _bounded("auc_believable", "ROC-AUC", found=auc, bound=bound, words=words)


def features_believable(importance: Mapping[str, float], *, bound: float) -> GateCheck:
    """Whether no single feature carries nearly everything, as one does that knows the answer.

    Args:
        importance: Share of the gain by feature; empty where the estimator has none.
        bound: The most that one feature may carry.
    """
    if not importance:
        words = "The model is a simple rule without shares of gain, so no feature can be suspected by them."
        return GateCheck(name="features_believable", passed=True, found=float("nan"), needed=bound, words=words)
    name, share = max(importance.items(), key=lambda item: item[1])
    carries = f"{name}, carries {_points(share)} % of the gain"
    if share <= bound:
        words = f"The strongest feature, {carries}; up to {_points(bound)} % is allowed."
    else:
        words = (
            f"One feature, {carries}, more than {_points(bound)} %: "
            "it probably knows the answer beforehand. Check how it is made, or exclude it"
            f"{RIGHT.format('max_gain_share')}"
        )
    return _bounded("features_believable", "The strongest feature's share", found=share, bound=bound, words=words)


def feature_alone_believable(feature: str, auc: float, *, bound: float) -> GateCheck:
    """Whether no single feature tells the outcome by itself.

    Args:
        feature: The strongest.
        auc: Its own ROC-AUC.
        bound: The most allowed.
    """
    words = f"The strongest single feature, {feature}, has a ROC-AUC of {format_number(auc)} by itself"
    if auc <= bound:
        words += f"; up to {format_number(bound)} is allowed."
    else:
        words += f", above {format_number(bound)}: it probably knows the answer beforehand. "
        words += f"Check how it is made, or exclude it{RIGHT.format('max_feature_auc')}"
    return _bounded("feature_alone_believable", "The strongest single feature", found=auc, bound=bound, words=words)


def _bounded(name: str, subject: str, *, found: float, bound: float, words: str) -> GateCheck:
    """A number whose size must not exceed its bound; one that is not a number does not pass."""
    if math.isnan(found):
        words = f"{subject} could not be measured."
    return GateCheck(name=name, passed=abs(found) <= bound, found=found, needed=bound, words=words)


def _beats(
    name: str, gain: Estimate, *, rival: str, measure: str, at_least: float, subject: str = "The model"
) -> GateCheck:
    passed = gain.ci_lower > at_least
    if math.isnan(gain.ci_lower):
        words = f"The gain over {rival} could not be measured."
        return GateCheck(name=name, passed=False, found=gain.ci_lower, needed=at_least, words=words)
    size = format_number(abs(gain.point))
    more = gain.point >= 0
    if gain.unit.endswith("/customer"):
        currency = gain.unit.removesuffix("/customer")
        claim = f"{subject} earns {size} {currency} per customer {'more' if more else 'less'} than {rival}"
    else:
        claim = f"The model's {measure} is {size} {'above' if more else 'below'} that of {rival}"
    sure = f"({50 * (1 + gain.level):g} % sure)"  # one end of a two-sided interval
    if gain.ci_lower > 0:
        bottom = f"at least {format_number(gain.ci_lower)} {sure}"
    elif more:
        bottom = f"but it may also be {format_number(-gain.ci_lower)} {_worse(gain)} {sure}"
    else:
        bottom = f"and it may be {format_number(-gain.ci_lower)} {_worse(gain)} {sure}"
    words = f"{claim}, {bottom}. More than {format_number(at_least)} was needed."
    return GateCheck(name=name, passed=passed, found=gain.ci_lower, needed=at_least, words=words)


def _worse(gain: Estimate) -> str:
    return "less" if gain.unit.endswith("/customer") else "below"


def _points(share: float) -> str:
    return format_number(100 * share)
