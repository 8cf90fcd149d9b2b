"""Validity checks of a readout as traffic lights with their numbers in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from netlift.abtest.readout.metrics import GUARDRAIL
from netlift.abtest.readout.result import ArmsResult, CampaignReadout, Check
from netlift.abtest.readout_report.sentences import ReadoutWords, clean
from netlift.report.document import Cell, Grid, Section, Tone, text_cell

ALARM = 0.001
LIGHTS: dict[str, Tone] = {"passed": "good", "warned": "warn", "failed": "bad", "not_checked": "muted"}
SPLITS = ("planned_split", "analysed_split")
COUNTS = ("customers", "contacts", "control", "clusters", "fewest", "many", "others", "receipts")
DAYS = ("days_left", "days_apart", "unseen_days", "spread")
NOT_OF_AN_ARM = ("same_people", "control_contacted", "other_campaigns")
MOST_OVERLAPS = 12
SHARES = ("share", "open")


def trust_section(readout: CampaignReadout, say: ReadoutWords) -> Section:
    """Traffic lights of the checks, and the profit counted otherwise."""
    count = {status: sum(check.status == status for check in readout.checks) for status in LIGHTS}
    if count["passed"] == len(readout.checks):
        summary = say.say("trust_all")
    else:
        values = {"failed": count["failed"], "warned": count["warned"], "unchecked": count["not_checked"]}
        summary = say.say("trust_some", **{name: say.words.number(n) for name, n in values.items()})
    return Section(
        name="trust",
        title=say.say("trust"),
        paragraphs=(summary, say.say("sensitivity_text")),
        grids=(checks_grid(readout, say), *overlaps_grid(readout, say), sensitivity_grid(readout, say)),
    )


def checks_grid(readout: ArmsResult, say: ReadoutWords) -> Grid:
    """Every check, its light and what was seen; failed ones first, and one row for what all arms have passed alike."""
    order = ("failed", "warned", "passed", "not_checked")
    ordered = sorted(readout.checks, key=lambda check: order.index(check.status))
    rows, told = [], set()
    for check in ordered:
        alike = [other for other in ordered if other.name == check.name]
        if len(alike) > 1 and all(one.status == "passed" and _arm_of(one) for one in alike):
            if check.name not in told:
                name = f"{say.name('readout_check', check.name)} ({say.say('every_arm')})"
                rows.append((text_cell(name), _light(check, say), text_cell(say.words.say("readout_said.passed"))))
            told.add(check.name)
            continue
        rows.append((text_cell(check_name(check, say)), _light(check, say), text_cell(check_said(check, say))))
    return Grid(
        name=say.say("checks"), title=say.say("checks"), columns=say.heads("check", "light", "said"), rows=tuple(rows)
    )


def overlaps_grid(readout: CampaignReadout, say: ReadoutWords) -> Iterator[Grid]:
    """Other campaigns of the same time: whom they reached, and what this one earned with and without them."""
    if not readout.overlaps:
        return
    rows = []
    for overlap in readout.overlaps[:MOST_OVERLAPS]:
        effects = (overlap.inside, overlap.outside, overlap.gap)
        rows.append(
            (
                text_cell(clean(overlap.name)),
                Cell(kind="count", value=float(overlap.contacted)),
                Cell(kind="share", value=overlap.control_share),
                Cell(kind="share", value=overlap.arms_share),
                *(text_cell("") if each is None else say.money_cell(each, digits=2) for each in effects),
            )
        )
    title = say.say("overlaps")
    columns = say.heads("campaign", "contacted", "of_control", "of_arms", "inside", "outside", "gap")
    yield Grid(name=title, title=title, columns=columns, rows=tuple(rows))


def sensitivity_grid(readout: ArmsResult, say: ReadoutWords) -> Grid:
    """The profit of each arm counted in other ways; where they disagree, the headline is not safe."""
    rows = []
    for arm in readout.arms:
        profit = arm.money[-1]
        ways = (arm.profit, profit.raw_total, arm.profit_capped, arm.profit_without_largest)
        cells = [text_cell("") if each is None else say.money_cell(each) for each in ways]
        each = text_cell("") if arm.cace_profit is None else say.money_cell(arm.cace_profit, digits=2)
        rows.append((text_cell(say.arm(arm.arm)), *cells, each))
    return Grid(
        name=say.say("sensitivity"),
        title=say.say("sensitivity"),
        columns=say.heads("arm", "headline", "unadjusted", "capped", "without_largest", "delivered_profit"),
        rows=tuple(rows),
    )


def metrics_grid(readout: ArmsResult, say: ReadoutWords) -> Grid:
    """Figures beside the money, per customer against control, each with its bound where it is a guardrail."""
    rows = []
    for one in readout.metrics:
        ends = (one.difference.ci_lower, one.difference.ci_upper)
        bound = one.at_most if one.at_most is not None else one.at_least
        digits = _digits(one.treated_mean, one.control_mean, one.difference.point, *ends, bound or 0.0)
        told = f"readout.{'at_most' if one.at_most is not None else 'at_least'}"
        is_open = not all(map(math.isfinite, ends))
        rows.append(
            (
                text_cell(say.name("own_metric", one.name)),
                text_cell(say.arm(one.arm)),
                *(Cell(kind="ratio", value=mean, digits=digits) for mean in (one.treated_mean, one.control_mean)),
                Cell(kind="ratio", value=one.difference.point, digits=digits, note=say.say("no_bounds"))
                if is_open
                else Cell(kind="ratio", value=one.difference.point, lower=ends[0], upper=ends[1], digits=digits),
                text_cell("" if bound is None else say.words.say(told, bound=say.words.number(bound, digits=digits))),
                text_cell("") if bound is None else _light_of(one.status, say),
            )
        )
    heads = say.heads("metric", "arm", "treated_mean", "control_mean", "difference", "guardrail", "light")
    return Grid(name=say.say("metrics"), title="", columns=heads, rows=tuple(rows))


def _digits(*values: float) -> int:
    """Digits behind the point by which the smallest of some figures that is not zero shows two of its own."""
    known = [abs(value) for value in values if value and math.isfinite(value)]
    return min(max(1 - math.floor(math.log10(min(known))), 0), 6) if known else 0


def check_name(check: Check, say: ReadoutWords) -> str:
    """What a check is called, and of which arm it is where it is of one."""
    name = say.name("readout_check", check.name)
    if check.name == GUARDRAIL:
        name = f"{name}: {say.name('own_metric', check.where.partition(': ')[2])}"
    arm = _arm_of(check)
    return f"{name} ({say.arm(arm)})" if arm else name


def _arm_of(check: Check) -> str:
    """The arm that a check is of; empty where it is of the campaign."""
    return "" if check.name in NOT_OF_AN_ARM else check.where.partition(": ")[0]


def check_said(check: Check, say: ReadoutWords) -> str:
    """What a check saw, in words with its numbers; bare numbers where no words are known."""
    words = say.words
    values = {name: _figure(name, value, say) for name, value in check.figures.items()}
    values["covariate"] = say.name("readout_covariate", check.where.rpartition(": ")[2])
    if check.name == GUARDRAIL:
        digits = _digits(*check.figures.values())
        values |= {name: words.number(value, digits=digits) for name, value in check.figures.items()}
    values["alarm"] = words.share(ALARM, digits=1)
    subject = "split" if check.name in SPLITS and check.figures else check.name
    values["where"] = clean(check.where) or say.say("other_campaigns")
    generic = words.say(f"readout_said.{check.status}")
    reasons = (f"readout_said.{subject}_{check.reason}",) if check.reason else ()
    for key in (*reasons, f"readout_said.{subject}_{check.status}", f"readout_said.{subject}"):
        if check.status == "not_checked" and key.endswith(subject):
            continue
        if words.has(key):
            return _fill(key, values, say) or generic
    named = "; ".join(f"{clean(name)} {values[name]}" for name in check.figures)
    return f"{generic} {named}".strip()


def _fill(key: str, values: dict[str, str], say: ReadoutWords) -> str:
    """A text with its numbers, empty where the check does not hold them all."""
    try:
        return say.words.say(key, **values)
    except KeyError:
        return ""


def _figure(name: str, value: float, say: ReadoutWords) -> str:
    """A figure written by what its name says it is."""
    if name == "p_value":
        return say.rare(value)
    if name in SHARES or name.endswith("_share"):
        return say.words.share(value, digits=0 if value in (0.0, 1.0) else 1 if value >= 0.01 else 2)
    if name == "control":
        return say.words.count("noun.customers", value)
    if name in COUNTS or " " in name:  # a column and what is wrong with so many of its rows
        return say.words.number(value)
    return say.words.number(value, digits=1 if name in DAYS else 2)


def _light(check: Check, say: ReadoutWords) -> Cell:
    return _light_of(check.status, say)


def _light_of(status: str, say: ReadoutWords) -> Cell:
    return Cell(kind="text", value=say.words.say(f"readout_light.{status}"), tone=LIGHTS[status])
