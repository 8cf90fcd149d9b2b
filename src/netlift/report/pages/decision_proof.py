"""What speaks for a run of decisions before it goes out: its policy beside simple rules, and the verdict in words."""

from __future__ import annotations

from collections.abc import Iterator

from netlift.decision.before_launch import BeforeLaunch, ProvedPolicy
from netlift.decision.summary import DecisionSummary
from netlift.report.document import Cell, Grid, Section, Tone, text_cell
from netlift.report.words import Words
from netlift.results import Estimate

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
    return words.say("decide.before.worse", policy=_name(rival, words), **_numbers(turned, summary.currency, words))


def before_launch_section(summary: DecisionSummary, words: Words) -> Section:
    """The proof, or why there is none."""
    before, say = summary.before_launch, words.say
    title = say("decide.before.title")
    if before.why_not:
        return Section(name="before", title=title, paragraphs=(say(f"decide.before.why_not.{before.why_not}"),))
    how = say("decide.before.how", rows=words.number(before.rows), contacts=words.number(before.contacts))
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
        Cell(kind="share", value=one.contacted, digits=1),
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
            predicted=words.money(before.predicted, summary.currency, digits=2),
            promised=words.money(summary.forecast.promised, summary.currency),
            profit=words.money(summary.forecast.profit.point, summary.currency),
            **_numbers(before.realised, summary.currency, words),
        )
    if not all(one.in_reach for one in before.policies):
        yield say("decide.before.beyond_note")
    if before.not_asked:
        yield say("decide.before.not_asked", names=", ".join(before.not_asked))
    if before.not_learned:
        yield say("decide.before.not_learned", offers=", ".join(before.not_learned))


def _found(difference: Estimate) -> str:
    if difference.ci_lower > 0:
        return "above"
    return "below" if difference.ci_upper < 0 else "open"


def _name(one: ProvedPolicy, words: Words) -> str:
    return words.say(f"decide.before.policy.{one.name}")


def _numbers(difference: Estimate, currency: str, words: Words) -> dict[str, str]:
    return {
        "money": words.money(difference.point, currency, digits=2),
        "lower": words.number(difference.ci_lower, digits=2),
        "upper": words.number(difference.ci_upper, digits=2),
    }


def _money(estimate: Estimate, *, tone: Tone = "") -> Cell:
    return Cell(
        kind="money", value=estimate.point, lower=estimate.ci_lower, upper=estimate.ci_upper, digits=2, tone=tone
    )


__all__ = ["before_launch_section", "warn_before_launch"]
