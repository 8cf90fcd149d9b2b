"""Definitions of models whose windows a history is long enough for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import yaml

from netlift.config.definitions import Windows
from netlift.data.history import History
from netlift.errors import HistoryTooShortError
from netlift.training.calendar import plan_calendar

SHARES = (0.75, 0.5, 0.35, 0.25, 0.15)
"""How much of the shipped windows is tried, the longest first."""
SHORTEST_DAYS = 7
SCALED = ("observation_days", "horizon_days", "cutoff_every_days")


def fit_windows(text: str, history: History) -> str | None:
    """The definition as it is shipped, or with shorter windows that leave cutoffs to fit, to compare and to judge on.

    Args:
        text: The shipped definition, in YAML.
        history: The days that the data cover.

    Returns:
        The text, changed only where the shipped windows are too long; None where no windows fit.
    """
    shipped = yaml.safe_load(text)["windows"]
    if _cutoffs(shipped, history) is not None:
        return text
    for share in SHARES:
        scaled = {name: max(SHORTEST_DAYS, round(shipped[name] * share)) for name in SCALED}
        windows = shipped | scaled | {"gap_days": round(shipped["gap_days"] * share)}
        if _cutoffs(windows, history):
            return _with_windows(text, shipped, windows)
    return None


def _cutoffs(windows: Mapping[str, int], history: History) -> int | None:
    """How many cutoffs candidates can be chosen on before they are judged; None where not even two labels fit."""
    try:
        return len(plan_calendar(history, Windows(**windows)).fit)
    except HistoryTooShortError:
        return None


def _with_windows(text: str, shipped: Mapping[str, int], windows: Mapping[str, int]) -> str:
    for name, days in windows.items():
        text = re.sub(rf"(?m)^  {name}: \d+$", f"  {name}: {days}", text)
    active = windows["observation_days"]
    text = re.sub(r"(?m)^  active_within_days: \d+$", f"  active_within_days: {active}", text)
    usual = f"{shipped['observation_days']} and {shipped['horizon_days']} days"
    text = (
        f"# Windows of {active} and {windows['horizon_days']} days in place of {usual}: the history is short.\n{text}"
    )
    return re.sub(
        r"(?m)^description: .*$",
        lambda found: (
            found[0]
            .replace(f"{shipped['horizon_days']} days", f"{windows['horizon_days']} days")
            .replace("in the last year", f"in the last {active} days")
        ),
        text,
    )


def fit_tasks(
    tasks: Sequence[str], definitions: Mapping[str, str], history: History
) -> tuple[list[str], dict[str, str], list[str]]:
    """The models whose windows a history is long enough for, the definitions that were shortened, and what to know.

    Args:
        tasks: Models of the config.
        definitions: File to text; that of a task is models/<task>.yaml.
        history: The days that the data cover.
    """
    told, changed, left = [f"{history}: {history.days:,} days"], {}, []
    for task in tasks:
        text = definitions[f"models/{task}.yaml"]
        fitted = text if task == "uplift" else fit_windows(text, history)
        if fitted is None or (task == "ltv_year" and fitted != text):
            left.append(task)
        elif fitted != text:
            changed[f"models/{task}.yaml"] = fitted
    if changed:
        told.append(f"shorter windows than usual, for the history is short: {', '.join(changed)}")
    if left:
        told.append(f"the history is too short for {', '.join(left)}: not among the models of the config")
    return [task for task in tasks if task not in left] or [*tasks], changed, told


__all__ = ["fit_tasks", "fit_windows"]
