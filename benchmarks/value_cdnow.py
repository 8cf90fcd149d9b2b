"""CDNOW, purchases: the published parameters, and 39 weeks held out after 39 weeks seen, by ours and by others."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from value_findings import Finding, Section, Target
from value_peers import PACKAGES, PackageRun, run_package

LAST_SEEN, LAST_HELD = pd.Timestamp("1997-09-30"), pd.Timestamp("1998-06-30")
WEEKS = 39.0
PUBLISHED = {"r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426}
PUBLISHED_LOG_LIKELIHOOD = -9582.4
DEFINITIONS = {
    "weeks merged": "Weeks (Monday to Sunday) with a purchase, of all 23,570 customers of the cohort, in the 39 weeks "
    "after 1997-09-30; purchases of one calendar week count once (lifetimes' freq='W').",
    "customer-days": "Days with a purchase, of all 23,570 customers of the cohort, in the 39 weeks after 1997-09-30; "
    "purchases of one day count once.",
}


def summarise_days(purchases: pd.DataFrame) -> pd.DataFrame:
    """Histories in customer-days: x, t_x, T in weeks, mean spend of a repeat day, and days bought afterwards."""
    days = purchases.groupby(["customer_id", "date"], as_index=False).dollar_value.sum()
    seen, held = days[days.date <= LAST_SEEN], days[days.date > LAST_SEEN]
    first = seen.groupby("customer_id").date.transform("min")
    by = seen.groupby("customer_id").date
    frame = pd.DataFrame({"x": by.size() - 1.0, "t_x": (by.max() - by.min()).dt.days / 7})
    frame["T"] = (LAST_SEEN - by.min()).dt.days / 7
    later = seen[(seen.date > first) & (seen.dollar_value > 0)]
    frame["mean_spend"] = later.groupby("customer_id").dollar_value.mean()
    frame["bought"] = held.groupby("customer_id").size().reindex(frame.index, fill_value=0)
    return frame


def summarise_weeks(purchases: pd.DataFrame) -> pd.DataFrame:
    """The same with the purchases of a calendar week merged."""
    week = purchases.date.dt.to_period("W").astype("int64")
    last = pd.Series([LAST_SEEN]).dt.to_period("W").astype("int64").iloc[0]
    rows = pd.DataFrame({"customer_id": purchases.customer_id, "week": week, "seen": purchases.date <= LAST_SEEN})
    seen = rows[rows.seen].drop_duplicates(["customer_id", "week"])
    held = rows[~rows.seen].drop_duplicates(["customer_id", "week"])
    by = seen.groupby("customer_id").week
    frame = pd.DataFrame({"x": by.size() - 1.0, "t_x": (by.max() - by.min()) * 1.0, "T": (last - by.min()) * 1.0})
    frame["bought"] = held.groupby("customer_id").size().reindex(frame.index, fill_value=0)
    return frame


def run(data: Path, *, quick: bool) -> Finding:
    """Parameters on the sample, and the tables of held-out purchases.

    Args:
        data: Folder of the public files.
        quick: Leave out pymc-marketing, which compiles for minutes.
    """
    packages = ("netlift", *(who for who in PACKAGES if not (quick and who == "pymc-marketing")))
    sample = pd.read_parquet(data / "cdnow_sample.parquet")
    master = pd.read_parquet(data / "cdnow_master.parquet")
    parameters, targets = _published(summarise_days(sample), packages)
    held = [_held_out(summarise_weeks(master), "weeks merged", packages)]
    held.append(_held_out(summarise_days(master), "customer-days", packages))
    return Finding(slug="cdnow-purchases", sections=(parameters, *held), targets=targets)


def _published(histories: pd.DataFrame, packages: tuple[str, ...]) -> tuple[Section, list[Target]]:
    runs = _fit_all(histories, packages)
    published = {"who": "published 2005", **PUBLISHED, "log_likelihood": PUBLISHED_LOG_LIKELIHOOD}
    rows: list[Mapping[str, Any]] = [published, *(_parameters(run) for run in runs)]
    ours = runs[0].parameters
    targets = [
        Target(
            name=f"distance of {name} from the published {value}",
            value=abs(round(ours[name], 3) - value),
            bound=5e-4,
            sense="<=",
        )
        for name, value in PUBLISHED.items()
    ]
    off = abs(ours["log_likelihood"] - PUBLISHED_LOG_LIKELIHOOD)
    targets.append(Target(name="distance of the log-likelihood from -9582.4", value=off, bound=0.05, sense="<="))
    section = Section(
        title="Parameters on the tenth of the cohort",
        predicted="BG/NBD of repeat purchase days and Gamma-Gamma of spend a repeat day: 2,357 customers, "
        "customer-days, 39 weeks to 1997-09-30, times in weeks.",
        rows=rows,
        notes=("pymc-marketing's default priors shift a and b.",) if "pymc-marketing" in packages else (),
    )
    return section, targets


def _held_out(histories: pd.DataFrame, definition: str, packages: tuple[str, ...]) -> Section:
    y = histories.bought.to_numpy(np.float64)
    rows = []
    for found in _fit_all(histories, packages, weeks=WEEKS):
        if found.expected is None:
            rows.append({"who": f"{found.who} BG/NBD", "error": found.error})
        else:
            rows.append(_judge(f"{found.who} BG/NBD", y, found.expected))
    rows.append(_judge("netlift MBG/NBD", y, _mbg(histories)))
    rows.append(_judge("own past rate", y, (histories.x / histories["T"] * WEEKS).to_numpy()))
    rows.append(_judge("all zero", y, np.zeros(len(y))))
    return Section(
        title=f"39 weeks held out, {definition}",
        predicted=f"{DEFINITIONS[definition]} {y.sum():,.0f} of them happened.",
        rows=rows,
        notes=("MAE and RMSE per customer; where six in ten never return, a prediction of zero does well by MAE.",),
    )


def _mbg(histories: pd.DataFrame) -> np.ndarray:
    from netlift.estimators.value.bg_nbd import expected_purchases, fit_purchases
    from netlift.estimators.value.btyd_columns import group_histories

    x, t_x, T = (histories[name].to_numpy(np.float64) for name in ("x", "t_x", "T"))
    return expected_purchases(fit_purchases(group_histories(x, t_x, T), "mbg_nbd"), x, t_x, T, 7 * WEEKS)


def _fit_all(histories: pd.DataFrame, packages: tuple[str, ...], *, weeks: float | None = None) -> list[PackageRun]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "histories.parquet"
        kept = [name for name in ("x", "t_x", "T", "mean_spend") if name in histories]
        histories[kept].reset_index(drop=True).to_parquet(file)
        return [run_package(who, file, weeks=weeks) for who in packages]


def _parameters(found: PackageRun) -> dict[str, Any]:
    if found.error:
        return {"who": found.who, "error": found.error}
    return {"who": found.who} | {name: float(f"{value:.8g}") for name, value in found.parameters.items()}


def _judge(who: str, y: np.ndarray, expected: np.ndarray) -> dict[str, Any]:
    from scipy.stats import spearmanr

    varies = float(np.ptp(expected)) > 0
    return {
        "who": who,
        "mae": float(np.mean(np.abs(y - expected))),
        "rmse": float(np.sqrt(np.mean((y - expected) ** 2))),
        "r": float(np.corrcoef(y, expected)[0, 1]) if varies else None,
        "rho": float(spearmanr(expected, y)[0]) if varies else None,
        "total": float(expected.sum() / y.sum() - 1),
    }
