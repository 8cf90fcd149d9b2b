"""Tables of a readout: money, arms, segments, rollout and assumptions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from netlift.abtest.readout.result import ArmReadout, ArmsResult, Assumption, CampaignReadout, SegmentRemainder
from netlift.abtest.readout_report.figures import by_dimension, by_profit
from netlift.abtest.readout_report.sentences import ReadoutWords, clean, somebody_bought
from netlift.abtest.stats.heterogeneity import SegmentRow
from netlift.data.contract import CONTROL
from netlift.report.document import Cell, Grid, text_cell

SEGMENT_COLUMNS = ("segment", "treated", "control", "buyers", "segment_total", "raw", "shrunken", "planned")
CENTS = 2


def money_grid(readout: ArmsResult, say: ReadoutWords) -> Grid:
    """The lines of the money, to the cent, so that they add up; of several arms their totals side by side."""
    if len(readout.arms) > 1:
        return _money_of_arms(readout, say)
    return Grid(
        name=say.say("money"),
        title="",
        columns=say.heads("line", "total", "per_customer", "treated_mean", "control_mean"),
        rows=tuple(
            (
                text_cell(say.words.say(f"readout_money.{line.name}")),
                say.money_cell(line.total, digits=CENTS),
                say.money_cell(line.per_customer, digits=CENTS),
                _money(line.treated_mean),
                _money(line.control_mean),
            )
            for line in readout.arms[0].money
        ),
    )


def _money_of_arms(readout: ArmsResult, say: ReadoutWords) -> Grid:
    arms = by_profit(readout.arms)
    rows = []
    for whole, *lines in zip(readout.money, *(arm.money for arm in arms), strict=True):
        totals = (say.money_cell(line.total, digits=CENTS) for line in (whole, *lines))
        rows.append((text_cell(say.words.say(f"readout_money.{whole.name}")), *totals))
    heads = (say.head("line"), text_cell(say.say("all_arms")), *(text_cell(say.arm(arm.arm)) for arm in arms))
    return Grid(name=say.say("money"), title="", columns=heads, rows=tuple(rows))


def arms_grid(readout: ArmsResult, say: ReadoutWords) -> Grid:
    """Arms side by side, control last: how many bought, how much a buyer spent, and what it earned."""
    many = len(readout.arms) > 1
    names = ["arm", "assigned", "buyers", "spend", "delivered", "profit", "roi"]
    withheld = readout.verdict.code in ("blocked", "observational")
    names += ["best"] if many and not withheld else []
    rows = []
    for arm in by_profit(readout.arms):
        bought = somebody_bought(readout, arm.arm, CONTROL)
        cells = [
            text_cell(say.arm(arm.arm)),
            _count(arm.assigned),
            _share(arm.buyers / arm.assigned),
            _money(_spend(arm)),
            text_cell("") if arm.delivered_share is None else _share(arm.delivered_share),
            say.money_cell(arm.profit),
            say.roi_cell(arm.roi, bought=bought),
            text_cell(say.words.probability(arm.chance_best) if bought else ""),
        ]
        rows.append(tuple(cells[: len(names)]))
    return Grid(
        name=say.say("arms"),
        title="",
        columns=say.heads(*names),
        rows=(*rows, *_control_row(readout, len(names), say)),
    )


def segment_grids(readout: CampaignReadout, arm: str, say: ReadoutWords) -> Iterator[Grid]:
    """Profit per customer by segment, a table a split."""
    for dimension, rows in by_dimension(readout, arm).items():
        name = say.name("attribute", dimension)
        cells = [segment_cells(row, say) for row in rows]
        cells += [
            line
            for left in readout.segment_remainders
            if (left.dimension, left.arm) == (dimension, arm)
            for line in _remainder(left, say)
        ]
        yield Grid(name=name, title=name, columns=say.heads(*SEGMENT_COLUMNS), rows=tuple(cells))


def segment_cells(row: SegmentRow, say: ReadoutWords) -> tuple[Cell, ...]:
    """One segment."""
    return (
        text_cell(say.segment(row.dimension, row.segment)),
        _count(row.treated),
        _count(row.control),
        _count(row.buyers),
        say.money_cell(row.total),
        say.money_cell(row.raw, digits=CENTS, tone="muted"),
        say.money_cell(row.shrunken, digits=CENTS),
        text_cell(say.yes(so=row.planned)),
    )


def _remainder(left: SegmentRemainder, say: ReadoutWords) -> Iterator[tuple[Cell, ...]]:
    """What makes the sum of the segments the arm's profit, and that."""
    lines = {
        "remainder": left.remainder,
        **({"fixed_row": -left.fixed} if left.fixed else {}),
        "profit_row": left.profit,
    }
    place = SEGMENT_COLUMNS.index("segment_total")
    for name, value in lines.items():
        cells = [text_cell("") for _ in SEGMENT_COLUMNS]
        cells[0], cells[place] = text_cell(say.say(name)), Cell(kind="money", value=value)
        yield tuple(cells)


