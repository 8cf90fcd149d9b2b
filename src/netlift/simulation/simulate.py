"""The demo retailer: contract tables from a seed, and a truth that training never reads.

Customers are simulated in chunks of fixed size, each with its own random stream, and appended to the files, so memory
does not grow with their number and the same settings give the same bytes.

A receipt's revenue and margin are those *before* a campaign's reward: what a reward cost stands once, in
`contacts.reward_cost`, and profit is margin less reward cost less contact cost.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from netlift.data.write import parquet_writer, require_free_space, staged_directory
from netlift.errors import UsageError
from netlift.results import Told, to_plain
from netlift.simulation.campaigns import CAMPAIGNS, OUTCOME_DAYS, live_day
from netlift.simulation.lives import GONE, Lives, SimulatedCalendar
from netlift.simulation.people import draw_people
from netlift.simulation.presets import PRESETS, RETAILER, shape_people
from netlift.simulation.tables import KEPT, Books, campaigns_table, customer_ids, offers_table, schema_of
from netlift.simulation.truth import Future
from netlift.simulation.world import OFFERS

CHUNK_CUSTOMERS = 10_000
SHORTEST_HISTORY_DAYS = 730
TRUTH_FILE = "truth/customers"
TRUTH_HORIZONS_DAYS = (OUTCOME_DAYS, 90)
LONG_HORIZON_DAYS = 365

_PROGRESS_EVERY_DAYS = 50
_LIVING_SHARE = 0.6
_MB_PER_CUSTOMER = 0.002


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """What to simulate.

    Attributes:
        customers: Number of customers.
        seed: Seed of all randomness, not negative.
        end: First day that is not simulated.
        history_days: Days simulated before `end`.
        preset: Which shop; see `retailer.presets`.

    Examples:
        >>> SimulationSettings(customers=20_000, seed=1, end=dt.date(2026, 10, 1)).first_day
        datetime.date(2023, 10, 2)
    """

    customers: int
    seed: int
    end: dt.date
    history_days: int = 1095
    preset: str = RETAILER

    @property
    def first_day(self) -> dt.date:
        """The first simulated day."""
        return self.end - dt.timedelta(days=self.history_days)


@dataclass(frozen=True, kw_only=True)
class SimulationSummary(Told):
    """What was written.

    Attributes:
        target: The folder.
        settings: The settings it was made from.
        rows: Rows of each file.
    """

    target: Path
    settings: SimulationSettings
    rows: Mapping[str, int]

    def to_text(self) -> str:
        """Rows of each file, for people."""
        counts = ", ".join(f"{rows:,} {name}" for name, rows in self.rows.items())
        return f"{self.target}: {counts} (seed {self.settings.seed})"


def simulate(
    settings: SimulationSettings, *, target: Path, progress: Callable[[float], None] | None = None
) -> SimulationSummary:
    """Write the demo retailer's tables, its truth and `simulation.json` into a new folder.

    Args:
        settings: Size, seed and dates.
        target: The folder; it appears whole or not at all.
        progress: Called with the share that is done, from 0 to 1.

    Raises:
        UsageError: Settings that cannot be simulated.
        FileExistsError: The folder stands already.
        ResourceError: The disk is too small or cannot be written.
    """
    _check(settings)
    require_free_space(target.parent, needed_mb=50 + _MB_PER_CUSTOMER * settings.customers)
    rows: dict[str, int] = {}
    with staged_directory(target) as folder:
        (folder / TRUTH_FILE).parent.mkdir()
        with ExitStack() as open_files:
            writers = {
                name: open_files.enter_context(parquet_writer(folder / f"{name}.parquet", schema))
                for name, schema in _schemas().items()
            }
            for name, table in _tables(settings, progress or (lambda _: None)):
                writers[name].write_table(table)
                rows[name] = rows.get(name, 0) + table.num_rows
        document = {"schema_version": 1, "settings": to_plain(settings), "rows": rows}
        (folder / "simulation.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return SimulationSummary(target=target, settings=settings, rows=rows)


def _check(settings: SimulationSettings) -> None:
    mistakes = []
    if settings.customers < 1:
        mistakes.append(f"customers is {settings.customers}, it must be 1 or more")
    if settings.seed < 0:
        mistakes.append(f"seed is {settings.seed}, it must be 0 or more")
    if settings.history_days < SHORTEST_HISTORY_DAYS:
        mistakes.append(
            f"history_days is {settings.history_days}, it must be {SHORTEST_HISTORY_DAYS} or more, so that customers "
            f"have a past before the first campaign"
        )
    if settings.preset not in PRESETS:
        mistakes.append(f"preset is {settings.preset!r}, it must be one of {', '.join(PRESETS)}")
    if mistakes:
        raise UsageError("simulate: " + "; ".join(mistakes))


def _schemas() -> dict[str, pa.Schema]:
    return {name: schema_of(name) for name in KEPT} | {TRUTH_FILE: _truth_schema()}


def _tables(settings: SimulationSettings, progress: Callable[[float], None]) -> Iterator[tuple[str, pa.Table]]:
    """Every table of the retailer by name, those of customers chunk by chunk."""
    yield "campaigns", campaigns_table(first_day=settings.first_day, end=settings.end)
    yield "offers", offers_table(first_day=settings.first_day)
    days = settings.history_days
    calendar = SimulatedCalendar.from_date(settings.first_day, days=days + LONG_HORIZON_DAYS)
    chunks = -(-settings.customers // CHUNK_CUSTOMERS)
    for chunk in range(chunks):
        count = min(CHUNK_CUSTOMERS, settings.customers - chunk * CHUNK_CUSTOMERS)
        rng = np.random.default_rng(np.random.SeedSequence((settings.seed, chunk)))
        people = shape_people(draw_people(count, rng, history_days=days), preset=settings.preset)
        lives = Lives(people, calendar, rng, campaigns=len(CAMPAIGNS))
        for day in range(days):
            live_day(lives, day, end_day=days)
            if day % _PROGRESS_EVERY_DAYS == 0:
                progress((chunk + _LIVING_SHARE * day / days) / chunks)
        ids = customer_ids(chunk, count, chunk_customers=CHUNK_CUSTOMERS)
        books = Books(lives, ids, first_day=settings.first_day, days=days, chunk=chunk)
        yield from books.tables().items()
        yield TRUTH_FILE, _truth(lives, ids, day=days)
    progress(1.0)


def _truth_columns(offer_id: str) -> list[str]:
    """Columns of an offer in the truth: margin over each horizon, reward and contact cost, none taken off another."""
    margins = [f"margin_{days}d_{offer_id}" for days in TRUTH_HORIZONS_DAYS]
    return [*margins, f"reward_cost_{offer_id}", f"contact_cost_{offer_id}"]


def _truth_schema() -> pa.Schema:
    quiet = [f"margin_{days}d" for days in (*TRUTH_HORIZONS_DAYS, LONG_HORIZON_DAYS)]
    numbers = ["p_lost_90d", *quiet, *(name for offer in OFFERS for name in _truth_columns(offer.offer_id))]
    ids = [("customer_id", pa.string()), ("has_lapsed", pa.bool_())]
    return pa.schema([*ids, *((name, pa.float64()) for name in numbers)])


def _truth(lives: Lives, ids: pa.StringArray, *, day: int) -> pa.Table:
    """What the future holds for each person, with no further contact and under each offer sent on `day`."""
    future = Future(lives, day, horizon_days=LONG_HORIZON_DAYS)
    columns: dict[str, Any] = {
        "customer_id": ids,
        "has_lapsed": lives.stage == GONE,
        "p_lost_90d": future.p_no_purchase(horizon_days=90),
    }
    for days in (*TRUTH_HORIZONS_DAYS, LONG_HORIZON_DAYS):
        columns[f"margin_{days}d"] = future.margin(horizon_days=days)
    for offer in OFFERS:
        truth = future.under(offer, horizons_days=TRUTH_HORIZONS_DAYS)
        cost = np.full(len(ids), offer.contact_cost)
        columns |= dict(zip(_truth_columns(offer.offer_id), (*truth.margins, truth.reward, cost), strict=True))
    return pa.table(columns, schema=_truth_schema())
