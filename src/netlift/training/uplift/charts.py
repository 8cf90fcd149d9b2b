"""Uplift charts as SVG: policy tree, effects by feature, value of a budget or a top share."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netlift.estimators.shapley import EffectShareRow
from netlift.evaluation.policy.policy_tree import Answer, Branch, Leaf, PolicyTree, TreeEnd, TreeWorth
from netlift.evaluation.uplift.cost_curve import BudgetRow
from netlift.evaluation.uplift.toc import TopShare
from netlift.features.matrix import Feature
from netlift.report.charts import BLUE, GREY, HEIGHT, ORANGE, WIDTH, to_svg
from netlift.report.language import Words
from netlift.results import Estimate, Table
from netlift.training.uplift.sentences import name_direction, say_answer, say_feature, say_money

BOX_WIDTH, BOX_HEIGHT, GAP, ROW = 250, 72, 70, 96
LINE = 36  # characters
TOP_FEATURES, MOST_OFFERS = 12, 5
INK, QUESTION, CONTACT, QUIET = "#1f2933", "#eef2f7", "#dcebdc", "#f1f1f1"


@dataclass(frozen=True, kw_only=True)
class _Drawing:
    """Boxes and lines of a tree, in pixels from the upper left."""

    boxes: list[dict[str, Any]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    texts: list[dict[str, Any]] = field(default_factory=list)


def policy_tree_chart(tree: PolicyTree, worth: TreeWorth, words: Words, *, currency: str) -> bytes:
    """The policy tree from left to right: questions, then what to offer, what it earned, and to how many.

    Args:
        tree: The tree.
        worth: What its ends were worth on rows that it never saw.
        words: The language.
        currency: Of the money.

    Returns:
        The chart, SVG.
    """
    import altair as alt

    drawing = _Drawing()
    ends = iter(worth.ends)
    height = _place(tree.root, 0, 0.0, ends, drawing, (words, currency))
    width = max(box["x2"] for box in drawing.boxes)
    place = {
        "x": alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, width], nice=False)),
        "y": alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[height, 0], nice=False)),
    }
    boxes = alt.Chart(alt.Data(values=drawing.boxes)).mark_rect(cornerRadius=5, stroke="#c4ccd6")
    lines = alt.Chart(alt.Data(values=drawing.lines)).mark_rule(color=GREY, strokeWidth=1.5)
    texts = alt.Chart(alt.Data(values=drawing.texts))
    layers = [
        lines.encode(**place, x2="x2:Q", y2="y2:Q"),
        boxes.encode(**place, x2="x2:Q", y2="y2:Q", color=alt.Color("fill:N", scale=None)),
    ]
    looks: list[tuple[str, dict[str, Any]]] = [
        ("datum.on_line", {"stroke": "white", "strokeWidth": 8}),  # keeps the line from running through its word
        ("datum.bold", {"fontWeight": "bold"}),
        ("!datum.bold", {}),
    ]
    for chosen, look in looks:
        mark = texts.transform_filter(chosen).mark_text(fontSize=12, color=INK, **look)
        layers.append(mark.encode(**place, text="text:N"))
    level = words.share(worth.value.level, digits=0)
    subtitle = words.say("uplift_chart.tree_hint", level=level)
    return _draw(
        alt.layer(*layers), words, words.say("uplift_chart.tree"), subtitle=subtitle, size=(int(width), int(height))
    )


def effect_shares_chart(
    rows: Table[EffectShareRow], features: Mapping[str, Feature], words: Words, *, currency: str
) -> bytes:
    """How much each offer's effect depends on the features that matter most, coloured by direction.

    Args:
        rows: Shares by offer and feature.
        features: Features by name.
        words: The language.
        currency: Of the money.

    Returns:
        The chart, SVG.
    """
    import altair as alt

    totals: dict[str, float] = {}
    by_offer: dict[str, float] = {}
    for row in rows:
        totals[row.feature] = totals.get(row.feature, 0.0) + row.money.point
        by_offer[row.offer] = by_offer.get(row.offer, 0.0) + row.money.point
    first = [name for name in sorted(totals, key=lambda name: (-totals[name], name)) if totals[name] > 0][:TOP_FEATURES]
    offers = sorted(by_offer, key=lambda name: (-by_offer[name], name))[:MOST_OFFERS]
    said = {name: _wrap(say_feature(features[name], words), 44) for name in first}
    values = [
        {
            "feature": said[row.feature],
            "offer": words.name("offer", row.offer),
            "money": row.money.point,
            "lower": row.money.ci_lower,
            "upper": row.money.ci_upper,
            "direction": words.say(f"uplift_chart.{name_direction(row.direction)}"),
        }
        for row in rows
        if row.feature in said and row.offer in offers
    ]
    directions = [words.say(f"uplift_chart.{name}") for name in ("higher", "lower", "unordered")]
    color = alt.Color(
        "direction:N", scale=alt.Scale(domain=directions, range=[BLUE, ORANGE, GREY]), legend=alt.Legend(labelLimit=500)
    )
    order = [said[name] for name in first]
    y = alt.Y("feature:N", sort=order, title=None, axis=alt.Axis(labelLimit=400, labelExpr="split(datum.label, '\\n')"))
    x = alt.X("money:Q", title=None, axis=alt.Axis(tickCount=4))
    base = alt.Chart().properties(width=max(110, 520 // len(offers)), height=30 * len(first))
    bars = base.mark_bar(size=13).encode(x=x, y=y, color=color)
    whiskers = base.mark_rule(color=INK, strokeWidth=1).encode(x="lower:Q", x2="upper:Q", y=y)
    header = alt.Header(title=None, labelFontSize=12, labelLimit=180)
    chart = alt.layer(bars, whiskers, data=alt.Data(values=values)).facet(
        column=alt.Column("offer:N", sort=[words.name("offer", offer) for offer in offers], header=header), spacing=16
    )
    hint = words.say("uplift_chart.shares_hint", shown=words.number(len(first)), all=words.number(len(totals)))
    money = words.say("uplift_chart.money_moved", currency=words.symbol(currency))
    return _draw(chart, words, words.say("uplift_chart.shares"), subtitle=f"{hint}; {money}")


def budget_chart(rows: Table[BudgetRow], names: Mapping[str, str], words: Words, *, currency: str) -> bytes:
    """What each budget earns, with its band, one line per model.

    Args:
        rows: Gains by model and budget.
        names: Model to what it is called; others are not drawn.
        words: The language.
        currency: Of the money.

    Returns:
        The chart, SVG.
    """
    series = {said: [(row.budget, row.gain) for row in rows if row.model == model] for model, said in names.items()}
    titles = (_titled("budget_axis", words, currency), _titled("gain_axis", words, currency))
    return _bands(series, titles, words, words.say("uplift_chart.budget"), x_format="")


def top_shares_chart(rows: Table[TopShare], among_all: Estimate, words: Words, *, currency: str) -> bytes:
    """The effect among those ranked first, by how many they are, with its band, beside that among all (TOC).

    Args:
        rows: Effects among top shares.
        among_all: Effect among all.
        words: The language.
        currency: Of the money.

    Returns:
        The chart, SVG.
    """
    all_of_them = words.say("uplift_chart.among_all")
    ends = (rows.rows[0].share, rows.rows[-1].share)
    series = {
        words.say("uplift_chart.by_model"): [(row.share, row.effect) for row in rows],
        all_of_them: [(share, among_all) for share in ends],
    }
    titles = (words.say("uplift_chart.top_axis"), _titled("effect_axis", words, currency))
    return _bands(series, titles, words, words.say("uplift_chart.top"), x_format=".0%", bare=(all_of_them,))


def _place(
    node: Branch | Leaf, depth: int, top: float, ends: Any, drawing: _Drawing, language: tuple[Words, str]
) -> float:
    """Draw a node and what follows; returns where the next one may begin."""
    words, currency = language
    left = depth * (BOX_WIDTH + GAP)
    if isinstance(node, Leaf):
        middle = top + ROW / 2
        _box(drawing, left, middle, *_say_box(next(ends), words, currency))
        return top + ROW
    below = _place(node.yes, depth + 1, top, ends, drawing, language)
    bottom = _place(node.no, depth + 1, below, ends, drawing, language)
    middle = (_middle(node.yes, top) + _middle(node.no, below)) / 2
    question = say_answer(Answer(split=node.split, yes=True), words, currency)
    _box(drawing, left, middle, f"{question[:1].upper()}{question[1:]}?", [], QUESTION)
    for name, child, begins in (("yes", node.yes, top), ("no", node.no, below)):
        target = _middle(child, begins)
        right = left + BOX_WIDTH
        drawing.lines.append({"x": right, "y": middle, "x2": right + GAP, "y2": target})
        place = {"x": right + GAP / 2, "y": (middle + target) / 2}
        drawing.texts.append({**place, "text": words.say(f"rule.{name}"), "on_line": True})
    return bottom


def _middle(node: Branch | Leaf, top: float) -> float:
    """Height of a node's middle when what belongs to it begins at `top`."""
    if isinstance(node, Leaf):
        return top + ROW / 2
    return (_middle(node.yes, top) + _middle(node.no, top + ROW * _leaves(node.yes))) / 2


