"""The page of a decision readout: answer, groups, forecast accuracy, other policies.

Where the groups are not of the sizes that chance gives, the page says that and shows no money.
"""

from __future__ import annotations

from collections.abc import Iterator

from netlift.data.checks.sample_ratio import SampleRatio
from netlift.decisions.readout.result import EVERYBODY, LEADS_NOW, OURS, DecisionReadout, GroupLine
from netlift.evaluation.policy.comparison import AT_RANDOM, ProofRow
from netlift.evaluation.policy.off_policy import NOBODY
from netlift.report.document import Banner, Card, Cell, Document, Grid, Section, Tone, text_cell
from netlift.report.language import Words
from netlift.results import Estimate
from netlift.training.uplift.sentences import money_digits


def decision_readout_document(readout: DecisionReadout, words: Words) -> Document:
    """A run that was read back, in a language."""
    return Document(
        title=words.say("decision_readout.title", key=readout.run_key),
        subtitle=words.say(
            "decision_readout.subtitle",
            day=words.day(readout.as_of),
            customers=words.count("noun.customers", readout.customers),
            held_out=words.number(readout.held_out),
            explored=words.number(readout.explored),
        ),
        words=words,
        currency=readout.currency,
        dated=readout.as_of,
        sections=tuple(_sections(readout, words)),
    )


def _sections(readout: DecisionReadout, words: Words) -> Iterator[Section]:
    say = words.say
    checks = Section(name="checks", title=say("decision_readout.checks"), grids=(_checks(readout, words),))
    if not readout.is_sound:
        title, why = say("decision_readout.verdict.unsound"), say("decision_readout.verdict.unsound_why")
        banner = Banner(title=title, tone="bad", lines=(why,))
        yield Section(name="money", title=say("decision_readout.money"), banner=banner)
        yield checks
        return
    lines = {(line.group, line.against): line for line in readout.groups}
    decided = lines["decided", "holdout"]
    level = words.share(decided.total.level, digits=0)
    yield Section(
        name="money",
        title=say("decision_readout.money"),
        banner=_verdict(decided.total, readout, words),
        cards=tuple(_cards(decided, lines["policy", "explore"], words)),
        items=(say("decision_readout.sticky"), say("decision_readout.whole"), say("decision_readout.itt", level=level)),
        grids=(_groups(readout, words),),
    )
    yield _worth(readout, words)
    open_to = words.count("noun.customers", readout.open_to)
    yield Section(
        name="replay",
        title=say("decision_readout.replay"),
        paragraphs=(say("decision_readout.replay_how", customers=open_to),),
        items=tuple(_left_out(readout, words)),
        grids=(_replay(readout, words),),
    )
    yield checks


def _verdict(total: Estimate, readout: DecisionReadout, words: Words) -> Banner:
    name, tone = _found(total)
    money = words.about(total.point, total.ci_lower, total.ci_upper, readout.currency, level=total.level)
    title = words.say(f"decision_readout.verdict.{name}", money=money)
    expected = words.short_money(readout.expected, readout.currency)
    return Banner(title=title, tone=tone, lines=(words.say("decision_readout.verdict.line", expected=expected),))


def _found(total: Estimate) -> tuple[str, Tone]:
    if total.ci_lower > 0:
        return "earned", "good"
    return ("lost", "bad") if total.ci_upper < 0 else ("open", "warn")


def _cards(decided: GroupLine, explore: GroupLine, words: Words) -> Iterator[Card]:
    say = words.say
    yield Card(title=say("decision_readout.card.each"), cell=_money(decided.per_customer), lines=())
    yield Card(
        title=say("decision_readout.card.explore"),
        cell=_money(explore.per_customer),
        lines=((say("decision_readout.card.explore_line"), "muted"),),
    )


def _groups(readout: DecisionReadout, words: Words) -> Grid:
    rows = tuple(
        (
            text_cell(words.say(f"decision_readout.group.{line.group}")),
            text_cell(words.say(f"decision_readout.group.{line.against}")),
            Cell(kind="count", value=line.customers),
            Cell(kind="count", value=line.others),
            _short(line.total, readout.currency, words),
            _money(line.per_customer),
        )
        for line in readout.groups
    )
    heads = ("group", "against", "customers", "others", "total", "each")
    return Grid(name="groups", title=words.say("decision_readout.groups"), columns=_heads(heads, words), rows=rows)


