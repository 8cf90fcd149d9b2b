"""The config of a new business as YAML, with a comment at every choice, and the Makefile beside it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from netlift.data.contract import CONSENT_PREFIX, CONTROL
from netlift.projects.proposal import Proposal, TableProposal
from netlift.projects.sources import FoundColumn, read_labels

TASKS = ("churn", "ltv", "ltv_year", "uplift")
MONEY = ("monthly_revenue", "monthly_margin")
STABLE = ("region", "acquisition_channel")
MOST_OFFERS, MOST_KINDS = 200, 1000
OPT_OUT, OPT_IN = re.compile(r"opt.?out|unsub|отпис|отказ"), re.compile(r"opt.?in|^subscri|подпис")


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What a config says beside its tables.

    Attributes:
        name: The business.
        currency: ISO code of all money.
        time_zone: Of moments without a zone, by the IANA list.
        tasks: Models to train.
        segments: The demo's block of value segments, as text.
        reference: The day over whose customers the edges of segments are frozen.
        today: The day of an extract of which no other is known.
        threads: What every engine may use.
    """

    name: str
    currency: str
    time_zone: str
    tasks: Sequence[str]
    segments: str
    reference: date
    today: date
    threads: int


def usual_tasks(proposal: Proposal) -> list[str]:
    """The models that the tables are enough for; churn and LTV where columns are still missing."""
    lacks = proposal.lacks()
    found = [task for task in TASKS if not lacks[task.removesuffix("_year")]]
    return found or (["churn"] if proposal.is_snapshot else ["churn", "ltv"])


def write_config(proposal: Proposal, choices: Choices, *, folder: Path) -> str:
    """The config of a business whose tables were proposed.

    Args:
        proposal: Its tables.
        choices: What else it says.
        folder: Where the config will stand; paths are relative to it.
    """
    lacks = proposal.lacks()
    attributes, types = _attributes(proposal)
    people = proposal.tables.get("customers")
    offers = [] if lacks["decisions"] else _offers(proposal)
    segments = re.sub(r"(?m)^  reference: \S+", f"  reference: {choices.reference}", choices.segments)
    return _render(
        "config.yaml.j2",
        **{**vars(choices), "segments": segments},
        is_snapshot=proposal.is_snapshot,
        tables=[_table(found, folder) for found in proposal.tables.values()],
        unused=[f"{_place(source.path, folder)} ({_inert(source.headings)})" for source in proposal.unused],
        attributes=attributes,
        attribute_types=types,
        candidates=[] if people is None else [_inert(column.name) for column in people.attributes],
        reads_tests=not lacks["readouts"],
        offers=offers,
        channels=sorted({channel for _, channel in offers}),
        opt_outs=_events(proposal, OPT_OUT) if offers else [],
        opt_ins=_events(proposal, OPT_IN) if offers else [],
        lacks=lacks["decisions"] or ["consents to the channels of the offers: customers.consent_<channel>"],
    )


def write_makefile(name: str, *, simulated: bool, decides: bool) -> str:
    """The Makefile of a business.

    Args:
        name: The business.
        simulated: Whether its tables are the demo's.
        decides: Whether it has what readouts and decisions need.
    """
    return _render("Makefile.j2", name=name, simulated=simulated, decides=decides)


def _render(template: str, **values: Any) -> str:
    """A template filled in; its values are YAML or were made inert, so nothing is escaped as HTML."""
    loader = PackageLoader("netlift.projects")
    environment = Environment(loader=loader, undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.filters["flow"] = _flow
    return environment.get_template(template).render(values)


def _flow(value: Mapping[str, Any] | Sequence[Any] | str) -> str:
    """A value in YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, sort_keys=False, width=100_000)
    return text.removesuffix("...\n").strip()


def _place(path: Path, folder: Path) -> str:
    """Where a source is: relative to the config where both stand below the business's parent folder."""
    return os.path.relpath(path, folder) if path.is_relative_to(folder.parents[1]) else str(path)


def _events(proposal: Proposal, words: re.Pattern[str]) -> list[str]:
    """Kinds of events whose names hold one of some words."""
    found = proposal.tables.get("events")
    if found is None:
        return []
    kinds = read_labels(found.source, [found.columns["kind"]], most=MOST_KINDS)
    return [kind for (kind,) in kinds if words.search(kind.casefold())]


def _inert(name: str) -> str:
    """A name as a comment may hold it: on one line."""
    return re.sub(r"[^\w .,:/()-]", "?", name)


def _table(found: TableProposal, folder: Path) -> dict[str, Any]:
    source = found.source
    taken = {*found.columns.values(), *(column.name for column in found.attributes)}
    used = [column for column in source.columns if column.name in taken]
    formats = sorted({column.date_format for column in used if column.date_format})
    consents = {f"{CONSENT_PREFIX}{channel}": column for channel, column in found.consents.items()}
    named = {**found.columns, **consents}
    where = {
        "path": _place(source.path, folder),
        "table": source.table,
        "encoding": source.encoding,
        "decimal": "," if any(column.comma for column in used) else None,
        "date_format": formats[0] if formats else None,
        "columns": {own: other for own, other in named.items() if own != other or [*named.values()].count(other) > 1},
    }
    return {
        "name": found.contract.name,
        "one_row_is": found.contract.one_row_is,
        "where": {name: value for name, value in where.items() if value},
        "notes": [*_notes(found, formats, used)],
    }


def _notes(found: TableProposal, formats: Sequence[str], used: Sequence[FoundColumn]) -> Iterator[str]:
    source = found.source
    if found.missing:
        example = f"columns: {{{found.missing[0]}: your_column}}"
        yield f"MISSING: {', '.join(found.missing)}; add them to the file, or name them as in {example}"
    if source.encoding is not None:
        yield f"not UTF-8, most probably {source.encoding}; say another where letters look wrong"
    if len(formats) > 1:
        yield f"days are written in {len(formats)} ways ({', '.join(formats)}); write the file with one"
    if any(column.either_order for column in used):
        yield "no day tells whether it begins with the day or the month: check date_format"
    if found.margin_is_revenue:
        yield "no margin was found, revenue stands for it: all money is revenue until margin is named in columns"


def _attributes(proposal: Proposal) -> tuple[list[str], dict[str, str]]:
    """What models may learn from without anybody's word, and the types that a CSV does not tell."""
    people = proposal.tables.get("customers")
    if people is None:
        return [], {}
    stable = [name for name in STABLE if name in people.columns]
    if not proposal.is_snapshot:
        return stable, {}
    free = {column.name: column for column in people.attributes}
    free |= {name: people.source.column(people.columns[name]) for name in MONEY if name in people.columns}
    types = {name: "number" if column.kind in ("number", "whole") else "text" for name, column in free.items()}
    return [*stable, *free], types if people.source.is_text else {}


def _offers(proposal: Proposal) -> list[tuple[str, str]]:
    """Offers and their channels, where somebody may have agreed to the channel."""
    found, consents = proposal.tables["offers"], proposal.tables["customers"].consents
    own = [found.columns[column] for column in ("offer_id", "channel")]
    rows = read_labels(found.source, own, most=MOST_OFFERS)
    return [(offer, channel) for offer, channel in rows if offer != CONTROL and channel in consents]


__all__ = ["TASKS", "Choices", "usual_tasks", "write_config", "write_makefile"]
