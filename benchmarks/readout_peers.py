"""One reading of assigned customers by one contender, in a process of its own: prints CPU seconds and figures as JSON.

python benchmarks/readout_peers.py netlift var/bench/readout-1000000/one.parquet
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from itertools import combinations_with_replacement
from typing import Any

OUTCOMES = ("revenue", "margin", "reward", "contact_cost")
COVARIATES = ("pre_revenue", "pre_margin")
FIGURES = (*OUTCOMES, *COVARIATES)
METRICS = (*OUTCOMES, "profit")
PROFIT = "margin - reward - contact_cost"
ARMS = ("mail", "sms")

Read = Callable[[], dict[str, float]]


def load_ibis() -> None:
    """What Ibis imports with its first answer, which is no part of any."""
    import ibis

    ibis.memtable({"a": [1]}).count().to_pyarrow()


def prepare_netlift(path: str, *, segments: bool) -> Read:
    import ibis

    from netlift.abtest.readout.roi import roi
    from netlift.abtest.stats.adjustment import adjusted
    from netlift.abtest.stats.aggregate import aggregate
    from netlift.abtest.stats.difference import contrast, money
    from netlift.abtest.stats.moments import PROFIT as WEIGHTS

    load_ibis()
    written = {"level": 0.95, "currency": "EUR"}

    def read_one(cells: dict) -> dict[str, float]:
        found = {cell.arm: moments for cell, moments in cells.items()}
        answers = {}
        for arm in ARMS:
            read = adjusted(found[arm], found["control"], outcomes=OUTCOMES, covariates=COVARIATES, arm=arm)
            answers[f"profit_{arm}"] = money(read.contrast, WEIGHTS, **written)[1].point
            answers[f"revenue_{arm}"] = read.raw.point({"revenue": 1.0})
            roi(read.contrast, **written, fixed=0.0)
        return answers

    def read_many(cells: dict) -> dict[str, float]:
        arms = {(c.campaign, c.dimension, c.segment, c.arm): moments for c, moments in cells.items()}
        profits = [
            money(contrast(moments, arms[*key, "control"], arm=arm), WEIGHTS, **written)[0].point
            for (*key, arm), moments in arms.items()
            if arm != "control"
        ]
        return {"cells": float(len(cells)), "effects": float(len(profits))}

    def read() -> dict[str, float]:
        connection = ibis.duckdb.connect(threads=1)
        rows = connection.read_parquet(path)
        cells = aggregate(rows, figures=FIGURES, dimensions=("segment",) if segments else ())
        return read_many(cells) if segments else read_one(cells)

    return read


def prepare_duckdb(path: str, *, segments: bool) -> Read:
    """The same sums, and nothing else."""
    import duckdb

    profit = f"({PROFIT})"
    sums = [f"sum({name})" for name in FIGURES]
    sums += [f"sum({a} * {b})" for a, b in combinations_with_replacement(FIGURES, 2)]
    sums += [f"sum({profit} * {profit} * {profit})", "count(*)", "count_if(bought)"]
    keys = "campaign_id, arm" + (", segment" if segments else "")

    def read() -> dict[str, float]:
        connection = duckdb.connect(config={"threads": 1})
        query = f"select {keys}, {', '.join(sums)} from read_parquet('{path}') group by {keys}"
        found = connection.execute(query).fetchall()
        if segments:
            return {"cells": float(len(found))}
        by_arm = {row[1]: row for row in found}
        n = {arm: row[-2] for arm, row in by_arm.items()}
        means = {arm: row[2] / n[arm] for arm, row in by_arm.items()}
        return {f"revenue_{arm}": means[arm] - means["control"] for arm in ARMS}

    return read


def prepare_tea_tasting(path: str, *, segments: bool) -> Read:
    """Five means with a covariate each, on DuckDB by Ibis; arms one after the other, segments by a loop."""
    import ibis
    import tea_tasting as tt

    load_ibis()
    before = {"revenue": "pre_revenue"}
    experiment = tt.Experiment({name: tt.Mean(name, before.get(name, "pre_margin")) for name in METRICS}, variant="arm")

    def read() -> dict[str, float]:
        connection = ibis.duckdb.connect(threads=1)
        rows = connection.read_parquet(path)
        rows = rows.mutate(profit=rows.margin - rows.reward - rows.contact_cost)
        if segments:
            raise RuntimeError("has no segments: a loop of 2,000 readings")
        found = experiment.analyze(rows, control="control", all_variants=True)
        return {f"profit_{arm}": float(found["control", arm]["profit"].effect_size) for arm in ARMS}

    return read


def prepare_statsmodels(path: str, *, segments: bool) -> Read:
    """Welch intervals of five means, without covariates."""
    import pandas as pd
    from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

    def read() -> dict[str, float]:
        if segments:
            raise RuntimeError("has no segments: a loop of 2,000 readings")
        rows = pd.read_parquet(path, columns=["arm", *OUTCOMES])
        rows["profit"] = rows.margin - rows.reward - rows.contact_cost
        groups = {arm: frame for arm, frame in rows.groupby("arm", observed=True)}
        answers = {}
        for arm in ARMS:
            for name in METRICS:
                sides = [DescrStatsW(groups[each][name].to_numpy()) for each in (arm, "control")]
                CompareMeans(*sides).tconfint_diff(usevar="unequal")
                answers[f"{name}_{arm}"] = float(sides[0].mean - sides[1].mean)
        return {name: value for name, value in answers.items() if name.startswith(("profit", "revenue"))}

    return read


PREPARE = {
    "netlift": prepare_netlift,
    "bare DuckDB": prepare_duckdb,
    "tea-tasting": prepare_tea_tasting,
    "statsmodels": prepare_statsmodels,
}


def main(who: str, path: str, case: str) -> dict[str, Any]:
    try:
        read = PREPARE[who](path, segments=case == "many")
        begun = time.process_time()
        figures = read()
    except Exception as error:  # noqa: BLE001 - a peer that fails is named with its error
        return {"error": f"{type(error).__name__}: {error}"}
    return {"cpu_s": time.process_time() - begun, "figures": figures}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:4])))