def rollout_grid(readout: CampaignReadout, say: ReadoutWords) -> Grid:
    """What offering it to everybody eligible is forecast to bring, and the money it needs."""
    return Grid(
        name=say.say("rollout"),
        title="",
        columns=say.heads("arm", "eligible", "forecast", "budget"),
        rows=tuple(
            (
                text_cell(say.arm(row.arm)),
                text_cell(say.words.count("noun.customers", row.eligible)),
                say.money_cell(row.profit)
                if somebody_bought(readout, row.arm, CONTROL)
                else text_cell(say.words.say("readout_roi.nobody_bought")),
                Cell(kind="money", value=row.budget),
            )
            for row in readout.rollout
        ),
    )


def whose_money(readout: CampaignReadout, say: ReadoutWords) -> Iterator[str]:
    """Whose money the page shows where customers had different chances."""
    if any(arm.average_profit is not None for arm in readout.arms):
        logged = all(arm.estimand == "treated" for arm in readout.arms)
        yield say.say("whose_treated" if logged else "whose_unlogged")


def assumptions_grid(readout: CampaignReadout, say: ReadoutWords) -> Grid:
    """What was decided and not measured."""
    currency = Assumption(name="currency", value=readout.currency)
    return Grid(
        name=say.say("assumptions"),
        title=say.say("decided"),
        columns=say.heads("name", "value"),
        rows=tuple(
            (text_cell(say.name("readout_assumption", one.name)), text_cell(_value(one, say)))
            for one in (currency, *readout.assumptions)
        ),
    )


def flips(readout: CampaignReadout, say: ReadoutWords) -> Iterator[str]:
    """What would turn the profit of each arm to zero, and what its control cost; nothing where nobody bought."""
    for arm in readout.arms:
        if not somebody_bought(readout, arm.arm, CONTROL):
            continue
        lines = {line.name: line.per_customer.point for line in arm.money}
        name = say.arm(arm.arm)
        if arm.break_even_margin_rate is not None and lines["revenue"]:
            rates = (arm.break_even_margin_rate, lines["margin"] / lines["revenue"])
            rate, now = (say.words.share(value, digits=1) for value in rates)
            yield say.say("flip", arm=name, rate=rate, now=now)
        if arm.break_even_reward < 0:
            yield say.say("flip_never", arm=name)
        else:
            reward, now = (say.money(value, digits=CENTS) for value in (arm.break_even_reward, lines["reward"]))
            yield say.say("flip_reward", arm=name, reward=reward, now=now)
        if not readout.observational:
            cost = arm.cost_of_holdout
            if cost.point >= 0:
                yield say.say("holdout", arm=name, cost=say.ranged(cost))
            else:
                saved = replace(cost, point=-cost.point, ci_lower=-cost.ci_upper, ci_upper=-cost.ci_lower)
                yield say.say("holdout_saved", arm=name, cost=say.ranged(saved))


def _value(one: Assumption, say: ReadoutWords) -> str:
    """An assumption's value as a reader of the language writes it."""
    try:
        number = float(one.value)
    except ValueError:
        return say.name("readout_source", one.value)
    if one.name in ("fixed_cost", "tolerance"):
        return say.money(number, digits=CENTS)
    if one.name == "level":
        return say.words.share(number, digits=0)
    return say.words.number(number) if one.name.endswith("_days") else clean(one.value)


def _spend(arm: ArmReadout) -> float | None:
    revenue = next(line for line in arm.money if line.name == "revenue")
    return revenue.treated_mean * arm.assigned / arm.buyers if arm.buyers else None


def _control_row(readout: ArmsResult, width: int, say: ReadoutWords) -> Iterator[tuple[Cell, ...]]:
    for cell in readout.cells:
        if cell.arm == CONTROL and cell.n:
            spend = cell.means["revenue"] * cell.n / cell.buyers if cell.buyers else None
            known = (say.head("control"), _count(cell.n), _share(cell.buyers / cell.n), _money(spend))
            yield (*known, *(text_cell("") for _ in range(width - len(known))))


def _count(value: int) -> Cell:
    return Cell(kind="count", value=float(value))


def _share(value: float) -> Cell:
    return Cell(kind="share", value=value, digits=1)


def _money(value: float | None) -> Cell:
    return text_cell("") if value is None else Cell(kind="money", value=value, digits=CENTS)
