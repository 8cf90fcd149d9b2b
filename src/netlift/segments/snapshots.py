"""Snapshots: segment, value, risk and figures of every customer as of given days."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netlift.config.business import BusinessSettings, TaskName
from netlift.config.segments import SegmentSettings
from netlift.data.checks.quality import is_revenue_based
from netlift.data.history import History, read_history
from netlift.data.read import Tables
from netlift.errors import ConfigError, DataError
from netlift.features.catalogue import CATALOGUE_VERSION
from netlift.progress import Progress
from netlift.registry.champions import Champion, find_champions
from netlift.registry.scoring_contract import require_same_schema
from netlift.segments.edges import FrozenEdges, read_edges, require_current, write_edges
from netlift.segments.figures import Note
from netlift.segments.inactivity import landmark_of, times_to_loss
from netlift.segments.rfm import COLUMNS, fit_rfm_edges, score_rfm
from netlift.segments.snapshot_features import ltv_output, read_cutoffs
from netlift.segments.survival import LifetimeByRisk, SurvivalCurve, expected_lifetime, kaplan_meier, lifetime_by_risk
from netlift.segments.value_segments import assign_segments, fit_tier_edges, risk_levels, value_tiers

if TYPE_CHECKING:
    import pandas as pd

TASKS: tuple[TaskName, ...] = ("churn", "ltv")
EDGES_FILE = Path("segments") / "edges.json"
SNAPSHOT_COLUMNS = (
    "customer_id",
    "as_of",
    "segment",
    "strategy",
    "r",
    "f",
    "m",
    "value_tier",
    "risk",
    "ltv",
    "ltv_lower",
    "ltv_upper",
    "ltv_sd",
    "p_churn",
    "value_at_risk",
    "expected_lifetime_days",
    "purchases_365d",
    "purchase_days_365d",
    "revenue_365d",
    "margin_365d",
    "days_since_last_purchase",
    "tenure_days",
    "acquisition_cost",
    "acquisition_channel",
    "joined_at",
    "contacts_30d",
    "nps",
    "csi",
)


@dataclass(frozen=True, kw_only=True)
class Staying:
    """How long customers stay, followed from a landmark to the newest snapshot.

    Attributes:
        landmark: The day from which they were followed.
        curves: Segment at the landmark to its curve; segments without anybody still there have none.
        by_risk: Expected lifetime along the churn risk; None without a churn champion.
    """

    landmark: date
    curves: Mapping[str, SurvivalCurve]
    by_risk: LifetimeByRisk | None


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """Customers as of some days.

    Attributes:
        frames: As-of day to a frame of `SNAPSHOT_COLUMNS`, a row per customer who had joined and has not cancelled.
        horizon_days: Days that `ltv` is of; None without an LTV champion.
        level_sd: Relative error of the level of `ltv` that all customers share; NaN where the champion does not say.
        level_seen: How many biases it was learnt from.
        notes: What is missing or approximate.
        versions: Task to the version of its champion.
        revenue_based: Whether margin equals revenue on every receipt, because the source has no margins.
        edges: The frozen edges that divided the customers.
        staying: How long customers stay; None where the history is too short to say.
    """

    frames: Mapping[date, pd.DataFrame]
    horizon_days: int | None
    level_sd: float
    level_seen: int
    notes: tuple[Note, ...]
    versions: Mapping[str, int]
    revenue_based: bool
    edges: FrozenEdges
    staying: Staying | None


def require_segments(settings: BusinessSettings) -> SegmentSettings:
    """The config's segments.

    Raises:
        ConfigError: It has none.
    """
    if settings.segments is None:
        raise ConfigError(
            f"config {settings.name}: no segments block, so nobody has said what a segment is; write one, as in "
            "configs/demo.yaml"
        )
    return settings.segments


def take_snapshots(
    settings: BusinessSettings,
    tables: Tables,
    *,
    as_of: Sequence[date],
    progress: Progress,
    refit: bool = False,
    champions: tuple[list[Champion], tuple[str, ...]] | None = None,
) -> Snapshots:
    """Every customer as of each of some days, with the champions of this moment asked of that day's features.

    Edges are frozen at the config's reference when there are none yet, and kept below `settings.state`. Lifetimes of
    all days are read off the same curves, those known by the newest day, so that months compare.

    Args:
        settings: The business, with its segments.
        tables: Its tables.
        as_of: First days not seen.
        progress: Who watches.
        refit: Freeze new edges in place of those that stand.
        champions: What `find_champions` found before, where the caller has asked already.

    Raises:
        ConfigError: The config has no segments, or a reference that the receipts do not reach.
        UsageError: The frozen edges are stale; says what changed, and to refit.
        DataError: Nobody had joined, or nobody had bought, before a day asked for.
        ModelIntegrityError: A champion's files are not those that were registered.
    """
    segments = require_segments(settings)
    history = read_history(tables)
    asked, without = champions or find_champions(settings, [task for task in TASKS if task in settings.models])
    days = sorted(set(as_of))
    landmark = landmark_of(segments.lost, as_of=days[-1])
    revenue_based = is_revenue_based(tables)
    notes = [*_missing(settings.models, without), *_too_short(segments, history, landmark), *_sources(tables)]
    if revenue_based:
        notes.append(Note(code="revenue_based"))
    followed = landmark if not _too_short(segments, history, landmark) else None
    wanted = {*days, *([followed] if followed else [])}
    standing = _standing_edges(settings.state, segments, asked, refit=refit)
    divided, frozen = _divide_all(settings, tables, asked, wanted, standing, progress, peopled=days)
    if standing is None:
        write_edges(settings.state / EDGES_FILE, frozen)
    notes += _edge_notes(frozen, segments, asked)
    staying = _follow(tables, segments, divided[followed], days[-1]) if followed else None
    ltv = next((champion for champion in asked if champion.task == "ltv"), None)
    return Snapshots(
        frames={day: _finish(divided[day], segments, staying) for day in days},
        horizon_days=None if ltv is None else _horizon(ltv),
        level_sd=_level_sd(ltv),
        level_seen=1 if ltv is None else ltv.contract.level_seen,
        notes=tuple(notes),
        versions={champion.task: champion.version for champion in asked},
        revenue_based=revenue_based,
        edges=frozen,
        staying=staying,
    )


def name_segments(
    settings: BusinessSettings,
    tables: Tables,
    *,
    as_of: Sequence[date],
    progress: Progress,
    champions: Sequence[Champion],
) -> dict[date, pd.DataFrame]:
    """The segment and strategy of every customer as of some days, as `take_snapshots` has them, and nothing else.

    Edges that are not frozen yet are made the same way, and not kept: nothing is written.

    Args:
        settings: The business, with its segments.
        tables: Its tables.
        as_of: First days not seen.
        progress: Who watches.
        champions: Those that the rules ask.

    Returns:
        Day to a frame of customer_id, segment, strategy.

    Raises:
        ConfigError: The config has no segments, or a reference that the receipts do not reach.
        UsageError: The frozen edges are stale.
    """
    segments = require_segments(settings)
    standing = _standing_edges(settings.state, segments, champions, refit=False)
    divided, _ = _divide_all(settings, tables, champions, set(as_of), standing, progress)
    return {day: divided[day][["customer_id", "segment", "strategy"]] for day in sorted(set(as_of))}


def _divide_all(
    settings: BusinessSettings,
    tables: Tables,
    champions: Sequence[Champion],
    days: Collection[date],
    standing: FrozenEdges | None,
    progress: Progress,
    *,
    peopled: Collection[date] = (),
) -> tuple[dict[date, pd.DataFrame], FrozenEdges]:
    """Customers as of days with scores, tiers, risk, segment and strategy, over edges that stand or are made now.

    Days of `peopled` must have somebody who had bought.
    """
    segments = require_segments(settings)
    require_same_schema([champion.contract for champion in champions], tables)
    end = read_history(tables).end
    if standing is None and segments.reference > end:
        raise ConfigError(
            f"segments.reference {segments.reference} is after the last day known, {end - timedelta(days=1)}; name a "
            "day that the data reach"
        )
    wanted = sorted({*days, *([] if standing else [segments.reference])})
    progress.stage("segments", f"customers as of {', '.join(map(str, wanted))}")
    raw = read_cutoffs(tables, settings, segments, champions, cutoffs=wanted)
    for day in peopled:
        _require_customers(raw[day], day)
    edges = standing or _fit_edges(raw[segments.reference], segments, champions)
    return {day: _divide(frame, day, segments, edges) for day, frame in raw.items()}, edges


def _standing_edges(
    state: Path, segments: SegmentSettings, champions: Sequence[Champion], *, refit: bool
) -> FrozenEdges | None:
    if refit:
        return None
    edges = read_edges(state / EDGES_FILE)
    if edges is not None:
        require_current(edges, _made_from(segments, champions))
    return edges


def _made_from(segments: SegmentSettings, champions: Sequence[Champion]) -> dict[str, Any]:
    """All that the edges depend on by design; data and model versions move within it."""
    ltv = next((champion for champion in champions if champion.task == "ltv"), None)
    return {
        "segments.reference": segments.reference.isoformat(),
        "segments.observation_days": segments.observation_days,
        "segments.tiers.middle": segments.tiers.middle,
        "segments.tiers.high": segments.tiers.high,
        "feature catalogue": CATALOGUE_VERSION,
        "horizon of ltv in days": None if ltv is None else _horizon(ltv),
    }


def _fit_edges(frame: pd.DataFrame, segments: SegmentSettings, champions: Sequence[Champion]) -> FrozenEdges:
    since, frequency, margin = (frame[COLUMNS[name]].to_numpy() for name in ("r", "f", "m"))
    return FrozenEdges(
        made_from=_made_from(segments, champions),
        rfm=fit_rfm_edges(since, frequency, margin),
        tiers=fit_tier_edges(frame["ltv"].to_numpy(), segments.tiers),
        customers=int(np.count_nonzero(~np.isnan(since))),
    )


def _divide(frame: pd.DataFrame, day: date, segments: SegmentSettings, edges: FrozenEdges) -> pd.DataFrame:
    """The frame with scores, tiers, risk, segment, strategy and value at risk."""
    since, frequency, margin = (frame[COLUMNS[name]].to_numpy() for name in ("r", "f", "m"))
    ltv, p_churn = frame["ltv"].to_numpy(), frame["p_churn"].to_numpy()
    named = frame.assign(
        as_of=day,
        **score_rfm(edges.rfm, since, frequency, margin),
        value_tier=value_tiers(edges.tiers, ltv),
        risk=risk_levels(segments.risk, p_churn),
        value_at_risk=p_churn * np.maximum(ltv, 0.0),
    )
    asked = {name for rule in segments.rules for name in rule.when} or {"r"}
    segment = assign_segments(segments.rules, {name: named[name].to_numpy() for name in asked})
    strategies = np.array([segments.strategies[name] for name in segment], dtype=object)
    return named.assign(segment=segment, strategy=strategies)


def _follow(tables: Tables, segments: SegmentSettings, frame: pd.DataFrame, as_of: date) -> Staying | None:
    """Curves of those who were still there at the landmark."""
    there = frame[_still_there(frame, segments)]
    if not len(there):
        return None
    days, lost = times_to_loss(tables, segments.lost, there["customer_id"].to_numpy(), as_of=as_of)
    asked = {"level": segments.level, "follow_days": float(segments.lost.follow_days)}
    curves = {}
    for name in segments.segments:
        inside = (there["segment"] == name).to_numpy()
        if inside.any():
            curves[name] = kaplan_meier(days[inside], lost[inside], **asked)
    p_churn = there["p_churn"].to_numpy()
    known = ~np.isnan(p_churn)
    by_risk = lifetime_by_risk(p_churn[known], days[known], lost[known], **asked) if known.any() else None
    return Staying(landmark=landmark_of(segments.lost, as_of=as_of), curves=curves, by_risk=by_risk)


def _still_there(frame: pd.DataFrame, segments: SegmentSettings) -> np.ndarray:
    """Who is not lost yet; by a silence, nobody who never bought is there."""
    if segments.lost.silence_days is None:
        return np.ones(len(frame), dtype=bool)
    return np.asarray(frame["days_since_last_purchase"] < segments.lost.silence_days)


def _finish(frame: pd.DataFrame, segments: SegmentSettings, staying: Staying | None) -> pd.DataFrame:
    """The columns of the contract, with expected lifetimes: 0 for whom the silence has already made lost."""
    lifetime = np.full(len(frame), np.nan)
    if staying is not None:
        if staying.by_risk is not None:
            lifetime = staying.by_risk.of(frame["p_churn"].to_numpy())
        else:
            of_segment = {name: expected_lifetime(curve).total_days for name, curve in staying.curves.items()}
            lifetime = frame["segment"].map(of_segment).to_numpy(dtype=np.float64)
        if segments.lost.silence_days is not None:
            never = frame["days_since_last_purchase"].isna().to_numpy()
            lifetime = np.where(_still_there(frame, segments), lifetime, np.where(never, np.nan, 0.0))
    return frame.assign(expected_lifetime_days=lifetime)[[*SNAPSHOT_COLUMNS]]


def _require_customers(frame: pd.DataFrame, day: date) -> None:
    if not len(frame):
        raise DataError(f"customers: nobody had joined before {day}; check --as-of and joined_at")
    if frame["days_since_last_purchase"].isna().all():
        raise DataError(
            f"transactions: none of {len(frame):,} customers bought before {day}, so there is no value to divide them "
            "by; check --as-of, the receipts and that their customer_id is that of customers"
        )


def _horizon(champion: Champion) -> int:
    found = re.fullmatch(r"ltv_(\d+)d", ltv_output(champion))
    if found is None:
        raise DataError(
            f"the ltv champion's first output is {ltv_output(champion)!r}, needed is ltv_<days>d: train again"
        )
    return int(found.group(1))


def _level_sd(champion: Champion | None) -> float:
    found = None if champion is None else champion.contract.level_sd
    return float("nan") if found is None else found


def _missing(models: Collection[str], without: Sequence[str]) -> list[Note]:
    absent = [task for task in TASKS if task not in models]
    return [
        *(Note(code=f"no_champion_{task}") for task in without),
        *(Note(code=f"no_model_{task}") for task in absent),
    ]


def _too_short(segments: SegmentSettings, history: History, landmark: date) -> list[Note]:
    """Why nobody can be followed from the landmark; empty where they can."""
    earliest = history.first + timedelta(days=max(segments.lost.silence_days or 0, 1))
    if landmark >= earliest:
        return []
    days = {"follow": segments.lost.follow_days, "more": (earliest - landmark).days}
    return [Note(code="too_short_to_follow", values=days)]


def _sources(tables: Tables) -> list[Note]:
    """What the tables do not hold, and figures that are left out for it."""
    there = {
        "surveys": "surveys" in tables,
        "contacts": "contacts" in tables,
        "acquisition_cost": tables.has("customers", "acquisition_cost"),
    }
    return [Note(code=f"without_{name}") for name, is_there in there.items() if not is_there]


def _edge_notes(edges: FrozenEdges, segments: SegmentSettings, champions: Sequence[Champion]) -> list[Note]:
    notes = [Note(code="edges_frozen", values={"day": segments.reference, "customers": edges.customers})]
    if edges.rfm.empty_scores:
        notes.append(Note(code="scores_empty", values={"scores": ", ".join(edges.rfm.empty_scores)}))
    if edges.tiers is None and any(champion.task == "ltv" for champion in champions):
        notes.append(Note(code="tiers_not_frozen"))
    return notes


__all__ = ["SNAPSHOT_COLUMNS", "Snapshots", "Staying", "name_segments", "require_segments", "take_snapshots"]
