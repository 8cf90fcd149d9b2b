"""Workbook of a readout that recomputes profit from margin rate and costs that finance may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netlift.abtest.readout.result import ArmReadout, CampaignReadout
from netlift.abtest.readout_report.sentences import ReadoutWords

INPUT = {"bg_color": "#FFF4CC", "border": 1, "locked": False}
BOLD = {"bold": True}
HEAD = {"bold": True, "bg_color": "#E8EEF5", "bottom": 1, "text_wrap": True}
COSTS = ("reward", "contact_cost", "fixed_cost")
LINES = ("revenue", "margin", *COSTS, "profit")


@dataclass(frozen=True)
class Pen:
    """Where it is written and in which forms.

    Attributes:
        sheet: The sheet.
        formats: Cell formats by name.
        say: The language.
    """

    sheet: Any
    formats: Mapping[str, Any]
    say: ReadoutWords

    def row(self, i: int, label: str, measured: float | None, *, form: str) -> None:
        """A label and what was measured."""
        self.sheet.write_string(i, 0, label)
        if measured is not None:
            self.sheet.write_number(i, 1, measured, self.formats[form])

    def enter(self, i: int, label: str, measured: float, *, form: str) -> None:
        """A number that may be changed."""
        self.row(i, label, measured, form=form)
        self.sheet.write_number(i, 2, measured, self.formats[f"{form}_input"])
        self._difference(i, form)

    def compute(self, i: int, label: str, formula: str, value: float | None, *, form: str) -> None:
        """A number that follows from others; `value` is what it is before anybody changes them."""
        self.row(i, label, value, form=form)
        self.sheet.write_formula(i, 2, formula, self.formats[form], "" if value is None else value)
        if value is not None:
            self._difference(i, form)

    def _difference(self, i: int, form: str) -> None:
        self.sheet.write_formula(i, 3, f"=C{i + 1}-B{i + 1}", self.formats[form], 0)


def write_calculator(workbook: Any, readout: CampaignReadout, say: ReadoutWords) -> None:
    """Add the sheet that the workbook opens on: the whole campaign on top, below it each arm with cells to change.

    Args:
        workbook: An open workbook of xlsxwriter.
        readout: The readout.
        say: The language and the currency.
    """
    text = say.words
    sheet = workbook.add_worksheet(text.say("readout.calculator"))
    sheet.activate()
    pen = Pen(sheet, _formats(workbook, say), say)
    sheet.set_column(0, 0, 46)
    sheet.set_column(1, 4, 20)
    sheet.write_string(0, 0, text.say("readout.calculator"), pen.formats["head"])
    sheet.write_string(1, 0, text.say("readout.calculator_text"))
    if readout.observational:
        sheet.write_string(2, 0, text.say("readout.observational_notice"), pen.formats["bad"])
    _heads(pen, 3)
    first = 4 + len(LINES) + 4
    blocks = _blocks(readout, say)
    tops = [first + i * _height() for i in range(len(blocks))]
    for arm, top in zip(blocks, tops, strict=True):
        _write_arm(pen, arm, top)
    _write_whole(pen, readout, blocks, tops)
    sheet.activate()
    sheet.freeze_panes(4, 1)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


def _blocks(readout: CampaignReadout, say: ReadoutWords) -> tuple[ArmReadout, ...]:
    """The arms, which add up to the campaign; the campaign as one block where they do not."""
    if all(arm.estimand == "treated" for arm in readout.arms):
        return readout.arms
    assigned = sum(arm.assigned for arm in readout.arms)
    one = replace(readout.arms[0], arm="", assigned=assigned, money=readout.money, profit=readout.profit)
    return (one,)


def _write_whole(pen: Pen, readout: CampaignReadout, blocks: Sequence[ArmReadout], tops: list[int]) -> None:
    """The sums of the arms, with the interval of their profit."""
    say, totals = pen.say, {name: sum(_total(arm, name) for arm in blocks) for name in LINES}
    pen.sheet.write_string(4, 0, say.say("whole"), pen.formats["bold"])
    for k, name in enumerate(LINES):
        places = "+".join(f"C{_place(top, name) + 1}" for top in tops)
        pen.compute(5 + k, say.words.say(f"readout_money.{name}"), f"={places}", totals[name], form="money")
    i = 5 + len(LINES)
    pen.row(i - 1, say.words.say("readout_money.profit"), readout.profit.point, form="money_bold")
    pen.sheet.write_string(i - 1, 4, say.interval(readout.profit))
    _roi(pen, i, {name: f"C{6 + k}" for k, name in enumerate(LINES)}, totals)


def _write_arm(pen: Pen, arm: ArmReadout, top: int) -> None:
    """What one arm was given and cost; the yellow cells drive the rest."""
    words, sheet = pen.say.words, pen.sheet
    each = {line.name: line.per_customer.point for line in arm.money}
    sheet.write_string(top, 0, pen.say.arm(arm.arm), pen.formats["bold"])
    names = {name: words.say(f"readout_money.{name}") for name in LINES}
    per = words.say("readout_column.per_customer").lower()
    pen.enter(top + 1, words.say("readout_column.assigned"), float(arm.assigned), form="count")
    pen.enter(top + 2, f"{names['revenue']}, {per}", each["revenue"], form="fine")
    has_rate = bool(each["revenue"])
    label = f"{names['margin']} / {names['revenue'].lower()}" if has_rate else f"{names['margin']}, {per}"
    margin = each["margin"] / each["revenue"] if has_rate else each["margin"]
    pen.enter(top + 3, label, margin, form="share" if has_rate else "fine")
    pen.enter(top + 4, f"{names['reward']}, {per}", each["reward"], form="fine")
    pen.enter(top + 5, f"{names['contact_cost']}, {per}", each["contact_cost"], form="fine")
    pen.enter(top + 6, names["fixed_cost"], _total(arm, "fixed_cost"), form="money")
    cell = {name: f"C{_place(top, name) + 1}" for name in LINES}
    n, revenue, rate, reward, contact = (f"C{top + k + 1}" for k in range(1, 6))
    formulas = {
        "revenue": f"={n}*{revenue}",
        "margin": f"={cell['revenue']}*{rate}" if has_rate else f"={n}*{rate}",
        "reward": f"={n}*{reward}",
        "contact_cost": f"={n}*{contact}",
        "profit": f"={cell['margin']}-{cell['reward']}-{cell['contact_cost']}-{cell['fixed_cost']}",
    }
    for name, formula in formulas.items():
        pen.compute(_place(top, name), names[name], formula, _total(arm, name), form="money")
    sheet.write_string(_place(top, "profit"), 4, pen.say.interval(arm.profit))
    _roi(pen, top + 12, cell, {name: _total(arm, name) for name in LINES})


def _roi(pen: Pen, i: int, cell: Mapping[str, str], totals: Mapping[str, float]) -> None:
    """Profit over cost, nothing where there is no cost, and the margin rate at which the profit is gone."""
    cost = "+".join(cell[name] for name in COSTS)
    spent = sum(totals[name] for name in COSTS)
    roi = totals["profit"] / spent if spent > 0 else None
    words = pen.say.words
    pen.compute(i, words.say("readout_column.roi"), f'=IF({cost}>0,{cell["profit"]}/({cost}),"")', roi, form="share")
    rate = spent / totals["revenue"] if totals["revenue"] else None
    formula = f'=IF({cell["revenue"]}<>0,({cost})/{cell["revenue"]},"")'
    pen.compute(i + 1, words.say("readout.break_even"), formula, rate, form="share")


def _place(top: int, name: str) -> int:
    """Row of a line of an arm; its fixed cost is entered and not computed."""
    rows = {"revenue": 7, "margin": 8, "reward": 9, "contact_cost": 10, "fixed_cost": 6, "profit": 11}
    return top + rows[name]


def _height() -> int:
    return 15


def _heads(pen: Pen, row: int) -> None:
    names = ("line", "measured", "yours", "difference", "interval")
    for j, name in enumerate(names):
        pen.sheet.write_string(row, j, pen.say.words.say(f"readout_column.{name}"), pen.formats["head"])


def _total(arm: ArmReadout, name: str) -> float:
    return next(line.total.point for line in arm.money if line.name == name)


def _formats(workbook: Any, say: ReadoutWords) -> dict[str, Any]:
    symbol = say.words.symbol(say.currency).replace('"', "")
    money = f'"{symbol}"#,##0.00' if say.words.language == "en" else f'#,##0.00\xa0"{symbol}"'
    patterns = {"money": money, "fine": money.replace("0.00", "0.0000"), "share": "0.00%", "count": "#,##0"}
    made = {name: workbook.add_format({"num_format": pattern}) for name, pattern in patterns.items()}
    made |= {f"{name}_input": workbook.add_format({"num_format": p} | INPUT) for name, p in patterns.items()}
    made["money_bold"] = workbook.add_format({"num_format": money} | BOLD)
    return made | {
        "head": workbook.add_format(HEAD),
        "bold": workbook.add_format(BOLD),
        "bad": workbook.add_format({"bold": True, "font_color": "#A3262A"}),
    }


__all__ = ["write_calculator"]
