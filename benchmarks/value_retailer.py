"""The simulated retailer, seed by seed, and churn on every data set: what `netlift train` would make champion."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from value_cases import ROOT, definition_of, moved, opened, predict, settings_of, train_case
from value_findings import Finding, Section, Target, best_or_tied

from netlift.config.business import BusinessSettings
from netlift.results import Estimate
from netlift.simulation.simulate import SimulationSettings, simulate
from netlift.training.task import TrainedModel

END = date(2026, 10, 1)
BIAS, COVERAGE, TENTHS = 0.03, (0.93, 0.97), 0.06
CALIBRATION = 0.02
PUBLIC = ("cdnow", "complete_journey", "online_retail")


def retailer(seed: int, customers: int) -> BusinessSettings:
    """The demo retailer of a seed, simulated where it is not there yet."""
    folder = ROOT / "var" / "bench" / f"retailer-{customers}-{seed}"
    if not (folder / "simulation.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        simulate(SimulationSettings(customers=customers, seed=seed, end=END), target=folder)
    return moved(settings_of("demo"), folder)


def run_ltv(seeds: Sequence[int], *, customers: int) -> Finding:
    """Margin of 26 weeks on the final cutoff of the demo retailer, one training a seed.

    Args:
        seeds: Of the simulations.
        customers: Of each.
    """
    rows, boards, targets = [], [], []
    for seed in seeds:
        settings = retailer(seed, customers)
        definition = definition_of(settings, "ltv")
        with opened(settings) as tables:
            trained, case = train_case(settings, tables, definition)
        champion = {"who": f"seed {seed}", "champion": trained.candidate.name}
        by_chance = mape_by_chance(case.test.y, predict(trained.candidate.files, case.test))
        rows.append(champion | _value_figures(trained.metrics) | {"tenths_mape by chance": by_chance})
        boards += [{"who": f"seed {seed}: {row['candidate']}"} | row for row in _leaderboard(trained)]
        targets += _value_targets(f"seed {seed}", trained.metrics)
    windows = definition.windows
    predicted = (
        f"Margin in {settings.currency}, returns netted, discounted at {definition.discount_rate_year:.0%} a year, "
        f"over {windows.horizon_days} days after a gap of {windows.gap_days}, of customers with a purchase in the last "
        f"{definition.population.active_within_days} days, on the last cutoff whose label is whole ({len(case.test):,} "
        f"customers at the last seed); models/ltv.yaml, {customers:,} customers a seed."
    )
    note = "tenths_mape by chance: what a prediction with the true mean of every tenth would show, by sampling alone"
    sections = (
        Section(title="Champions", predicted=predicted, rows=rows, notes=(note, *trained.notes)),
        Section(title="Every candidate", predicted=predicted, rows=boards),
    )
    return Finding(slug="retailer", sections=sections, targets=targets)


def run_churn(seeds: Sequence[int], *, customers: int, data: Path) -> Finding:
    """Calibration and ROC-AUC of churn on the final cutoff of every data set.

    Args:
        seeds: Of the simulated retailers.
        customers: Of each.
        data: Folder of the public files.
    """
    cases = {f"retailer, seed {seed}": retailer(seed, customers) for seed in seeds}
    cases |= {name: settings_of(name, data) for name in PUBLIC}
    sections, targets = [], []
    for name, settings in cases.items():
        definition = definition_of(settings, "churn")
        with opened(settings) as tables:
            trained, case = train_case(settings, tables, definition)
        windows, cutoff = definition.windows, case.test.cutoff[0].astype("datetime64[D]")
        predicted = (
            f"No purchase over {windows.horizon_days} days after a gap of {windows.gap_days}, of {len(case.test):,} "
            f"customers with one in the {definition.population.active_within_days} days before {cutoff}."
        )
        sections.append(Section(title=name, predicted=predicted, rows=_leaderboard(trained), notes=trained.notes))
        targets += _churn_targets(name, trained)
    return Finding(slug="churn", sections=sections, targets=targets)


def mape_by_chance(y: np.ndarray, predicted: np.ndarray) -> float:
    """Expected MAPE over tenths of a prediction that has the true mean of each, by normal sampling of the means.

    Args:
        y: Observed money, shape (n,).
        predicted: What tenths are made by, shape (n,).
    """
    tenths = np.array_split(np.argsort(-predicted, kind="stable"), 10)
    errors = [y[rows].std(ddof=1) / np.sqrt(len(rows)) / y[rows].mean() for rows in tenths]
    return float(np.sqrt(2 / np.pi) * np.mean(errors))


def _leaderboard(trained: TrainedModel) -> list[dict[str, Any]]:
    return [vars(row) for row in trained.leaderboard.rows]


def _value_figures(metrics: Mapping[str, Estimate]) -> dict[str, Any]:
    names = {
        "total_bias": "bias",
        "prediction_interval_coverage": "coverage",
        "tenths_mape": "tenths_mape",
        "tenths_off": "tenths_off",
        "normalized_gini": "gini",
        "spearman": "spearman",
        "capture_top_10": "top_10",
    }
    return {short: metrics[name] for name, short in names.items() if name in metrics}


def _value_targets(who: str, metrics: Mapping[str, Estimate]) -> list[Target]:
    covered = metrics["prediction_interval_coverage"].point
    least, most = COVERAGE
    return [
        Target(name=f"|bias|, {who}", value=abs(metrics["total_bias"].point), bound=BIAS, sense="<="),
        Target(name=f"coverage of prediction intervals, {who}", value=covered, bound=least, sense=">="),
        Target(name=f"coverage of prediction intervals, {who}", value=covered, bound=most, sense="<="),
        Target(name=f"tenths MAPE, {who}", value=metrics["tenths_mape"].point, bound=TENTHS, sense="<="),
    ]


def _churn_targets(case: str, trained: TrainedModel) -> list[Target]:
    error = {row.candidate: row.calibration_error.point for row in trained.leaderboard.rows}[trained.candidate.name]
    return [
        Target(name=f"calibration error, {case}", value=error, bound=CALIBRATION, sense="<="),
        best_or_tied(case, trained),
    ]
