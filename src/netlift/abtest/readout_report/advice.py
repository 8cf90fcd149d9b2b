"""Advice for each arm as one line and one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from netlift.abtest.readout.result import ArmAdvice, ArmsResult, CampaignReadout
from netlift.abtest.readout_report.sentences import ReadoutWords, is_exact, somebody_bought
from netlift.report.document import Cell, Grid, Tone, text_cell

ORDER = ("scale_up", "keep_testing", "stop", "withheld")
TONES: dict[str, Tone] = {"scale_up": "good", "keep_testing": "warn", "stop": "bad", "withheld": "muted"}
CENTS = 2


def say_advice(readout: ArmsResult, say: ReadoutWords) -> Iterator[str]:
    """What to do with all arms in a sentence, and which of several brings most, by one customer and by a run."""
    if readout.verdict.code in ("blocked", "observational"):
        yield say.say("do", what=say.say(f"do_{readout.verdict.code}"))
        return
    advice = in_order(readout.advice)
    if len(advice) == 1:
        yield say.say("do", what=_one(advice[0], say))
    elif advice:
        parts = []
        for code in ORDER:
            arms = [say.quoted(one.arm) for one in advice if one.code == code]
            shown = say.say("every_arm") if len(arms) == len(advice) else ", ".join(arms)
            if arms:
                parts.append(say.words.say(f"readout_do.{code}", arms=shown))
        yield say.say("do", what="; ".join(parts))
        yield from _best(readout, say)


def advice_grid(readout: CampaignReadout, say: ReadoutWords) -> Grid:
    """An arm a row: what to do, its money in total and per customer, how sure it is, why, and what limits it."""
    average = any(arm.average_profit is not None for arm in readout.arms)
    fixed = any(arm.money[-2].total.point for arm in readout.arms)
    names = ("arm", "advice"), ("each_average" if average else "each_before" if fixed else "each", "chance", "why")
    rows = []
    for one in in_order(readout.advice):
        known = one.code != "withheld" and one.reason != "nobody_bought"
        rows.append(
            (
                text_cell(say.arm(one.arm)),
                _advice(one, say),
                say.about_cell(one.total),
                say.money_cell(one.per_customer, digits=CENTS),
                _chance(one, say) if known else text_cell(""),
                text_cell(". ".join(_why(one, say)) + "."),
            )
        )
    heads = (*say.heads(*names[0]), say.head("profit_level", level=say.level(readout)), *say.heads(*names[1]))
    return Grid(name=say.say("advice"), title="", columns=heads, rows=tuple(rows))


def _chance(one: ArmAdvice, say: ReadoutWords) -> Cell:
    """Probability of profit, and what luck and the days after the window make of it."""
    known = {"among": one.chance_among, "after": one.chance_after}
    notes = [
        say.note(f"chance_{name}", chance=say.words.probability(value))
        for name, value in known.items()
        if value is not None
    ]
    return Cell(kind="text", value=say.words.probability(one.chance), note="; ".join(notes))


def in_order(advice: Sequence[ArmAdvice]) -> list[ArmAdvice]:
    """What to scale up first, what to stop last, more money first within each."""
    return sorted(advice, key=lambda one: (ORDER.index(one.code), -one.total.point))


def _one(one: ArmAdvice, say: ReadoutWords) -> str:
    if one.more_customers is None or not one.is_enough:
        return say.words.say(f"readout_advice.{one.code}")
    return say.say("do_more", customers=say.words.count("noun.customers", _round(one.more_customers)))


def _best(readout: ArmsResult, say: ReadoutWords) -> Iterator[str]:
    """The arm that brings most per customer, and that of which a run brings most; nothing where none brings any."""
    by_arm = {one.arm: one for one in readout.advice}
    each, total = by_arm.get(readout.best_arm), by_arm.get(readout.best_in_total)
    if each is None or total is None or not somebody_bought(readout):
        return
    if each.code == total.code == "stop" or each.per_customer.point <= 0 or total.expected <= 0:
        return
    money = {"each": say.money(each.per_customer.point, digits=CENTS)}
    money["total"] = say.words.short_money(total.expected, say.currency)
    if each.arm == total.arm:
        yield say.say("best_both", arm=say.quoted(each.arm), **money)
    else:
        yield say.say("best_differ", one=say.quoted(each.arm), other=say.quoted(total.arm), **money)


def _why(one: ArmAdvice, say: ReadoutWords) -> Iterator[str]:
    """The reason, how many more customers it takes, and what a run has room for."""
    yield say.words.say(f"readout_reason.{one.reason}")
    notes = "; ".join([*_how_many(one, say), *_room(one, say)])
    if notes:
        yield notes[:1].upper() + notes[1:]


def _advice(one: ArmAdvice, say: ReadoutWords) -> Cell:
    """What to do, and whether both figures say so."""
    note = ""
    if one.code != "withheld" and one.reason not in ("guardrail", "guardrail_open"):
        codes = {"total": one.by_total, "each": one.by_customer}
        said = {name: say.words.say(f"readout_advice.{code}") for name, code in codes.items()}
        note = say.say("advice_basis") if one.by_total == one.by_customer else say.say("advice_differs", **said)
    word = say.words.say(f"readout_advice.{one.code}")
    return Cell(kind="text", value=word, note=note, tone=TONES[one.code])


def _how_many(one: ArmAdvice, say: ReadoutWords) -> Iterator[str]:
    if one.reason == "fixed_cost" and one.pays_from is not None:
        yield say.note("pays_from", customers=say.words.count("noun.customers", _round(one.pays_from)))
    if one.code != "keep_testing" or is_exact(one.total):
        return
    if one.more_customers is None:
        if one.reason == "cannot_tell_yet":
            yield say.note("more_unknown")
        return
    if not one.is_enough:
        yield say.note("more_than_base")
        return
    yield say.note("more", customers=say.words.count("noun.customers", _round(one.more_customers)))
    if one.runs is not None and one.runs > 1:
        yield say.note("runs", runs=say.words.count("readout_noun.runs", one.runs))


def _room(one: ArmAdvice, say: ReadoutWords) -> Iterator[str]:
    """What fits into a run, where that is not everybody."""
    eligible = one.eligible
    if one.code == "stop" or not one.room.bound or one.reach >= eligible:
        return
    yield say.note(
        one.room.bound,
        fits=say.words.number(one.reach),
        eligible=say.words.count("noun.customers", eligible),
        channel=say.name("channel", one.room.channel),
        budget=say.words.money(one.room.budget or 0.0, say.currency),
    )


def _round(customers: int) -> int:
    """Two figures are all that is known of so rough a number."""
    size = 10 ** max(len(str(customers)) - 2, 0)
    return -(-customers // size) * size


__all__ = ["advice_grid", "in_order", "say_advice"]
