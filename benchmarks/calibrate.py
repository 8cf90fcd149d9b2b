"""Do readouts hold what they claim? Each tail of their intervals, true effects, and the corrected sum of campaigns.

    python benchmarks/calibrate.py            # minutes; writes experiments/2026-11-readout-calibration/
    python benchmarks/calibrate.py --quick    # seconds; writes nothing

`upper` is how often the interval lies above a true effect of zero (a campaign wrongly made money), `lower` how often
below; each should be 2.5 %. Where the readout warns that the control is too small it does not claim its interval.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from calibrate_worlds import Population, hillstrom_arms, online_retail, populations, simulated_arms

from netlift.abtest import skew
from netlift.abtest.adjustment import adjusted
from netlift.abtest.contrast import Contrast, contrast, money
from netlift.abtest.mixture import shrink
from netlift.abtest.moments import PROFIT, of_rows
from netlift.abtest.roi import roi

ROOT = Path(__file__).parents[1]
SLUG = "2026-11-readout-calibration"
LEVEL, NOMINAL, TOLERATED = 0.95, 0.025, 0.01
WRITTEN: dict[str, Any] = {"level": LEVEL, "currency": "EUR"}
SHARES, SIZES = (0.5, 0.1, 0.05), (2_000, 5_000, 20_000, 60_000)
DRAWS, SLOW_DRAWS, PORTFOLIOS = 6_000, 3_000, 150
FEW = 0.2
"""Share of draws without a warning below which the readout is said to claim no interval."""
CAMPAIGNS = 60


def tails(found: Iterable[Contrast], *, truth: float = 0.0) -> dict[str, Any]:
    """How often intervals of profit lie above or below the truth, per customer, all and those without a warning."""
    above, below, warned, plain = [], [], [], []
    z = skew.critical(LEVEL)
    for each in found:
        estimate = money(each, PROFIT, **WRITTEN)[1]
        above.append(estimate.ci_lower > truth)
        below.append(estimate.ci_upper < truth)
        warned.append(abs(each.gamma) > skew.LARGE)
        plain.append((each.point(PROFIT) - truth) > z * each.se(PROFIT))
    claimed = ~np.array(warned)
    row = {
        "uncorrected upper": np.mean(plain),
        "upper": np.mean(above),
        "lower": np.mean(below),
        "warned": 1 - claimed.mean(),
    }
    if claimed.mean() < FEW:
        return row | {"verdict": "says the control is too small"}
    own = [np.mean(np.array(side)[claimed]) for side in (above, below)]
    holds = all(abs(side - NOMINAL) <= TOLERATED for side in own)
    return row | {"claimed upper": own[0], "claimed lower": own[1], "verdict": "holds" if holds else "MISSED"}


def no_effect(population: Population, rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Re-randomised tests of nothing."""
    for share in SHARES:
        for n in SIZES:
            n_0 = round(share * n)
            cells = (population.deal(rng, (n - n_0, n_0)) for _ in range(draws))
            found = [contrast(*pair) for pair in cells if min(cell.buyers for cell in pair)]
            buyers = len(population.buyers) / population.customers * n_0
            where = {"population": population.name, "customers": n, "control": n_0, "buyers in control": round(buyers)}
            yield where | tails(found) | {"draws": len(found)}


