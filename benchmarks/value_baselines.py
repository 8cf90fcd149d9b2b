"""Churn and LTV of real receipts against every baseline: the champion is to be the best of them, or tied, everywhere.

Each case trains as `netlift train` does, on the receipts up to a day, and holds the champion against each candidate on
the same customers. Settings of the code were chosen on Complete Journey, its departments and CDNOW; nothing was chosen
on Online Retail, whose cases say what to expect of receipts that are not here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from value_cases import (
    ROOT,
    SEED,
    THREADS,
    Value,
    definition_of,
    opened,
    rows_at,
    settings_of,
    train_definition,
    words_before,
)
from value_findings import Finding, Section, Target, against_baselines, best_or_tied
from value_market import draw_market, market_definition

from netlift.data.history import History, read_history
from netlift.data.read import Tables
from netlift.data.write import write_bytes
from netlift.estimators.boosting.lightgbm import BINARY, Machine, boosting_rows
from netlift.estimators.boosting.tuning import tune
from netlift.estimators.cross_fit import LEARN_ONLY, assign_folds, predict_out_of_fold, rows_learnt_from
from netlift.estimators.rows import LabelledRows
from netlift.estimators.value.boosted import Part, value_parts
from netlift.evaluation.churn.metrics import log_loss
from netlift.training import calendar as calendars
from netlift.training.calendar import plan_calendar
from netlift.training.task import TrainedModel

COMPLETE, RETAIL, CDNOW = "complete_journey", "online_retail", "cdnow"
DEPARTMENTS = ("COSMETICS", "PASTRY")
SHOP = {"observation_days": 140, "cutoff_every_days": 14, "gap_days": 0, "cutoffs": 6}
LOSSES = ("log_loss", "total_bias", "calibration_error")
FLOORS = (1, 100, 200)
MOST_ROWS = 16_000
PROCESSES = 2


@dataclass(frozen=True, kw_only=True)
class Cutoff:
    """A training to be judged.

    Attributes:
        config: Name of the config.
        task: churn or ltv.
        windows: What differs from the definition's windows.
        active_days: What the population's limit is; None for the definition's.
        earlier_days: How many of the newest days are taken away.
        department: Of the grocer, whose receipts alone are the shop; empty for all.
    """

    config: str
    task: str
    windows: dict[str, Any] = field(default_factory=dict)
    active_days: int | None = None
    earlier_days: int = 0
    department: str = ""

    @property
    def held_out(self) -> bool:
        """Whether nothing was chosen on it."""
        return self.config == RETAIL

    def define(self, definition: Value) -> Value:
        """The definition with what differs."""
        windows = definition.windows.model_copy(update=self.windows)
        people = definition.population
        if self.active_days is not None:
            people = people.model_copy(update={"active_within_days": self.active_days})
        people = people.model_copy(update={"max_rows": MOST_ROWS})
        return definition.model_copy(update={"windows": windows, "population": people})


def cutoffs(*, quick: bool) -> list[Cutoff]:
    """The cases: as configured, two departments as shops, and the data set held out once more, at another end."""
    found = []
    for task, horizon in (("churn", 56), ("ltv", 63)):
        found += [Cutoff(config=config, task=task) for config in (COMPLETE, RETAIL, CDNOW)]
        found += [
            Cutoff(
                config=COMPLETE,
                task=task,
                department=name,
                active_days=2 * horizon,
                windows=SHOP | {"horizon_days": horizon},
            )
            for name in DEPARTMENTS[: 1 if quick else None]
        ]
        if not quick:
            short = {"horizon_days": 42, "cutoff_every_days": 14}
            found.append(Cutoff(config=RETAIL, task=task, windows=short, earlier_days=63))
    return found


def run(data: Path, *, quick: bool) -> Finding:
    """Every case, then what trees and seasons show.

    Args:
        data: Folder of the public files.
        quick: The configured cutoffs and one department alone.
    """
    jobs: list[Callable[[], Judged | Section]] = [partial(_judge, case, data) for case in cutoffs(quick=quick)]
    if not quick:
        jobs += [partial(_trees, data), _season]
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        answers = [future.result() for future in [pool.submit(job) for job in jobs]]
    judged = [answer for answer in answers if isinstance(answer, Judged)]
    head = "The champion's ROC-AUC (churn) or normalized Gini (LTV) less that of each baseline, on the same customers."
    sections = [
        Section(title="Champions against baselines", predicted=head, rows=[one.summary for one in judged]),
        *(one.section for one in judged),
        *(answer for answer in answers if isinstance(answer, Section)),
    ]
    return Finding(slug="baselines", sections=sections, targets=[one.target for one in judged])


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a case showed: its table, its line in the summary, and whether the champion is best or tied."""

    section: Section
    summary: dict[str, Any]
    target: Target


