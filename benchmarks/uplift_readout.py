"""What the runs of `uplift.py` found: medians and ranges over seeds, targets met or missed, the page that says so."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from uplift_worlds import World

BASELINE = "causalml S"
LEARNER = "netlift paired_effects"  # the one that the definition lists first
LEAST_SHARE_OF_A = {100_000: 67.0, 1_000_000: 81.0}
MOST_CPU_RATIO = {100_000: 0.1, 1_000_000: 0.2}
MEASURES = (
    "share_of_oracle", "best_constant_share", "rank_correlation", "calibration_slope", "promised_share",
    "contacted", "fit_cpu_s", "tuning_cpu_s", "predict_cpu_s",
)  # fmt: skip
Run = Mapping[str, Any]
Result = dict[str, list[dict[str, Any]]]


def summarise(runs: Sequence[Run], *, ours: str) -> Result:
    """One row per world, size and contender, and the targets of the sizes they were set for."""
    rows = [
        _row(world, size, who, [r for r in runs if (r["world"], r["rows"], r["who"]) == (world, size, who)])
        for world, size, who in dict.fromkeys((r["world"], r["rows"], r["who"]) for r in runs)
    ]
    targets: list[dict[str, Any]] = []
    for size in dict.fromkeys(r["rows"] for r in runs):
        if size in MOST_CPU_RATIO:
            targets += _targets([row for row in rows if row["figures"]["rows"] == size], size, ours)
    return {"rows": rows, "targets": targets}


def _row(world: str, size: int, who: str, runs: Sequence[Run]) -> dict[str, Any]:
    good = [run for run in runs if "error" not in run]
    figures: dict[str, Any] = {"world": world, "rows": size, "seeds": len(good)}
    errors = sorted({str(run["error"]) for run in runs if "error" in run})
    if errors:
        figures |= {"failed": len(runs) - len(good), "error": "; ".join(errors)}
    row: dict[str, Any] = {"case": f"world {world}, {size:,} rows", "who": who, "figures": figures}
    if not good:
        return row
    for name in MEASURES:
        values = [float(run[name]) for run in good if run[name] == run[name]]
        if values:
            figures[name] = {"median": statistics.median(values), "range": [min(values), max(values)]}
            figures[name] |= {"of_seeds": values} if name == "share_of_oracle" else {}
    figures["in_process_cpu_s"] = statistics.median(run["fit_cpu_s"] + run["predict_cpu_s"] for run in good)
    untuned = (run["fit_cpu_s"] - run["tuning_cpu_s"] + run["predict_cpu_s"] for run in good)
    figures["in_process_cpu_s_without_tuning"] = statistics.median(untuned)
    figures["chosen"] = [run["chosen"] for run in good]
    medians = {name: statistics.median(run[name] for run in good) for name in ("cpu_s", "wall_s", "peak_mb")}
    return (
        row
        | {"cpu_s": round(medians["cpu_s"], 2), "wall_s": round(medians["wall_s"], 2)}
        | {"peak_mb": round(medians["peak_mb"])}
    )


def _targets(rows: Sequence[Mapping[str, Any]], size: int, ours: str) -> list[dict[str, Any]]:
    found, least = [], []
    for world in dict.fromkeys(row["figures"]["world"] for row in rows):
        here = {row["who"]: row["figures"] for row in rows if row["figures"]["world"] == world}
        case = f"world {world}, {size:,} rows"
        if "share_of_oracle" not in here.get(ours, {}):
            continue
        own = here[ours]["share_of_oracle"]
        least += own["of_seeds"]
        peers = {
            who: figures["share_of_oracle"]["median"]
            for who, figures in here.items()
            if not who.startswith("netlift") and "share_of_oracle" in figures
        }
        if world == "A":
            found.append(target(f"{case}: % of the oracle, {ours}", own["median"], LEAST_SHARE_OF_A[size], ">="))
        if peers:
            best = max(peers, key=lambda who: peers[who])
            name = f"{case}: % of the oracle, {ours}, against the best peer ({best})"
            found.append(target(name, own["median"], peers[best], ">="))
        if "in_process_cpu_s" in here.get(BASELINE, {}):
            found += _cpu_targets(case, here, (LEARNER, ours), MOST_CPU_RATIO[size])
    if least:
        found.append(target(f"{size:,} rows: least % of the oracle of any seed, {ours}", min(least), 0.0, ">="))
    return found


def _cpu_targets(
    case: str, here: Mapping[str, Mapping[str, Any]], whose: Sequence[str], bound: float
) -> list[dict[str, Any]]:
    """One learner against one learner; and what is shipped, all candidates, choice and gate, against one learner."""
    found, theirs = [], here[BASELINE]
    for who in whose:
        if "in_process_cpu_s" in here.get(who, {}):
            cpu, name = here[who]["in_process_cpu_s"], f"{case}: in-process CPU of {who} over that of {BASELINE}"
            found.append(target(name, cpu / theirs["in_process_cpu_s"], bound, "<="))
            bare = cpu / theirs["in_process_cpu_s_without_tuning"]
            found.append(target(f"{name} without its tuning", bare, bound, "<="))
    return found


def target(name: str, value: float, bound: float, sense: str) -> dict[str, Any]:
    """A figure against its bound."""
    met = value >= bound if sense == ">=" else value <= bound
    return {"name": name, "value": round(value, 3), "bound": round(bound, 3), "sense": sense, "met": bool(met)}


def render(result: Result, worlds: Mapping[str, World], *, trials: int) -> str:
    """The page for people, in Markdown."""
    lines = [
        "# Whom does a contact change? netlift and the uplift libraries in worlds with known effects",
        "",
        "Written by `make bench-uplift`. A campaign of two offers and control is drawn in a world where the profit of "
        "every customer under every arm is known; each contender learns from it and chooses for fresh "
        f"customers. One thread; {trials} settings tried by each, Tweedie losses among them. Medians over seeds, "
        "ranges in brackets.",
        "",
        "- **share**: true profit of the policy above contacting nobody, in % of that of who knows the truth.",
        "- **rank**: rank correlation of predicted and true effect, mean over offers.",
        "- **slope**: of the true effect on the predicted, 1 if calibrated; **promised**: the profit that the policy "
        "promises itself, in the same %: calibrated predictions promise what they bring.",
        "- **fit**, **ask**: CPU seconds in process, imports and compilation aside; **tuning** is part of fit. "
        "netlift's learners tune inside their fit. **process**: CPU of the whole process, drawing the world included.",
        "- metalearners 0.13 does not fit beside scikit-learn 1.9; its rows are of the library with a mark of "
        "estimators' kinds put back at run time.",
        "",
        "## Targets",
        "",
        *(_say(found) for found in result["targets"]),
    ]
    for case in dict.fromkeys(row["case"] for row in result["rows"]):
        rows = [row for row in result["rows"] if row["case"] == case]
        if "world" in rows[0]["figures"]:
            lines += ["", f"## {case[0].upper()}{case[1:]}: {worlds[rows[0]['figures']['world']].story}", ""]
            lines += _table(rows)
        else:
            lines += ["", f"## {case[0].upper()}{case[1:]}", "", f"{rows[0]['cpu_s']} s of CPU."]
    return "\n".join(lines) + "\n"


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Contenders by share, those that failed behind."""
    ran = [row for row in rows if "share_of_oracle" in row["figures"]]
    lines = []
    if ran:
        constants = statistics.median(row["figures"]["best_constant_share"]["median"] for row in ran)
        lines += [f"The best constant, known with hindsight, has {constants:.0f} %.", ""]
        lines += ["| who | seeds | share | rank | slope | promised | fit (tuning) | ask | process | peak MB |"]
        lines += ["|---|---|---|---|---|---|---|---|---|---|"]
    for row in sorted(ran, key=lambda row: -row["figures"]["share_of_oracle"]["median"]):
        f = row["figures"]
        cells = [row["who"], str(f["seeds"]), _spread(f, "share_of_oracle", 0), _spread(f, "rank_correlation", 2)]
        cells += [_spread(f, "calibration_slope", 2), _spread(f, "promised_share", 0)]
        tuning = f["tuning_cpu_s"]["median"]
        cells += [f"{f['fit_cpu_s']['median']:.2f}" + (f" ({tuning:.1f})" if tuning else "")]
        cells += [f"{f['predict_cpu_s']['median']:.2f}", f"{row['cpu_s']:.1f}", f"{row['peak_mb']:,}"]
        lines.append("| " + " | ".join(cells) + " |")
    failed = [row for row in rows if "error" in row["figures"]]
    lines += ["", *(f"- {r['who']}: {r['figures']['failed']} failed: {r['figures']['error']}" for r in failed)]
    return lines


def _spread(figures: Mapping[str, Any], name: str, digits: int) -> str:
    if name not in figures:
        return "–"
    low, high = figures[name]["range"]
    return f"{figures[name]['median']:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _say(found: Mapping[str, Any]) -> str:
    verdict = "met" if found["met"] else "**missed**"
    return f"- {verdict}: {found['name']}: {found['value']:g}, {found['sense']} {found['bound']:g} was asked for"