def _leaves(node: Branch | Leaf) -> int:
    return 1 if isinstance(node, Leaf) else _leaves(node.yes) + _leaves(node.no)


def _say_box(end: TreeEnd, words: Words, currency: str) -> tuple[str, list[str], str]:
    share = words.say("rule.share", share=words.share(end.share, digits=0))
    if end.offer is None:
        return words.say("rule.no_contact"), [share], QUIET
    lines = [share]
    if end.effect is not None:
        lines.insert(0, words.say("rule.earns", money=say_money(end.effect, words, currency)))
    return words.say("rule.offer", offer=words.name("offer", end.offer)), lines, CONTACT


def _box(drawing: _Drawing, left: float, middle: float, title: str, lines: Sequence[str], fill: str) -> None:
    drawing.boxes.append(
        {
            "x": left,
            "x2": left + BOX_WIDTH,
            "y": middle - BOX_HEIGHT / 2,
            "y2": middle + BOX_HEIGHT / 2,
            "fill": fill,
        }
    )
    said = [(line, True) for line in textwrap.wrap(title, LINE, max_lines=4 - len(lines), placeholder=" …")]
    said += [(textwrap.shorten(line, LINE + 8, placeholder=" …"), False) for line in lines]
    for i, (text, bold) in enumerate(said):
        offset = 17 * (i - (len(said) - 1) / 2)
        drawing.texts.append({"x": left + BOX_WIDTH / 2, "y": middle + offset, "text": text, "bold": bold})