def _judge(case: Cutoff, data: Path) -> Judged:
    name, predicted, trained = _train(case, data)
    print(f"baselines: {name}: {trained.candidate.name}", file=sys.stderr, flush=True)
    return Judged(
        section=Section(title=name, predicted=predicted, rows=_table(trained), notes=_found(trained)),
        summary=_sum_up(name, case, trained),
        target=best_or_tied(name, trained),
    )


def _train(case: Cutoff, data: Path) -> tuple[str, str, TrainedModel]:
    folder = _department(data, case.department) if case.department else data
    settings = settings_of(case.config, folder)
    definition = case.define(definition_of(settings, case.task))
    with opened(settings) as tables:
        history = _until(tables, case)
        trained = train_definition(settings, tables, definition, history)
    test, windows = plan_calendar(history, definition.windows).test, definition.windows
    name = f"{case.task}, {case.department.lower() or case.config}, {test}, {windows.horizon_days} days"
    predicted = (
        f"{definition.task} of {trained.row_counts['test']:,} customers, {windows.horizon_days} days from {test} on, "
        f"after a gap of {windows.gap_days}; learnt from {trained.row_counts['training']:,} rows, of at most "
        f"{MOST_ROWS:,}. "
        + ("Held out: nothing was chosen on this data set." if case.held_out else "Choices looked at this data set.")
    )
    return name, predicted, trained


def _until(tables: Tables, case: Cutoff) -> History:
    history = read_history(tables)
    return replace(history, end=history.end - timedelta(days=case.earlier_days))


def _department(data: Path, department: str) -> Path:
    """The grocer's files with the receipts of one department."""
    folder = ROOT / "var" / "bench" / f"complete-journey-{department.lower().replace(' ', '-')}"
    folder.mkdir(parents=True, exist_ok=True)
    for file in data.glob("completejourney_*.parquet"):
        if not (folder / file.name).exists() and "transactions" not in file.name:
            (folder / file.name).symlink_to(file.absolute())
    target = folder / "completejourney_transactions.parquet"
    if not target.exists():
        products = pd.read_parquet(data / "completejourney_products.parquet", columns=["product_id", "department"])
        receipts = pd.read_parquet(data / target.name)
        sold = receipts[receipts.product_id.isin(products.product_id[products.department == department])]
        write_bytes(target, sold.to_parquet())
    return folder


def _table(trained: TrainedModel) -> list[dict[str, Any]]:
    paired = {row.against: row.difference for row in trained.tables["paired"].rows}
    before = {row.candidate: row.loss for row in getattr(trained.tables.get("before_the_test"), "rows", ())}
    rows = []
    for row in trained.leaderboard.rows:
        figures = vars(row)
        first = next(name for name in figures if name in ("roc_auc", "normalized_gini"))
        shown = {"candidate": row.candidate + (" (champion)" if row.candidate == trained.candidate.name else "")}
        shown |= {first: figures[first]} | {name: figures[name] for name in LOSSES if name in figures}
        rows.append(
            shown | {"loss before the test": before.get(row.candidate), "champion less it": paired.get(row.candidate)}
        )
    return rows


def _found(trained: TrainedModel) -> list[str]:
    trees = {name: value for name, value in trained.candidate.params.items() if name.endswith(("rounds", "rate"))}
    return [f"{trained.candidate.name}: {trees}"] if trees else []


def _sum_up(name: str, case: Cutoff, trained: TrainedModel) -> dict[str, Any]:
    paired = against_baselines(trained)
    nearest = min(paired, key=lambda against: paired[against].point)
    row = {"case": name, "held out": "yes" if case.held_out else "", "champion": trained.candidate.name}
    row |= {f"less {against}": paired.get(against) for against in ("default_lightgbm", "best_column")}
    row |= {"best other baseline": nearest, "less it": paired[nearest]}
    return row


