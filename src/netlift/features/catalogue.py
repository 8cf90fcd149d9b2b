"""Catalogue of features: name, unit, source and formula, in kernel order."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from netlift.errors import ConfigError
from netlift.features.matrix import Feature
from netlift.features.own_features import load_features
from netlift.features.vocabulary import COMPLAINT, NPS, OPEN, OTHER, Source, Vocabulary

CATALOGUE_VERSION = "1"
WINDOWS_DAYS = (7, 30, 90, 180, 365)
TREND_WINDOWS = (0, 1, 2, 3)
PROMO_WINDOWS = (2, 4)
CONTACT_DAYS = (7, 30, 90, 365)
CHANNEL_CONTACT_DAYS = CONTACT_DAYS[1:]
RESPONSE_DAYS = 14


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A feature and the optional source without which the catalogue leaves it out."""

    feature: Feature
    needs: Source | None = None


def build_catalogue(vocabulary: Vocabulary) -> tuple[Feature, ...]:
    """The features of a vocabulary, in column order.

    Raises:
        ConfigError: An attribute or own feature has the name of a feature, or an own one cannot be imported.

    Examples:
        >>> catalogue = build_catalogue(Vocabulary(attributes={"region": ("north", "south")}))
        >>> len(catalogue), catalogue[0].name, catalogue[-1].categories
        (85, 'purchases_7d', ('north', 'south', 'other'))
    """
    entries = [*purchase_entries(vocabulary), *engagement_entries(vocabulary), *customer_entries(vocabulary)]
    entries += [Entry(feature=own.feature) for own in load_features(vocabulary.own)]
    features = tuple(entry.feature for entry in entries if entry.needs is None or entry.needs in vocabulary.sources)
    twice = [name for name, count in Counter(feature.name for feature in features).items() if count > 1]
    if twice:
        raise ConfigError(f"attributes or own features {twice} have the names of features: rename them")
    return features


def purchase_entries(vocabulary: Vocabulary) -> list[Entry]:
    """Features of receipts, in the order of `kernel.fill_purchases`."""
    entries = [
        *_purchase_windows(),
        *_purchase_trends(),
        *_purchase_rhythm(),
        *_purchase_habits(),
    ]
    for what, values in (("category", vocabulary.categories), ("channel", vocabulary.channels)):
        entries += _mix(what, values)
    return entries


def _receipts(name: str, unit: str, formula: str, *, needs: Source | None = None) -> Entry:
    return Entry(feature=Feature(name=name, unit=unit, source="transactions", formula=formula), needs=needs)


def _windows() -> list[tuple[str, str]]:
    named = [(f"{days}d", f"[c - {days} days, c)") for days in WINDOWS_DAYS]
    return [*named, ("all", "the observation, [c - observation_days, c)")]


def _purchase_windows() -> list[Entry]:
    return [
        _receipts(f"{name}_{window}", unit, formula.format(span=span))
        for name, unit, formula in (
            ("purchases", "receipts", "receipts that are no returns in {span}"),
            ("purchase_days", "days", "distinct local days with a purchase in {span}"),
            ("revenue", "currency", "sum of revenue, returns included, in {span}"),
            ("margin", "currency", "sum of margin, returns included, in {span}"),
            ("mean_purchase", "currency", "mean revenue of a purchase in {span}; missing without one"),
            ("largest_purchase", "currency", "largest revenue of a purchase in {span}; missing without one"),
            ("sd_purchase", "currency", "sample standard deviation of purchase revenue in {span}; needs two"),
        )
        for window, span in _windows()
    ]


def _purchase_trends() -> list[Entry]:
    names = [name for name, _ in _windows()]
    pairs = [(names[i], names[i + 1]) for i in TREND_WINDOWS]
    return [
        _receipts(
            f"{what}_trend_{short}_{long}",
            "ratio",
            f"{said} per day of the last {short} over the same of the last {long}; missing when that is zero "
            "(windows are no longer than the observation)",
        )
        for what, said in (("purchases", "purchases"), ("spend", "purchase revenue"))
        for short, long in pairs
    ]


