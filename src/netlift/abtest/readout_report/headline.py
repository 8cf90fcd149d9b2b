"""Headline of a readout: the verdict in words, three money tiles and the advice, the same in all exports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netlift.abtest.readout.advice import EARNED, after_turns, probably_lost, recovers
from netlift.abtest.readout.result import ArmsResult, CampaignReadout, Check
from netlift.abtest.readout_report.advice import say_advice
from netlift.abtest.readout_report.checks import check_name, check_said
from netlift.abtest.readout_report.sentences import WITHHELD, ReadoutWords, clean, is_exact, somebody_bought
from netlift.report.document import Banner, Card, Cell, Tone

TONES: dict[str, Tone] = {
    "blocked": "bad",
    "observational": "warn",
    "made_money": "good",
    "lost_money": "bad",
    "probably_made_money": "good",
    "no_material_effect": "muted",
    "cannot_tell_yet": "warn",
    "guardrail": "bad",
}
SHAKY_COST = 0.05


@dataclass(frozen=True, kw_only=True)
class Headline:
    """What is said first, everywhere in the same words.

    Attributes:
        title: What is read, with the campaign's name.
        subtitle: Which campaign and when.
        banner: The verdict and its sentences.
        cards: Profit, revenue and return.
        notice: That nobody drew the control by chance, where nobody did.
        say: How its figures are written.
    """

    say: ReadoutWords
    title: str
    subtitle: str
    banner: Banner
    cards: tuple[Card, ...]
    notice: str

    def shown(self, cell: Cell) -> str:
        """A figure as text."""
        return cell.shown(self.say.words, self.say.currency)

    def small(self, cell: Cell) -> str:
        """Its interval and note as text."""
        return cell.small_print(self.say.words, self.say.currency)


def write_headline(readout: CampaignReadout, say: ReadoutWords) -> Headline:
    """The headline of a readout in a language.

    Args:
        readout: The readout.
        say: The language and the currency.
    """
    words = say.words
    return Headline(
        say=say,
        title=say.say("title", name=clean(readout.name) or clean(readout.campaign_id)),
        subtitle=say.say(
            "subtitle",
            id=clean(readout.campaign_id),
            started=words.day(readout.started.date()),
            window=words.count("noun.days", readout.outcome_days),
            until=words.day(readout.as_of.date()),
        ),
        banner=write_banner(readout, say),
        cards=tuple(write_cards(readout, say)),
        notice=say.say("observational_notice") if readout.observational else "",
    )


def write_banner(readout: ArmsResult, say: ReadoutWords) -> Banner:
    """The verdict and its sentences."""
    tone: Tone = (
        "warn" if _is_taken_back(readout) else "bad" if _is_probably_lost(readout) else TONES[readout.verdict.code]
    )
    title = say.words.say(f"readout_verdict.{_answer(readout)}")
    return Banner(title=f"{title}.", tone=tone, lines=tuple(_sentences(readout, say)))


def _answer(readout: ArmsResult) -> str:
    """The verdict, of its window alone where the days after take it back; what cannot be told may lean to a loss."""
    if _is_probably_lost(readout):
        return "probably_lost_money"
    return f"{readout.verdict.code}_at_first" if _is_taken_back(readout) else readout.verdict.code


def _is_probably_lost(readout: ArmsResult) -> bool:
    """Whether a loss is probable and the days after the window do not make up for it."""
    after = readout.after_window
    recovered = recovers(None if after is None else after.verdict)
    leans = readout.verdict.code == "cannot_tell_yet" and probably_lost(readout.verdict) and not recovered
    return leans and somebody_bought(readout)


def _is_taken_back(readout: ArmsResult) -> bool:
    """Whether money that the window shows is not there any more with the days after."""
    after = readout.after_window
    return after is not None and readout.verdict.code in EARNED and after.verdict.code not in EARNED


def failed(readout: ArmsResult) -> tuple[Check, ...]:
    """Checks that take the verdict away."""
    return tuple(check for check in readout.checks if check.blocking and check.status == "failed")


def _sentences(readout: ArmsResult, say: ReadoutWords) -> Iterator[str]:
    """Why where there is no verdict, else how much, how sure, and what could turn it; then what to do."""
    verdict = readout.verdict
    if verdict.code in ("blocked", "guardrail"):
        for check in failed(readout):
            yield say.say("because", check=check_name(check, say), said=check_said(check, say))
    yield _profit(readout, say)
    if verdict.code in WITHHELD:
        yield say.say("numbers_observed" if readout.observational else "numbers_stay")
    else:
        yield from _how_sure(readout, say)
    yield from say_advice(readout, say)


def _profit(readout: ArmsResult, say: ReadoutWords) -> str:
    profit = readout.profit
    if is_exact(profit):
        return say.say("best_exact", profit=say.whole(profit))
    assigned = sum(arm.assigned for arm in readout.arms)
    each = say.money(profit.point / assigned, digits=2)
    return say.say("best", profit=say.about(profit, level=True), each=each)


def _how_sure(readout: ArmsResult, say: ReadoutWords) -> Iterator[str]:
    verdict, after = readout.verdict, readout.after_window
    if not is_exact(readout.profit):
        chance = say.words.probability(verdict.chance_of_profit)
        if readout.among is None:
            yield say.say("chance", chance=chance)
        else:
            yield say.say(
                "chance_among",
                chance=chance,
                campaigns=say.words.number(readout.among.campaigns),
                among=say.words.probability(readout.among.chance_of_profit),
                profit=say.about(readout.among.profit),
            )
    if after is not None and after_turns(readout.profit, verdict, after):
        yield say.say(
            "after_turns",
            days=say.words.count("noun.days", after.days),
            net=say.about(after.net),
            chance=say.words.probability(after.verdict.chance_of_profit),
        )
    if verdict.code == "no_material_effect":
        yield say.say("within", tolerance=say.money(verdict.tolerance))
    if verdict.code == "cannot_tell_yet" and not _is_probably_lost(readout):
        yield say.say("not_proven" if somebody_bought(readout) else "nobody_bought")


def write_cards(readout: ArmsResult, say: ReadoutWords) -> Iterator[Card]:
    """Profit, revenue and return, each against control."""
    against = say.say("against_others" if readout.observational else "against_control")
    assigned = sum(arm.assigned for arm in readout.arms)
    tone = TONES[readout.verdict.code] if readout.verdict.code in ("made_money", "lost_money") else ""
    each = say.say("per_customer", value=say.money(readout.profit.point / assigned, digits=2))
    yield Card(
        title=say.say("tile_profit"),
        cell=say.about_cell(readout.profit, tone=tone),
        lines=((each, ""), (against, "muted")),
    )
    yield Card(title=say.say("tile_revenue"), cell=_revenue(readout, say), lines=((against, "muted"),))
    roi = readout.roi
    cell = say.roi_cell(roi, bought=somebody_bought(readout))
    lines: list[tuple[str, Tone]] = [(say.say("roi_cost", cost=say.whole(roi.cost)), "")]
    if cell.text:
        kind = roi.kind if roi.kind != "interval" else "nobody_bought"
        lines.append((say.words.say(f"readout_roi_said.{kind}"), "muted"))
    elif roi.g >= SHAKY_COST:
        lines.append((say.say("roi_shaky"), "warn"))
    yield Card(title=say.say("tile_roi"), cell=cell, lines=tuple(lines))


def _revenue(readout: ArmsResult, say: ReadoutWords) -> Cell:
    """Of all arms together, with its interval."""
    return say.about_cell(next(line.total for line in readout.money if line.name == "revenue"))