def _trees(data: Path) -> Section:
    """Held-out loss of fits whose search ended early, by the least number of trees."""
    space = definition_of(settings_of("demo"), "churn").search
    machine, rows = Machine(seed=SEED, threads=THREADS), []
    for case in (case for case in cutoffs(quick=False) if case.department or case.config == CDNOW):
        name, known, before = _rows(case, data)
        for part, past in zip(_parts(case, known), _parts(case, before), strict=True):
            boosting = boosting_rows(before, machine)
            found = tune(boosting, past.y, past.learn, before.customer, past.objective, space, progress=lambda *_: None)
            fold = np.where(assign_folds(known.customer, folds=3, seed=SEED) == 0, 0, LEARN_ONLY)
            row = {"case": name, "part": part.name, "trees of early stopping": found.rounds}
            for least in FLOORS:
                params, rounds = found.growth_for(rows_learnt_from(part.learn, fold), least=least)
                p = predict_out_of_fold(
                    boosting_rows(known, machine), part.y, part.learn, fold, part.objective, params, rounds=rounds
                )
                use = (fold == 0) & part.learn
                row[f"at least {least}"] = _loss(part, part.y[use], p[use])
            rows.append(row)
    predicted = (
        "Held-out loss (log loss of a chance, gamma deviance of an amount) of a third of the customers, by a fit "
        "on the others; settings searched in the ranges of models/churn.yaml on earlier cutoffs, the learning rate "
        "falling as the least number of trees rises."
    )
    notes = [
        f"with {least} trees lower than without a floor in "
        f"{sum(row[f'at least {least}'] < row['at least 1'] for row in rows)} of {len(rows)}"
        for least in FLOORS[1:]
    ]
    return Section(title="The least number of trees", predicted=predicted, rows=rows, notes=notes)


def _rows(case: Cutoff, data: Path) -> tuple[str, LabelledRows, LabelledRows]:
    """A case's name, its rows before the test, and those of them that settings may be searched on."""
    folder = _department(data, case.department) if case.department else data
    settings = settings_of(case.config, folder)
    definition = case.define(definition_of(settings, case.task))
    with opened(settings) as tables:
        plan = plan_calendar(read_history(tables), definition.windows)
        known = rows_at(tables, definition, plan.refit, words_before(tables, plan.test))
    before = known.take(np.isin(known.cutoff, np.array(plan.fit or plan.refit, dtype="datetime64[us]")))
    return f"{case.task}, {case.department.lower() or case.config}", known, before


def _parts(case: Cutoff, rows: LabelledRows) -> Sequence[Part]:
    if case.task == "ltv":
        return value_parts("two_part", np.maximum(rows.y, 0.0))
    return [Part(name="lost", objective=BINARY, y=rows.y, learn=np.ones(len(rows), dtype=bool))]


def _loss(part: Part, y: np.ndarray, expected: np.ndarray) -> float:
    return log_loss(y, expected) if part.objective is BINARY else float(np.mean(y / expected + np.log(expected)))


def _season() -> Section:
    """Level where the newest cutoffs leave the season of the test unseen: with and without those of a year before."""
    rows = []
    for seed in (7,):
        market = draw_market(5_000, seed=seed)
        settings, definition = settings_of("demo"), market_definition(horizon_days=70, cutoff_every_days=14, cutoffs=8)
        with market.opened() as tables:
            for earlier in (182,):
                history = read_history(tables)
                history = replace(history, end=history.end - timedelta(days=earlier))
                row: dict[str, Any] = {"seed": seed, "test": str(plan_calendar(history, definition.windows).test)}
                for who, year in (("the newest cutoffs alone", timedelta(0)), ("and a year before", calendars.YEAR)):
                    with mock.patch.object(calendars, "YEAR", year):
                        trained = train_definition(settings, tables, definition, history)
                    row |= {who: trained.candidate.name, f"bias, {who}": trained.metrics["total_bias"]}
                rows.append(row)
    predicted = (
        "Margin of 70 days in the simulated market of value_market.py, whose demand swings by 35 % over the year. "
        "Eight cutoffs 14 days apart span a third of it; `plan_calendar` adds those a year before where the history "
        "has them."
    )
    return Section(title="Season from another year", predicted=predicted, rows=rows)