def _purchase_rhythm() -> list[Entry]:
    gap = "whole days between consecutive purchase days of the observation"
    return [
        _receipts("gap_mean_days", "days", f"mean of {gap}; needs two purchase days"),
        _receipts("gap_sd_days", "days", f"sample standard deviation of {gap}; needs three"),
        _receipts("gap_last_days", "days", f"newest of {gap}; needs two purchase days"),
        _receipts("gap_max_days", "days", f"largest of {gap}; needs two purchase days"),
        _receipts("days_since_last_purchase", "days", "local day of c less local day of the newest purchase"),
        _receipts("days_since_first_purchase", "days", "local day of c less that of the first purchase observed"),
        _receipts("age_at_last_purchase_days", "days", "day of the newest less day of the first purchase observed"),
        _receipts("days_since_last_purchase_over_gap", "ratio", "days_since_last_purchase / gap_mean_days"),
    ]


def _purchase_habits() -> list[Entry]:
    promo = [
        _receipts(f"promo_share_{days}d", "share", f"purchases with promo over purchases in {days} days", needs="promo")
        for days in (WINDOWS_DAYS[i] for i in PROMO_WINDOWS)
    ]
    return [
        *promo,
        _receipts("weekend_share_365d", "share", "purchases on Saturday or Sunday over purchases in 365 days"),
        _receipts(
            "returns_365d",
            "receipts",
            "receipts marked is_return (where not marked: revenue below zero) in 365 days",
        ),
        _receipts("return_rate_365d", "ratio", "returns over purchases in 365 days; missing without a purchase"),
        _receipts("returned_amount_365d", "currency", "sum of -revenue of the returns in 365 days"),
        _receipts("margin_rate_365d", "ratio", "margin_365d over purchase revenue of 365 days, missing if zero"),
        _receipts("last_purchase_revenue", "currency", "revenue of the newest purchase (of several, the largest)"),
    ]


def _mix(what: str, values: tuple[str, ...]) -> list[Entry]:
    """Number, concentration and shares of the known values; nothing where there are none."""
    if not values:
        return []
    known = "known values, all others and missing ones as one"
    plural = "categories" if what == "category" else f"{what}s"
    shares = [
        (f"share_{what}_{slug}_365d", f"of {what} {value!r}")
        for slug, value in zip(_slugs((*values, OTHER)), (*values, f"{OTHER} or missing"), strict=True)
    ]
    return [
        _receipts(f"{plural}_365d", "count", f"distinct {what} values of purchases in 365 days ({known})"),
        _receipts(f"top_share_{what}_365d", "share", f"largest share of a {what} in purchase revenue of 365 days"),
        *(_receipts(name, "share", f"share {of} in purchase revenue of 365 days") for name, of in shares),
    ]


