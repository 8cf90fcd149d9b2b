"""A simulated year in monthly rounds under each policy from one starting point, compared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

import numpy as np

from netlift.closed_loop.learning import quick_definition
from netlift.closed_loop.log import log_round
from netlift.closed_loop.loop import Loop, Round
from netlift.closed_loop.policies import (
    LIKELY_SHARE,
    OFFER_IDS,
    Reader,
    Rule,
    contact_by_truth,
    contact_everybody,
    contact_likely,
    contact_nobody,
    in_folder,
    true_worth,
)
from netlift.closed_loop.readout import RoundReadout, log_of, read_round
from netlift.closed_loop.report import (
    WorldComparison,
    compare_months,
    compare_segments,
    compare_worlds,
    describe,
    expected_margin,
    measure_by_holdout,
)
from netlift.closed_loop.result import LIKELY, LOOP, MASS, ORACLE, QUIET, DemoReport, RoundRow, Shop
from netlift.config.business import BusinessSettings
from netlift.config.definitions import UpliftDefinition
from netlift.data.history import read_history
from netlift.data.read import open_tables
from netlift.data.run import name_question, safe_key
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import average_effects, fit_uplift
from netlift.features.vocabulary import learn_vocabulary
from netlift.progress import Progress
from netlift.results import Table
from netlift.simulation.campaigns import OUTCOME_DAYS
from netlift.simulation.rounds import Archive, World, begin_world
from netlift.training.contact_rows import build_contact_rows

TASK = "demo"
LEVEL = 0.95


@dataclass(frozen=True, kw_only=True)
class DemoRequest:
    """What is asked.

    Attributes:
        customers: Who will have joined by the end of the last round.
        seed: Of all randomness; the same request gives the same bytes.
        start: First day of the first round, the first of a month.
        rounds: Months.
        preset: Which shop.
        epsilon: Share of customers whose offer the loop draws evenly; None for that of the config.
        rest_days: The loop leaves a customer alone for so long after a contact, None for the engine's own rule; the
            other rules never do.
        history_days: Days lived before the start, with the campaigns of the demo retailer.
        language: Of the texts, ru or en.
        run_key: Name of the output's folder; empty for one made of the request.
    """

    customers: int
    seed: int
    start: date
    rounds: int = 12
    preset: str = "retailer"
    epsilon: float | None = None
    rest_days: int | None = None
    history_days: int = 1095
    language: str = "ru"
    run_key: str = ""

    @property
    def key(self) -> str:
        """The run key as a folder name."""
        own = f"{self.preset}-{self.customers}-{self.seed}-{self.start.isoformat()}-{self.rounds}-{self.language}"
        asked = {"epsilon": self.epsilon, "rest_days": self.rest_days, "history_days": self.history_days}
        other = [f"{name} {value}" for name, value in asked.items() if value != getattr(DemoRequest, name)]
        return safe_key(self.run_key or name_question(own, *other))


def live_year(settings: BusinessSettings, request: DemoRequest, *, folder: Path, progress: Progress) -> DemoReport:
    """Live the history once, then the rounds under every rule, and compare.

    Args:
        settings: The business.
        request: What is asked.
        folder: Where books of the shop may be written meanwhile; it is made.
        progress: Who watches.
    """
    settings = settings.model_copy(update={"engine": settings.engine.model_copy(update={"threads": 1})})
    folder.mkdir(parents=True)
    progress.stage(TASK, f"{request.history_days:,} days of history of {request.customers:,} customers")
    start = begin_world(
        customers=request.customers,
        seed=request.seed,
        start=request.start,
        history_days=request.history_days,
        rounds=request.rounds,
        preset=request.preset,
    )
    books = Archive(seed=request.seed)
    books.close(start)
    first = _learn_first(settings, request, start, books, folder)
    progress.stage(TASK, "the year under other rules")
    rules = {QUIET: contact_nobody, MASS: contact_everybody(first.constant)}
    worlds = {name: live(start, rule) for name, rule in rules.items()}
    worlds[LIKELY] = _live_likely(start, first, books.copy(), folder)
    loop = Loop(
        settings,
        start,
        epsilon=request.epsilon,
        rest_days=request.rest_days,
        vocabulary=first.reader.vocabulary,
        seed=request.seed,
    )
    worlds[LOOP], made = _live_loop(loop, start, books, folder, progress)
    worlds[ORACLE] = live(start, contact_by_truth)
    compared = WorldComparison(start=start, worlds=worlds, currency=settings.currency, level=LEVEL)
    return _report(request, compared, loop, made, constant=OFFER_IDS[first.constant])


@dataclass(frozen=True, kw_only=True)
class _First:
    """What is known before the first round: the best constant offer, and who is likely to buy."""

    reader: Reader
    constant: int
    response: StoredModel


@dataclass(frozen=True, kw_only=True)
class _Made:
    """A round of the loop, what its contacts were truly worth, for how long customers rested, and its readout."""

    decided: Round
    true_promise: float
    rest_days: int
    readout: RoundReadout | None


def live(start: World, rule: Rule) -> World:
    """The rounds under one rule."""
    world = start.fork()
    while world.today < world.starts[-1]:
        world.answer(rule(world))
    return world


def _learn_first(
    settings: BusinessSettings, request: DemoRequest, start: World, books: Archive, folder: Path
) -> _First:
    """The words of features, the best constant offer and the response model, all from the history's campaigns."""
    definition: UpliftDefinition = quick_definition(settings)
    books.write(folder)
    seen = datetime.combine(start.date - timedelta(days=OUTCOME_DAYS), time())
    with open_tables(in_folder(settings, folder), repeatable=True) as tables:
        vocabulary = learn_vocabulary(tables, before=seen)
        rows, _, _ = build_contact_rows(
            tables, definition, vocabulary, rows_per_partition=settings.engine.rows_per_partition,
            history=read_history(tables), seed=request.seed,
        )  # fmt: skip
    averages = average_effects(rows)
    response = fit_uplift(
        "response", rows, search=definition.search, folds=definition.folds, seed=request.seed, threads=1,
        progress=lambda *_: None,
    )  # fmt: skip
    best = rows.offers[int(np.argmax(averages))]
    reader = Reader(settings=settings, vocabulary=vocabulary, observation_days=definition.observation_days)
    return _First(reader=reader, constant=OFFER_IDS.index(best), response=StoredModel(response.files))


