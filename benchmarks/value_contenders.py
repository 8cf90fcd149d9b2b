"""BG/NBD and Gamma-Gamma on the same histories, by netlift and by its peers; one contender is one process.

Every contender reads one Parquet file with a row per customer: `x` (repeat purchases), `t_x` (weeks from the first to
the newest), `T` (weeks from the first to the cutoff) and `mean_spend` (per repeat purchase day, missing without one).
It fits BG/NBD to all customers and Gamma-Gamma to those with a repeat purchase, and writes the expected purchases of
the weeks that are asked for. A last line of JSON has the parameters and the CPU seconds of the fits, without imports.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Fitted = tuple[dict[str, float], Callable[[float], np.ndarray]]


def prepare_netlift(histories: pd.DataFrame) -> Callable[[], Fitted]:
    from netlift.estimators.value.bg_nbd import expected_purchases, fit_purchases
    from netlift.estimators.value.btyd_columns import group_histories
    from netlift.estimators.value.gamma_gamma import fit_spend

    x, t_x, T, repeats = _columns(histories)

    def run() -> Fitted:
        process = fit_purchases(group_histories(x, t_x, T), "bg_nbd")
        parameters = {name: getattr(process, name) for name in ("r", "alpha", "a", "b", "log_likelihood")}
        if len(repeats):
            spend = fit_spend(repeats.mean_spend.to_numpy(), repeats.x.to_numpy(np.float64))
            parameters |= {"p": spend.p, "q": spend.q, "gamma": spend.gamma}
        return parameters, lambda weeks: expected_purchases(process, x, t_x, T, 7.0 * weeks)

    return run


def prepare_lifetimes(histories: pd.DataFrame) -> Callable[[], Fitted]:
    from lifetimes import BetaGeoFitter, GammaGammaFitter

    x, t_x, T, repeats = _columns(histories)

    def run() -> Fitted:
        process = BetaGeoFitter(penalizer_coef=0.0)
        process.fit(x, t_x, T)
        parameters = {name: float(process.params_[name]) for name in ("r", "alpha", "a", "b")}
        if len(repeats):
            spend = GammaGammaFitter(penalizer_coef=0.0)
            spend.fit(repeats.x, repeats.mean_spend)
            parameters |= {
                name: float(spend.params_[theirs]) for name, theirs in (("p", "p"), ("q", "q"), ("gamma", "v"))
            }
        return parameters, lambda weeks: np.asarray(
            process.conditional_expected_number_of_purchases_up_to_time(weeks, x, t_x, T)
        )

    return run


def prepare_pymc_marketing(histories: pd.DataFrame) -> Callable[[], Fitted]:
    from pymc_marketing.clv import BetaGeoModel, GammaGammaModel

    x, t_x, T, repeats = _columns(histories)
    frame = pd.DataFrame({"customer_id": np.arange(len(x)), "frequency": x, "recency": t_x, "T": T})

    def run() -> Fitted:
        process = BetaGeoModel(data=frame)
        process.fit(method="map", progressbar=False)
        parameters = _posterior(process, {name: name for name in ("r", "alpha", "a", "b")})
        if len(repeats):
            columns = {"customer_id": repeats.index, "frequency": repeats.x, "monetary_value": repeats.mean_spend}
            spend = GammaGammaModel(data=pd.DataFrame(columns))
            spend.fit(method="map", progressbar=False)
            parameters |= _posterior(spend, {"p": "p", "q": "q", "gamma": "v"})
        return parameters, lambda weeks: np.asarray(process.expected_purchases(future_t=weeks)).ravel()

    return run


def _posterior(model: Any, names: dict[str, str]) -> dict[str, float]:
    return {ours: float(model.idata.posterior[theirs].to_numpy().ravel()[0]) for ours, theirs in names.items()}


def _columns(histories: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray, pd.DataFrame]:
    """Histories, and those of repeat purchases that cost something, where spend is known."""
    x, t_x, T = (histories[name].to_numpy(np.float64) for name in ("x", "t_x", "T"))
    if "mean_spend" not in histories:
        return x, t_x, T, histories.iloc[:0]
    return x, t_x, T, histories[(histories.x > 0) & (histories.mean_spend > 0)]


PREPARE = {"netlift": prepare_netlift, "lifetimes": prepare_lifetimes, "pymc-marketing": prepare_pymc_marketing}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contender", choices=PREPARE)
    parser.add_argument("histories", type=Path)
    parser.add_argument("--weeks", type=float, help="predict the purchases of so many weeks")
    parser.add_argument("--out", type=Path, help="Parquet file of the predictions")
    asked = parser.parse_args()
    try:
        run = PREPARE[asked.contender](pd.read_parquet(asked.histories))
    except ImportError as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        return
    cpu, wall = time.process_time(), time.perf_counter()
    parameters, predict = run()
    answer = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall, "parameters": parameters}
    if asked.out:
        pd.DataFrame({"expected": predict(asked.weeks)}).to_parquet(asked.out)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