def _worth(readout: DecisionReadout, words: Words) -> Section:
    say, title = words.say, words.say("decision_readout.worth")
    if readout.tenths is None or readout.drift is None:
        return Section(name="worth", title=title, paragraphs=(say("decision_readout.worth_none"),))
    drift = readout.drift
    found = "drifted" if drift.has_drifted else "steady" if drift.now.ci_lower > 0 else "unclear"
    told = say(
        f"decision_readout.{found}",
        now=_slope(drift.now, words),
        before=_slope(drift.before, words),
    )
    rows = tuple(
        (
            Cell(kind="count", value=row.tenth),
            Cell(kind="count", value=row.contacts),
            Cell(kind="money", value=row.predicted, digits=money_digits(row.realised)),
            _money(row.realised),
        )
        for row in readout.tenths
    )
    heads = _heads(("tenth", "customers", "predicted", "realised"), words)
    return Section(
        name="worth",
        title=title,
        paragraphs=(told, say("decision_readout.worth_words")),
        grids=(Grid(name="tenths", title="", columns=heads, rows=rows),),
    )


def _slope(slope: Estimate, words: Words) -> str:
    """A slope with its interval where it has one."""
    point, lower, upper = (words.number(x, digits=2) for x in (slope.point, slope.ci_lower, slope.ci_upper))
    if slope.ci_lower == slope.ci_upper:
        return point
    return f"{point} ({words.say('cell.interval', lower=lower, upper=upper)})"


def _replay(readout: DecisionReadout, words: Words) -> Grid:
    heads = ("policy", "each", "difference", "contacted", "effective")
    rows = tuple(_policy(row, words) for row in readout.replay)
    return Grid(name="replay", title="", columns=_heads(heads, words), rows=rows)


def _policy(row: ProofRow, words: Words) -> tuple[Cell, ...]:
    own = {OURS: "group.policy", NOBODY: "nobody", AT_RANDOM: "at_random"}
    name = words.say(f"decision_readout.{own[row.policy]}") if row.policy in own else _challenger(row.policy, words)
    return (
        text_cell(name),
        _money(row.value),
        text_cell("") if row.ours_above is None else _money(row.ours_above),
        Cell(kind="share", value=row.contacted, digits=1),
        Cell(kind="count", value=row.effective_rows),
    )


def _left_out(readout: DecisionReadout, words: Words) -> Iterator[str]:
    """Why the model that leads now is not compared."""
    left = readout.left_out
    if left is not None:
        offers = ", ".join(words.name("offer", offer) for offer in left.offers)
        yield words.say(f"decision_readout.left_out.{left.why}", model=left.model, offers=offers)


def _challenger(policy: str, words: Words) -> str:
    """The name of a policy that was not the run's."""
    if policy.startswith(EVERYBODY):
        return words.say("decision_readout.everybody", offer=words.name("offer", policy.removeprefix(EVERYBODY)))
    if policy.startswith(LEADS_NOW):
        return words.say("decision_readout.leads_now", model=policy.removeprefix(LEADS_NOW))
    return policy


def _checks(readout: DecisionReadout, words: Words) -> Grid:
    rows = tuple(
        (
            text_cell(words.say(f"decision_readout.check.{check.campaign_id}")),
            _result(check, words),
        )
        for check in readout.checks
    )
    return Grid(name="checks", title="", columns=_heads(("check", "result"), words), rows=rows)


def _result(check: SampleRatio, words: Words) -> Cell:
    result = "untested" if check.p_value is None else "failed" if check.alarm else "passed"
    tone: Tone = "bad" if check.alarm else ""
    return Cell(kind="text", value=words.say(f"decision_readout.{result}"), tone=tone)


def _money(estimate: Estimate) -> Cell:
    return Cell(
        kind="money",
        value=estimate.point,
        lower=estimate.ci_lower,
        upper=estimate.ci_upper,
        digits=money_digits(estimate),
    )


def _short(estimate: Estimate, currency: str, words: Words) -> Cell:
    """Money in thousands or millions with its interval."""
    lower, upper = (words.short_money(end, currency) for end in (estimate.ci_lower, estimate.ci_upper))
    return Cell(
        kind="money",
        value=estimate.point,
        text=words.short_money(estimate.point, currency),
        note=words.say("cell.interval", lower=lower, upper=upper),
    )


def _heads(names: tuple[str, ...], words: Words) -> tuple[Cell, ...]:
    return tuple(text_cell(words.say(f"decision_readout.column.{name}")) for name in names)


__all__ = ["decision_readout_document"]