def no_effect_adjusted(data: Path, rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """The same on Online Retail, adjusted for what customers spent before."""
    after, before = online_retail(data)
    names = ("margin", "before", "log_before")
    values = np.column_stack([0.4 * after, before, np.log1p(before.clip(min=0))])
    for share in SHARES:
        for n in (2_000, len(values), 20_000):
            n_0 = round(share * n)
            found, saved = [], []
            for _ in range(draws if n < 20_000 else draws // 2):
                chosen = rng.permutation(len(values))[:n] if n <= len(values) else rng.integers(0, len(values), n)
                cells = [of_rows(values[part], names) for part in (chosen[n_0:], chosen[:n_0])]
                read = adjusted(*cells, outcomes=names[:1], covariates=names[1:])
                found.append(read.contrast)
                saved.append(read.variance_ratio)
            where = {"population": "Online Retail, adjusted", "customers": n, "control": n_0}
            yield where | {"variance left": np.median(saved)} | tails(found) | {"draws": len(found)}


def true_effects(data: Path, rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Coverage of profit and of the ROI set where the effect is known."""
    worlds = {f"simulated, {share:.0%} buy": simulated_arms(3, share=share, spread=1.0) for share in (0.05, 0.2)}
    if (data / "hillstrom.parquet").is_file():
        worlds = {"Hillstrom, men's e-mail": hillstrom_arms(data)} | worlds
    for name, (treated, control) in worlds.items():
        true = treated.mean - control.mean
        for share in SHARES:
            for n in SIZES[1:]:
                n_0 = round(share * n)
                fixed = 0.01 * (n - n_0)
                cost = true[2] + true[3] + fixed / (n - n_0)
                found = [contrast(treated.draw(rng, n - n_0), control.draw(rng, n_0)) for _ in range(draws)]
                sets = [roi(each, **WRITTEN, fixed=fixed) for each in found]
                held = np.array([_holds(each, true[1] / cost - 1) for each in sets])
                claimed = np.array([abs(each.gamma) <= skew.LARGE for each in found])
                row = {"world": name, "customers": n, "control": n_0, "true profit per customer": true[1] - cost}
                row |= tails(found, truth=float(true[1] - true[2] - true[3]))
                row["ROI set holds"] = float(held[claimed].mean()) if claimed.mean() >= FEW else float("nan")
                row["ROI without a number"] = np.mean([each.kind != "interval" for each in sets])
                yield row | {"draws": draws}


def _holds(found: Any, truth: float) -> bool:
    if found.kind == "all":
        return True
    if found.kind == "interval":
        return bool(found.lower <= truth <= found.upper)
    return bool(found.kind == "outside" and not found.lower < truth < found.upper)


def portfolios(rng: np.random.Generator, draws: int) -> Iterator[dict[str, Any]]:
    """Sums of many campaigns, in thousand EUR, with and without luck."""
    worlds = {
        "normal": lambda n: rng.normal(3, 6, n),
        "heavy tails": lambda n: np.where(rng.random(n) < 0.12, rng.normal(0, 25, n), rng.normal(1, 1, n)),
        "four in five do nothing": lambda n: np.where(rng.random(n) < 0.8, 0.0, np.abs(rng.normal(0, 15, n))),
    }
    for name, world in worlds.items():
        for campaigns in (12, CAMPAIGNS):
            rows = [_portfolio(world(campaigns), rng) for _ in range(draws)]
            yield {"true effects": name, "campaigns": campaigns} | {
                key: float(np.mean(np.concatenate([np.atleast_1d(row[key]) for row in rows]))) for key in rows[0]
            }


def _portfolio(truth: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    errors = np.exp(rng.uniform(np.log(4), np.log(25), len(truth)))
    effects = truth + errors * rng.normal(size=len(truth))
    posterior, _ = shrink(effects, errors)
    normal, _ = shrink(effects, errors, kind="normal")
    won = effects > 1.96 * errors
    low, high = posterior.interval(LEVEL)
    held, z = (low <= truth) & (truth <= high), skew.critical(LEVEL)
    mean, sd = posterior.total(np.ones(len(truth)))
    of_winners = posterior.total(won.astype(float))
    return {
        "winners, truth": truth[won].sum(),
        "winners, as seen": effects[won].sum(),
        "winners, mixture": posterior.mean[won].sum(),
        "winners, one normal": normal.mean[won].sum(),
        "winner's interval holds, as seen": (np.abs(effects - truth) <= z * errors)[won],
        "winner's interval holds, mixture": held[won],
        "campaign's interval holds, mixture": held,
        "sum of all holds": float(abs(mean - truth.sum()) <= z * sd),
        "sum of winners holds": float(abs(of_winners[0] - truth[won].sum()) <= z * of_winners[1] + 1e-9),
    }


def study(data: Path, *, draws: int, slow_draws: int, portfolio_draws: int) -> dict[str, list[dict[str, Any]]]:
    """All parts, each drawn from seeds of its own."""
    seeds = np.random.SeedSequence(20261122).spawn(4)
    first, second, third, fourth = (np.random.default_rng(seed) for seed in seeds)
    tables = {"no effect": [row for people in populations(data, seed=2) for row in no_effect(people, first, draws)]}
    if (data / "online_retail.parquet").is_file():
        tables["no effect, adjusted for the time before"] = list(no_effect_adjusted(data, second, slow_draws))
    tables["true effects"] = list(true_effects(data, third, draws // 2))
    tables["sums of campaigns"] = list(portfolios(fourth, portfolio_draws))
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a twentieth of the draws, nothing written")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    asked = parser.parse_args()
    less = 20 if asked.quick else 1
    begun = time.process_time()
    counts = {"draws": DRAWS // less, "slow_draws": SLOW_DRAWS // less, "portfolio_draws": max(PORTFOLIOS // less, 10)}
    tables = study(asked.data, **counts)
    text = to_text(tables)
    print(text)
    print(f"{time.process_time() - begun:.0f} CPU seconds")
    if not asked.quick:
        folder = ROOT / "experiments" / SLUG
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "readout.md").write_text(text, encoding="utf-8")
        document = {"schema_version": 1, "level": LEVEL, "nominal_tail": NOMINAL, **counts, "tables": tables}
        (folder / "readout.json").write_text(json.dumps(_plain(document), indent=1) + "\n", encoding="utf-8")


def to_text(tables: dict[str, list[dict[str, Any]]]) -> str:
    """The study as Markdown."""
    judged = [row for rows in tables.values() for row in rows if "verdict" in row]
    verdicts = {name: sum(row["verdict"].startswith(name) for row in judged) for name in ("holds", "says", "MISSED")}
    parts = [
        "# Readouts, calibrated: what came out",
        "Seen with `make calibrate`. `upper`: share of tests whose interval lies above the truth, so that a campaign "
        "is said to have earned more than it did; `lower`: below. Each claims 2.5 %. `claimed`: of the tests in which "
        f"the readout does not warn that the control is too small (|gamma| above {skew.LARGE:g}). A design holds when "
        "both tails are then within one point of what they claim; `uncorrected` is a plain normal interval. Tests in "
        "which an arm has no buyer at all are left out of the draws.",
        f"Of {len(judged)} designs {verdicts['holds']} hold, in {verdicts['says']} the readout itself says that the "
        f"control is too small, {verdicts['MISSED']} are missed.",
    ]
    for title, rows in tables.items():
        names = list(dict.fromkeys(name for row in rows for name in row))
        lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
        lines += ["| " + " | ".join(_cell(name, row.get(name)) for name in names) + " |" for row in rows]
        parts += [f"## {title[0].upper()}{title[1:]}", "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def _cell(name: str, value: Any) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, str | int):
        return f"{value:,}" if isinstance(value, int) else value
    return (
        f"{value:,.1f}"
        if name.startswith("winners")
        else f"{value:.3g}"
        if "profit" in name
        else f"{100 * value:.2f} %"
    )


def _plain(value: Any) -> Any:
    from netlift.results import to_plain

    return to_plain(value)


if __name__ == "__main__":
    main()