def engagement_entries(vocabulary: Vocabulary) -> list[Entry]:
    """Features of contacts, events and surveys, in the order of `kernel.fill_engagement`."""
    sent = "offers other than control with assigned_at < c and delivered_at < c (assigned_at where the source has none)"
    channels = [*zip(_slugs(vocabulary.contact_channels), vocabulary.contact_channels, strict=True)]
    followed = f"of 365 days followed by a purchase within {RESPONSE_DAYS} days, over those whose"
    over = f"{RESPONSE_DAYS} days ended by c"
    return [
        *(_other("contacts", f"contacts_{days}d", "contacts", f"{sent}, in {days} days") for days in CONTACT_DAYS),
        *(
            _other("contacts", f"contacts_{slug}_{days}d", "contacts", f"contacts by {channel!r} in {days} days")
            for slug, channel in channels
            for days in CHANNEL_CONTACT_DAYS
        ),
        _other("contacts", "days_since_last_contact", "days", "local day of c less local day of the last contact"),
        _other("contacts", "response_share_365d", "share", f"contacts {followed} {over}"),
        *(
            _other("contacts", f"response_share_{slug}_365d", "share", f"contacts by {channel!r} {followed} {over}")
            for slug, channel in channels
        ),
        *(
            _other("events", f"openings_{days}d", "events", f"events of kind {OPEN!r} in {days} days")
            for days in CHANNEL_CONTACT_DAYS
        ),
        _other(
            "events", "openings_per_contact_365d", "ratio", "openings_365d / contacts_365d; missing without contact"
        ),
        _other("events", "complaints_365d", "events", f"events of kind {COMPLAINT!r} in 365 days"),
        _other("events", "days_since_last_complaint", "days", "local day of c less local day of the last complaint"),
        *_events(vocabulary.event_kinds),
        _other("surveys", "nps_last_score", "score", f"newest answer of kind {NPS!r} in the observation"),
        _other("surveys", "days_since_last_nps", "days", "local day of c less local day of that answer"),
    ]


def _events(kinds: tuple[str, ...]) -> list[Entry]:
    """How often and how lately each kind was seen; the most frequent kinds have features, the others none."""
    last = "local day of c less local day of the last event of kind"
    entries = []
    for slug, kind in zip(_slugs(kinds), kinds, strict=True):
        entries += [
            _other("events", f"events_{slug}_{days}d", "events", f"events of kind {kind!r} in {days} days")
            for days in CHANNEL_CONTACT_DAYS
        ]
        entries.append(_other("events", f"days_since_event_{slug}", "days", f"{last} {kind!r}"))
    return entries


def _other(source: Source, name: str, unit: str, formula: str) -> Entry:
    return Entry(feature=Feature(name=name, unit=unit, source=source, formula=formula), needs=source)


def customer_entries(vocabulary: Vocabulary) -> list[Entry]:
    """Features of the customer and of the calendar, in the order of `build.customer_columns`."""

    def number(name: str, unit: str, formula: str, *, source: str = "customers") -> Feature:
        return Feature(name=name, unit=unit, source=source, formula=formula)

    year = "2 pi (day of the year of c - 1) / 365.25, rounded to 6 digits so that no tree splits on rounding noise"
    own = [
        number(name, "as given", f"customers.{name}")
        if known is None
        else Feature(
            name=name,
            unit="category",
            source="customers",
            formula=f"customers.{name}; a value not known in training is {OTHER!r}",
            kind="category",
            categories=(*known, OTHER),
        )
        for name, known in vocabulary.attributes.items()
    ]
    return [
        Entry(feature=number("tenure_days", "days", "local day of c less that of joined_at; missing before joining")),
        Entry(feature=number("age_years", "years", "(day of c - birth_date) / 365.25"), needs="birth_date"),
        Entry(feature=number("calendar_sin", "ratio", f"sine of {year}", source="cutoff")),
        Entry(feature=number("calendar_cos", "ratio", f"cosine of {year}", source="cutoff")),
        *(Entry(feature=feature) for feature in own),
    ]


def _slugs(values: tuple[str, ...]) -> list[str]:
    """Values as parts of names: word characters only, told apart by a number where that makes them equal."""
    slugs: list[str] = []
    for value in values:
        slug = re.sub(r"\W+", "_", value.lower()).strip("_") or "blank"
        slugs.append(slug if slug not in slugs else f"{slug}_{len(slugs)}")
    return slugs


def to_markdown(features: tuple[Feature, ...]) -> str:
    """The catalogue as a Markdown table, `c` standing for the cutoff."""
    lines = [f"Feature catalogue {CATALOGUE_VERSION}; c is the cutoff.", ""]
    lines += ["| feature | unit | source | formula |", "|---|---|---|---|"]
    lines += [f"| `{f.name}` | {f.unit} | {f.source} | {f.formula.replace('|', ' ')} |" for f in features]
    return "\n".join(lines)
