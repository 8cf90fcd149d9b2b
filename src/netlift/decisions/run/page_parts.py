"""Tables and charts of offers and profit per value segment and strategy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from netlift.decisions.run.charts import contacts_chart
from netlift.decisions.run.summary import DecisionSummary, PartLine
from netlift.report.document import Cell, Grid, Picture, Section, Tone, scale_money, text_cell
from netlift.report.language import Words
from netlift.segments.pages.charts import moves_chart

SERIES = 6  # offers with a colour of their own; the others have one together
GRIDS = {"segment": "segments", "strategy": "strategies"}


def parts_section(summary: DecisionSummary, words: Words) -> tuple[Section, ...]:
    """The section; none where the config speaks of neither segments nor strategies."""
    found = {"segment": summary.segments, "strategy": summary.strategies}
    found = {family: lines for family, lines in found.items() if lines}
    if not found:
        return ()
    return (
        Section(
            name="parts",
            title=words.say("decide.parts"),
            paragraphs=(words.say("decide.parts_words"),),
            pictures=tuple(
                picture for family, lines in found.items() for picture in _pictures(family, lines, summary, words)
            ),
            grids=tuple(_grid(family, lines, summary.currency, words) for family, lines in found.items()),
        ),
    )


def _grid(family: str, lines: Sequence[PartLine], currency: str, words: Words) -> Grid:
    rows = tuple(
        (
            text_cell(_name(family, line, words)),
            Cell(kind="count", value=line.customers),
            Cell(kind="count", value=sum(line.offers.values())),
            Cell(
                kind="money", value=line.profit, text=words.short_money(line.profit, currency), tone=_tone(line.profit)
            ),
            _each(line),
            Cell(kind="money", value=line.spend, text=words.short_money(line.spend, currency)),
            text_cell(_contacts(line.offers, words)),
        )
        for line in lines
    )
    names = (family, "customers", "contacted", "profit", "each", "spend", "contacts_by_offer")
    heads = tuple(text_cell(words.say(f"decide.column.{name}")) for name in names)
    return Grid(name=GRIDS[family], title=words.say(f"decide.{GRIDS[family]}"), columns=heads, rows=rows)


def _pictures(family: str, lines: Sequence[PartLine], summary: DecisionSummary, words: Words) -> Iterator[Picture]:
    """Who gets what, and who earns what; nothing where nobody of them gets anything."""
    counts = Counter[str]()
    for line in lines:
        counts.update(line.offers)
    if not counts.total():
        return
    own = [offer for offer, _ in counts.most_common(SERIES if len(counts) <= SERIES else SERIES - 1)]
    other = words.say("decide.other_offers")
    series = [words.name("offer", offer) for offer in own] + ([other] if len(own) < len(counts) else [])

    def shown(line: PartLine) -> Mapping[str, int]:
        given = Counter[str]()
        for offer, count in line.offers.items():
            given[words.name("offer", offer) if offer in own else other] += count
        return given

    served = [line for line in lines if line.offers]
    most = max(served, key=lambda line: sum(line.offers.values()))
    chart = contacts_chart(
        [(_name(family, line, words), shown(line)) for line in served],
        series=series,
        unit=words.say("decide.contacts_axis"),
        language=words.language,
    )
    yield _picture(
        chart,
        f"decide.picture.contacts_{family}",
        words,
        part=_name(family, most, words),
        share=words.share(sum(most.offers.values()) / counts.total(), digits=0),
        offer=words.name("offer", max(most.offers, key=lambda offer: most.offers[offer])),
    )
    scale, unit = scale_money([line.profit for line in served], summary.currency, words)
    best = max(served, key=lambda line: line.profit)
    moves = [
        (_name(family, line, words), line.profit / scale, _short_number(line.profit / scale, words)) for line in served
    ]
    yield _picture(
        moves_chart(moves, unit=unit, language=words.language),
        f"decide.picture.profit_{family}",
        words,
        part=_name(family, best, words),
        money=words.short_money(best.profit, summary.currency),
        cost=words.short_money(best.spend, summary.currency),
    )


def _picture(svg: bytes, key: str, words: Words, **values: str) -> Picture:
    said = words.say(key, **values)
    return Picture(svg=svg, title=said, alternative=said)


def _name(family: str, line: PartLine, words: Words) -> str:
    if line.name:
        return words.name(family, line.name)
    return words.name("segment", "(outside)") if family == "segment" else words.say("decide.no_strategy")


def _contacts(offers: Mapping[str, int], words: Words) -> str:
    most = sorted(offers.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{words.name('offer', offer)} ({words.number(count)})" for offer, count in most)


def _each(line: PartLine) -> Cell:
    each = line.profit / line.customers if line.customers else None
    return Cell(kind="money", value=each, digits=0 if each is None or abs(each) >= 20 or not each else 2)


def _short_number(value: float, words: Words) -> str:
    return words.number(value, digits=1 if 0 < abs(value) < 10 else 0)


def _tone(value: float) -> Tone:
    return "bad" if value < 0 else ""


__all__ = ["parts_section"]
