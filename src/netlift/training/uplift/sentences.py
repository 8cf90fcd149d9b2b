"""Uplift in business language: features, policy tree questions, rules and reasons."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from netlift.estimators.shapley import Choice, EffectShareRow, ShapleyReason
from netlift.evaluation.policy.off_policy import NOBODY
from netlift.evaluation.policy.policy_tree import Answer, Path, TreeEnd, simplify
from netlift.features.matrix import Feature
from netlift.report.language import Words
from netlift.results import Estimate

WINDOW = re.compile(r"(?P<stem>\w+?)_(?:(?P<days>\d+)d|(?P<all>all))")
TREND = re.compile(r"(?P<stem>\w+_trend)_(?P<short>\d+)d_(?P<long>\d+)d")
MIX = re.compile(r"share of (?P<what>category|channel) (?P<quote>['\"])(?P<value>.+)(?P=quote) in purchase revenue of")
SENT = re.compile(r"contacts by (?P<quote>['\"])(?P<value>.+)(?P=quote) (?:in|of) \d+ days")
EVENTS = re.compile(r"(?:events|.* of the last event) of kind (?P<quote>['\"])(?P<value>.+)(?P=quote)(?: in \d+ days)?")
DIGITS = 4
BEST_OFFER = "the best offer"
NO_DIRECTION = 0.1  # a rank correlation nearer to 0 is none


def say_feature(feature: Feature, words: Words) -> str:
    """What a feature is called: in netlift's words, else in those of the business, else by its name.

    Examples:
        >>> bought = Feature(name="purchases_90d", unit="receipts", source="transactions", formula="")
        >>> say_feature(bought, Words(language="en")), say_feature(bought, Words(language="ru"))
        ('purchases in 90 days', 'покупок за 90 дней')
        >>> say_feature(Feature(name="zip_code", unit="category", source="customers", formula=""), Words(language="en"))
        'zip code'
    """
    name = feature.name
    key = f"feature.{name}"
    if words.has(key):
        return words.say(key)
    seen = EVENTS.fullmatch(feature.formula) if "event" in name else None
    trend, window = TREND.fullmatch(name), WINDOW.fullmatch(name)
    if seen:
        kind = words.value("event", seen["value"])
        if window:
            return words.say("feature.events_of", value=kind, span=_span(window["days"], words))
        return words.say("feature.days_since_event", value=kind)
    if trend and words.has(f"feature.{trend['stem']}"):
        spans = {which: _span(trend[which], words) for which in ("short", "long")}
        return words.say(f"feature.{trend['stem']}", **spans)
    if window:
        span = _span(window["days"], words)
        mix, sent = MIX.match(feature.formula), SENT.match(feature.formula)
        if mix:
            return words.say(f"feature.share_{mix['what']}", value=mix["value"], span=span)
        if sent:
            told = "response_by" if window["stem"].startswith("response") else "contacts_by"
            return words.say(f"feature.{told}", value=words.name("channel", sent["value"]), span=span)
        if words.has(f"feature.{window['stem']}"):
            return words.say(f"feature.{window['stem']}", span=span)
    called = words.name("attribute", name)
    if called == name:
        return name.replace("_", " ")
    return called if called[:2].isupper() else called[:1].lower() + called[1:]


def say_value(feature: Feature, value: float, words: Words, currency: str) -> str:
    """A value of a feature as people write it, a category by its name.

    Examples:
        >>> share = Feature(name="promo_share_90d", unit="share", source="transactions", formula="")
        >>> say_value(share, 0.125, Words(language="en"), "EUR")
        '12.5%'
    """
    if math.isnan(value):
        return words.say("choice.not_known")
    if feature.kind == "category":
        return words.value(feature.name, feature.categories[int(value)])
    if feature.unit == "currency":
        return words.money(value, currency, digits=_digits(value, most=0 if abs(value) >= 10 else 2))
    if feature.unit == "share":
        return words.share(value, digits=_digits(100 * value, most=1))
    return words.number(value, digits=_digits(value, most=DIGITS if abs(value) < 0.1 else 2))


def say_answer(answer: Answer, words: Words, currency: str) -> str:
    """A question with its answer, as the condition of a rule.

    Examples:
        >>> from netlift.evaluation.policy.binned_columns import Split
        >>> age = Feature(name="age_years", unit="years", source="customers", formula="")
        >>> split = Split(feature=age, below=30.0, missing=False)
        >>> [say_answer(Answer(split=split, yes=yes), Words(language="en"), "EUR") for yes in (True, False)]
        ['age in years below 30', 'age in years 30 or more (or not known)']
    """
    split, yes = answer.split, answer.yes
    feature = say_feature(split.feature, words)
    if split.below is not None:
        key = "answer.below" if yes else "answer.from"
        value = say_value(split.feature, split.below, words, currency)
    elif split.category is not None:
        key = "answer.is" if yes else "answer.is_not"
        value = words.value(split.feature.name, split.category)
    else:
        return words.say("answer.missing" if yes else "answer.known", feature=feature)
    with_missing = f"{key}_or_missing"
    included = split.missing is not None and split.missing == yes
    return words.say(with_missing if included and words.has(with_missing) else key, feature=feature, value=value)


def say_path(path: Path, words: Words, currency: str) -> str:
    """The conditions that lead to an end of the tree."""
    return words.say("rule.and").join(say_answer(answer, words, currency) for answer in simplify(path))


def say_rule(end: TreeEnd, words: Words, currency: str) -> str:
    """An end of the policy tree as a sentence: whom, what, what it earned, how many they are."""
    said = say_end(end, words, currency)
    if not end.path:
        return words.say("rule.everybody", end=said)
    return words.say("rule.if", conditions=say_path(end.path, words, currency), end=said)


def say_end(end: TreeEnd, words: Words, currency: str) -> str:
    """What happens at an end of the policy tree."""
    share = words.share(end.share, digits=0)
    if end.offer is None:
        return words.say("rule.nobody", share=share)
    offer = words.name("offer", end.offer)
    if end.effect is None:
        return words.say("rule.contact_unseen", offer=offer, share=share)
    return words.say("rule.contact", offer=offer, money=say_money(end.effect, words, currency), share=share)


def say_money(estimate: Estimate, words: Words, currency: str, *, signed: bool = False) -> str:
    """Money with its interval, all three with the same digits.

    Examples:
        >>> gain = Estimate(point=12.3, ci_lower=4.1, ci_upper=20.6, level=0.95, unit="EUR/customer", method="DR")
        >>> say_money(gain, Words(language="en"), "EUR", signed=True)
        '+€12 (4 to 21)'
    """
    digits = money_digits(estimate)
    point = words.money(estimate.point, currency, digits=digits, signed=signed)
    lower, upper = (words.number(value, digits=digits) for value in (estimate.ci_lower, estimate.ci_upper))
    return words.say("rule.interval", point=point, lower=lower, upper=upper)


def say_constant(policy: str, words: Words) -> str:
    """What a policy of `off_policy.constant_policies` is called."""
    if policy == NOBODY:
        return words.say("constant.nobody")
    offer = policy.removeprefix("everybody ")
    if offer == BEST_OFFER:
        return words.say("constant.best")
    return words.say("constant.everybody", offer=words.name("offer", offer))


def say_dependence(rows: Sequence[EffectShareRow], features: Mapping[str, Feature], words: Words, currency: str) -> str:
    """What an offer's effect depends on most.

    Args:
        rows: Shares of one offer, those to be named.
        features: Features by name.
        words: The language.
        currency: Of the money.
    """

    def say(row: EffectShareRow) -> str:
        return words.say(
            "explained.moved_by",
            feature=say_feature(features[row.feature], words),
            money=words.money(row.money.point, currency, digits=_money_digits(row.money.point)),
            direction=words.say(f"uplift_chart.{name_direction(row.direction)}"),
        )

    return words.say(
        "explained.depends", offer=words.name("offer", rows[0].offer), features="; ".join(say(row) for row in rows)
    )


def name_direction(correlation: float | None) -> Literal["higher", "lower", "unordered"]:
    """Which way an effect goes with a feature; a weak correlation is none."""
    if correlation is None or abs(correlation) < NO_DIRECTION:
        return "unordered"
    return "higher" if correlation > 0 else "lower"


def say_choice(choice: Choice, words: Words, currency: str) -> str:
    """Why one offer and not the other, in a sentence; personal, never to be logged."""
    moved = [choice.gain, choice.typical, choice.rest, *(reason.money for reason in choice.reasons)]
    digits = _money_digits(max(map(abs, moved)))

    def money(value: float) -> str:
        return words.money(value, currency, digits=digits, signed=True)

    def say_reason(reason: ShapleyReason) -> str:
        return words.say(
            "choice.reason",
            feature=say_feature(reason.feature, words),
            value=say_value(reason.feature, reason.value, words, currency),
            money=money(reason.money),
        )

    sides = {
        "choice.for": [say_reason(reason) for reason in choice.reasons if reason.money > 0],
        "choice.against": [say_reason(reason) for reason in choice.reasons if reason.money < 0],
    }
    return words.say(
        "choice.sentence",
        offer=words.name("offer", choice.offer),
        instead=words.say("choice.none") if choice.instead is None else words.name("offer", choice.instead),
        gain=money(choice.gain),
        typical=money(choice.typical),
        reasons="".join(words.say(key, reasons="; ".join(said)) for key, said in sides.items() if said),
        rest=money(choice.rest),
    )


def _span(days: str | None, words: Words) -> str:
    if days is None:
        return words.say("span.all")
    return words.say("span.days", days=words.count("noun.days", int(days)))


def _digits(value: float, *, most: int) -> int:
    """Digits behind the point that are needed, `most` at most."""
    return next((digits for digits in range(most) if round(value, digits) == round(value, most)), most)


def money_digits(estimate: Estimate) -> int:
    """Digits behind the point that money and its interval are written with."""
    return _money_digits(max(map(abs, (estimate.point, estimate.ci_lower, estimate.ci_upper))))


def _money_digits(largest: float) -> int:
    return 0 if largest >= 20 else 2
