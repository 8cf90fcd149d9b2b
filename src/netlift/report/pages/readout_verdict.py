"""The headline of a readout: the verdict in plain words, three money tiles and what to do; every export says these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netlift.abtest.readout import AmongCampaigns, ArmReadout, CampaignReadout, Check
from netlift.report.document import Banner, Card, Cell, Tone
from netlift.report.pages.readout_checks import check_name, check_said
from netlift.report.pages.readout_words import ReadoutWords, clean, is_bounded, is_exact
from netlift.results import Estimate

TONES: dict[str, Tone] = {
    "blocked": "bad",
    "observational": "warn",
    "made_money": "good",
    "lost_money": "bad",
    "probably_made_money": "good",
    "no_material_effect": "muted",
    "cannot_tell_yet": "warn",
}
WITHHELD = ("blocked", "observational")
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
        banner=Banner(
            title=f"{words.say(f'readout_verdict.{readout.verdict.code}')}.",
            tone=TONES[readout.verdict.code],
            lines=tuple(_sentences(readout, say)),
        ),
        cards=tuple(_cards(readout, say)),
        notice=say.say("observational_notice") if readout.observational else "",
    )


def best_of(readout: CampaignReadout) -> ArmReadout:
    """The arm that a decision is about."""
    return next((arm for arm in readout.arms if arm.arm == readout.best_arm), readout.arms[0])


def somebody_bought(readout: CampaignReadout, *arms: str) -> bool:
    """Whether anybody of some arms bought within the window, or of all: else only the cost is known."""
    return any(cell.buyers for cell in readout.cells if not arms or cell.arm in arms)


def failed(readout: CampaignReadout) -> tuple[Check, ...]:
    """Checks that take the verdict away."""
    return tuple(check for check in readout.checks if check.blocking and check.status == "failed")


def _sentences(readout: CampaignReadout, say: ReadoutWords) -> Iterator[str]:
    """Why where there is no verdict, else how much, how sure and at what risk; then what to do."""
    verdict, best = readout.verdict, best_of(readout)
    if verdict.code == "blocked":
        for check in failed(readout):
            yield say.say("because", check=check_name(check, say), said=check_said(check, say))
    yield _best_estimate(readout.profit, say)
    if verdict.code not in WITHHELD:
        yield from _how_sure(readout, say)
        if len(readout.arms) > 1 and somebody_bought(readout):
            yield say.say(
                "best_arm",
                arm=clean(best.arm),
                profit=say.ranged(best.profit),
                chance=say.chance(best.chance_best),
            )
    else:
        yield say.say("numbers_observed" if readout.observational else "numbers_stay")
    yield _advice(readout, best, say)


def _best_estimate(profit: Estimate, say: ReadoutWords) -> str:
    if is_exact(profit):
        return say.say("best_exact", profit=say.whole(profit))
    if not is_bounded(profit):
        return say.say("best_unbounded", profit=say.whole(profit))
    return say.say("best", profit=say.whole(profit), interval=say.interval(profit))


def _how_sure(readout: CampaignReadout, say: ReadoutWords) -> Iterator[str]:
    verdict, profit = readout.verdict, readout.profit
    if not is_exact(profit):
        yield _chance(verdict.chance_of_profit, say)
        if readout.among is not None:
            yield _among(readout.among, say)
        ship, stop = (max(loss, 0.0) for loss in (verdict.expected_loss_if_shipped, verdict.expected_loss_if_stopped))
        yield say.say("loss", ship=say.money(ship), stop=say.money(stop))
    if verdict.code == "no_material_effect":
        yield say.say("within", tolerance=say.money(verdict.tolerance))
    if verdict.code == "cannot_tell_yet" and not somebody_bought(readout):
        yield say.say("nobody_bought")
    elif verdict.code == "cannot_tell_yet":
        yield say.say("not_proven")
        if verdict.more_customers is None:
            yield say.say("hopeless")
        else:
            yield say.say("more", customers=say.words.count("noun.customers", _round(verdict.more_customers)))


def _among(among: AmongCampaigns, say: ReadoutWords) -> str:
    """The same campaign as the page of all campaigns shows it, and why that is another figure."""
    chance = among.chance_of_profit
    said = say.say("almost_sure") if chance > 0.99 else say.say("almost_never") if chance < 0.01 else say.chance(chance)
    return say.say(
        "among",
        campaigns=say.words.number(among.campaigns),
        profit=say.whole(among.profit),
        interval=say.interval(among.profit),
        chances=said,
    )


def _chance(chance: float, say: ReadoutWords) -> str:
    """How many of a hundred such campaigns would have been profitable."""
    if chance > 0.99:
        return say.say("chance_high")
    if chance < 0.01:
        return say.say("chance_low")
    return say.say("chance", chances=say.words.count("readout_noun.chances", round(100 * chance)))


def _advice(readout: CampaignReadout, best: ArmReadout, say: ReadoutWords) -> str:
    code = readout.verdict.code
    if code in WITHHELD or len(readout.arms) == 1:
        return say.words.say(f"readout_advice.{code}")
    texts = f"readout_advice_arm.{best.verdict.code}"
    values = {"arm": clean(best.arm)} if best.verdict.code in ("made_money", "probably_made_money") else {}
    return say.words.say(texts, **values)


def _cards(readout: CampaignReadout, say: ReadoutWords) -> Iterator[Card]:
    against = say.say("against_others" if readout.observational else "against_control")
    assigned = sum(arm.assigned for arm in readout.arms)
    tone = TONES[readout.verdict.code] if readout.verdict.code in ("made_money", "lost_money") else ""
    each = say.say("per_customer", value=say.money(readout.profit.point / assigned, digits=2))
    yield Card(
        title=say.say("tile_profit"),
        cell=say.money_cell(readout.profit, tone=tone),
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


def _revenue(readout: CampaignReadout, say: ReadoutWords) -> Cell:
    """Of all arms together, with its interval."""
    return say.money_cell(next(line.total for line in readout.money if line.name == "revenue"))


def _round(customers: int) -> int:
    """Two figures are all that is known of so rough a number."""
    size = 10 ** max(len(str(customers)) - 2, 0)
    return -(-customers // size) * size
