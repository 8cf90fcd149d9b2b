"""Launch check on the page of a run: the policy beside simple rules, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator

from netlift.decisions.launch_check.result import BeforeLaunch, ProvedPolicy
from netlift.decisions.run.summary import DecisionSummary
from netlift.features.matrix import Feature
from netlift.report.document import Cell, Grid, Section, Tone, text_cell
from netlift.report.language import Words
from netlift.results import Estimate
from netlift.training.uplift.sentences import money_digits, say_feature

HEADS = ("policy", "value", "ours_above", "contacted")
TONES: dict[str, Tone] = {"above": "good", "open": "", "below": "bad"}


def warn_before_launch(summary: DecisionSummary, words: Words) -> str:
    """What must be read first: a rule within the same limits that the decisions are worse than; empty without one."""
    rival = summary.before_launch.beaten_by
    if rival is None or rival.ours_above is None:
        return ""
    loss = rival.ours_above
    turned = Estimate(
        point=-loss.point,
        ci_lower=-loss.ci_upper,
        ci_upper=-loss.ci_lower,
        level=loss.level,
        unit=loss.unit,
        method=loss.method,
    )
    told = _numbers(turned, summary.currency, words, signed=False)
    return words.say("decide.before.worse", policy=_name(rival, words), **told)


def say_check(summary: DecisionSummary, words: Words) -> str:
    """What held-out contacts of past campaigns were forecast to bring, and brought; empty where too few were chosen."""
    before, currency = summary.before_launch, summary.currency
    if before.realised is None or before.predicted is None:
        return ""
    found = before.realised
    return words.say(
        "decide.checked",
        predicted=words.short_money(before.predicted, currency),
        realised=words.about(found.point, found.ci_lower, found.ci_upper, currency, level=found.level),
    )


def before_launch_section(summary: DecisionSummary, words: Words) -> Section:
    """The proof, or why there is none."""
    before, say = summary.before_launch, words.say
    title = say("decide.before.title")
    if before.why_not:
        return Section(name="before", title=title, paragraphs=(say(f"decide.before.why_not.{before.why_not}"),))
    level = next((words.share(one.ours_above.level, digits=0) for one in before.rivals if one.ours_above), "")
    how = say("decide.before.how", rows=words.number(before.rows), contacts=words.number(before.contacts), level=level)
    return Section(
        name="before",
        title=title,
        paragraphs=(how,),
        grids=(_policies(before, words),),
        items=tuple(_verdicts(summary, words)),
    )


def _policies(before: BeforeLaunch, words: Words) -> Grid:
    return Grid(
        name="policies",
        title=words.say("decide.before.grid"),
        columns=tuple(text_cell(words.say(f"decide.before.column.{head}")) for head in HEADS),
        rows=tuple(_policy(one, words) for one in before.policies),
    )


def _policy(one: ProvedPolicy, words: Words) -> tuple[Cell, ...]:
    name = _name(one, words)
    above = one.ours_above
    return (
        text_cell(name if one.in_reach else words.say("decide.before.beyond", policy=name)),
        _money(one.value),
        Cell(kind="money", value=None)
        if above is None
        else _money(above, tone=TONES[_found(above)] if one.in_reach else ""),
        Cell(kind="share", value=one.contacted, digits=0),
    )


def _verdicts(summary: DecisionSummary, words: Words) -> Iterator[str]:
    before, say = summary.before_launch, words.say
    for key, rival in (("nobody", before.nobody), ("rule", before.best_rule)):
        if rival is not None and rival.ours_above is not None:
            told = _numbers(rival.ours_above, summary.currency, words)
            yield say(f"decide.before.{key}.{_found(rival.ours_above)}", policy=_name(rival, words), **told)
    if before.realised is None or before.predicted is None:
        yield say("decide.before.few", contacts=words.number(before.contacts))
    else:
        yield say(
            "decide.before.curse",
            predicted=words.short_money(before.predicted, summary.currency),
            promised=words.short_money(summary.forecast.promised, summary.currency),
            profit=words.short_money(summary.forecast.profit.point, summary.currency),
            **_numbers(before.realised, summary.currency, words, signed=False),
        )
    if not all(one.in_reach for one in before.policies):
        yield say("decide.before.beyond_note")
    if before.not_asked:
        yield say("decide.before.not_asked", names=", ".join(_asked(name, words) for name in before.not_asked))
    if before.not_learned:
        offers = ", ".join(words.name("offer", offer) for offer in before.not_learned)
        yield say("decide.before.not_learned", offers=offers)


def _asked(name: str, words: Words) -> str:
    """What a condition asks about: a segment, an attribute, or a feature."""
    return say_feature(Feature(name=name, unit="", source="", formula=""), words)


def _found(difference: Estimate) -> str:
    if difference.ci_lower > 0:
        return "above"
    return "below" if difference.ci_upper < 0 else "open"


def _name(one: ProvedPolicy, words: Words) -> str:
    return words.say(f"decide.before.policy.{one.name}")


def _numbers(difference: Estimate, currency: str, words: Words, *, signed: bool = True) -> dict[str, str]:
    digits = money_digits(difference)
    return {
        "money": words.money(difference.point, currency, digits=digits, signed=signed),
        "lower": words.number(difference.ci_lower, digits=digits),
        "upper": words.number(difference.ci_upper, digits=digits),
    }


def _money(estimate: Estimate, *, tone: Tone = "") -> Cell:
    return Cell(
        kind="money",
        value=estimate.point,
        lower=estimate.ci_lower,
        upper=estimate.ci_upper,
        digits=money_digits(estimate),
        tone=tone,
    )


__all__ = ["before_launch_section", "say_check", "warn_before_launch"]