def _wrap(text: str, width: int) -> str:
    return "\n".join(textwrap.wrap(text, width, max_lines=2, placeholder=" …"))


def _titled(key: str, words: Words, currency: str) -> str:
    return words.say(f"uplift_chart.{key}", currency=words.symbol(currency))


def _bands(
    series: Mapping[str, Sequence[tuple[float, Estimate]]],
    titles: tuple[str, str],
    words: Words,
    title: str,
    *,
    x_format: str,
    bare: Sequence[str] = (),
) -> bytes:
    """Lines with bands around them; those named in `bare` have none and are dashed."""
    import altair as alt

    rows = [
        {"what": name, "x": at, "point": value.point, "lower": value.ci_lower, "upper": value.ci_upper}
        for name, points in series.items()
        for at, value in points
    ]
    names = list(series)
    color = alt.Color(
        "what:N", scale=alt.Scale(domain=names, range=[BLUE, ORANGE][: len(names)]), legend=alt.Legend(labelLimit=500)
    )
    x = alt.X(
        "x:Q", title=titles[0], axis=alt.Axis(format=x_format) if x_format else alt.Axis(), scale=alt.Scale(nice=False)
    )
    y = alt.Y("point:Q", title=titles[1])
    base = alt.Chart(alt.Data(values=rows))
    banded = base.transform_filter(alt.FieldOneOfPredicate(field="what", oneOf=[n for n in names if n not in bare]))
    dashed = base.transform_filter(alt.FieldOneOfPredicate(field="what", oneOf=list(bare)))
    layers = [
        banded.mark_area(opacity=0.18).encode(x=x, y=alt.Y("lower:Q", title=titles[1]), y2="upper:Q", color=color),
        banded.mark_line(strokeWidth=2).encode(x=x, y=y, color=color),
        alt.Chart(alt.Data(values=[{"zero": 0.0}])).mark_rule(color="#444444").encode(y="zero:Q"),
    ]
    if bare:
        layers.insert(2, dashed.mark_line(strokeWidth=1.5, strokeDash=[5, 4]).encode(x=x, y=y, color=color))
    first = next(iter(series.values()))[0][1]
    subtitle = words.say("uplift_chart.band", level=words.share(first.level, digits=0))
    return _draw(alt.layer(*layers), words, title, subtitle=subtitle, size=(WIDTH, HEIGHT))


def _draw(chart: Any, words: Words, title: str, *, subtitle: str = "", size: tuple[int, int] | None = None) -> bytes:
    import altair as alt

    sized = chart if size is None else chart.properties(width=size[0], height=size[1])
    return to_svg(sized.properties(title=alt.TitleParams(title, subtitle=subtitle)), language=words.language)