def _live_likely(start: World, first: _First, books: Archive, folder: Path) -> World:
    """The rounds with the constant offer to the likeliest buyers, by their own books."""
    output = f"uplift_{OFFER_IDS[first.constant]}"

    def score(world: World, persons: np.ndarray) -> np.ndarray:
        if world.today > start.today:
            books.close(world)
        books.write(folder)
        scaled = first.reader.predict(world, folder, first.response, persons)[output]
        return scaled * np.sign(scaled.mean())  # the response times the offer's average, which may be below 0

    return live(start, contact_likely(first.constant, score))


def _live_loop(loop: Loop, start: World, books: Archive, folder: Path, progress: Progress) -> tuple[World, list[_Made]]:
    """The loop's rounds: check, train, decide, let the world answer, log, read out."""
    world, made, lesson = start.fork(), [], None
    rounds, reading = len(world.sent), loop.reading(level=LEVEL)
    while world.today < world.starts[-1]:
        this = world.round
        books.write(folder)
        progress.stage(TASK, f"{world.date:%Y-%m}: check and train")
        lesson = loop.learn(world, folder, standing=lesson)
        decided = loop.decide(world, folder, lesson)
        given = np.flatnonzero(decided.offer >= 0)
        worth = true_worth(world, horizon_days=OUTCOME_DAYS)
        record = log_of(world, decided, key=f"R{this + 1:02d}")
        world.answer(decided.offer)
        books.close(world)
        log_round(books, world, decided, this=this)
        made.append(
            _Made(
                decided=decided,
                true_promise=float(worth[given, decided.offer[given]].sum()),
                rest_days=loop.rest_of(lesson),
                readout=read_round(record, world, decided, reading, this=this, worth=worth),
            )
        )
        progress.advance(TASK, this + 1, rounds, f"{world.date:%Y-%m}: {len(given):,} contacted in the month before")
    return world, made


def _report(
    request: DemoRequest, compared: WorldComparison, loop: Loop, made: list[_Made], *, constant: str
) -> DemoReport:
    start = compared.start
    shop = Shop(
        preset=request.preset, customers=request.customers, seed=request.seed, start=request.start,
        rounds=request.rounds, epsilon=loop.epsilon, rest_days=request.rest_days,
        holdout=loop.holdout_share, likely_share=LIKELY_SHARE,
        constant=constant, currency=compared.currency, level=compared.level,
    )  # fmt: skip
    measured, true_measured = measure_by_holdout(compared, loop.held_out, slice(None))
    return DemoReport(
        shop=shop,
        start=describe(compared, start, expected_margin(start)),
        worlds=Table(name="worlds", rows=tuple(compare_worlds(compared))),
        months=Table(name="months", rows=tuple(compare_months(compared))),
        segments=Table(name="segments", rows=tuple(compare_segments(compared))),
        rounds=Table(name="rounds", rows=tuple(_round(compared, loop, k, one) for k, one in enumerate(made))),
        measured=measured,
        true_measured=true_measured,
        added=made[-1].decided.lesson.ruling.added,
        last_gate=made[-1].decided.lesson.ruling.said,
    )


def _round(compared: WorldComparison, loop: Loop, this: int, made: _Made) -> RoundRow:
    decided = made.decided
    measured, truth = measure_by_holdout(compared, loop.held_out, slice(this, this + 1))
    draw, readout = decided.decided.draw, made.readout
    return RoundRow(
        month=compared.start.first_day + timedelta(days=compared.start.starts[this]),
        rows=decided.lesson.rows,
        gate=decided.lesson.ruling.verdict,
        rest_days=made.rest_days,
        contacted=int((decided.offer >= 0).sum()),
        explored=int((draw.explored & (draw.option >= 0)).sum()),
        promised=decided.promised,
        true_promise=made.true_promise,
        sound=readout.sound if readout else None,
        replayed=readout.policy if readout else None,
        true_replayed=readout.true_policy if readout else None,
        measured=measured,
        true_measured=truth,
    )


__all__ = ["DemoRequest", "live", "live_year"]
