"""Metrics beside the money: figures of each assigned customer in the outcome window, and guardrails made of them.

A metric is compared as profit is: it takes profit's place in the rows, so that assignment, adjustment, weighting by
chance, skewness and the intervals of several arms and looks are those of the headline. A guardrail is a metric with a
bound on its difference from control, per customer:

    passed    the interval keeps within the bound: worse than that is ruled out
    failed    the interval lies beyond the bound: the harm is proven, and takes the verdict
    warned    anything else: the arm is not scaled up yet

To hold several guardrails each must pass by itself, so nothing is taken off their levels for their number.

References:
    Berger (1982), Multiparameter hypothesis testing and acceptance sampling, Technometrics 24(4): all tests at once.
    Schultzberg, Ankargren, Frånberg (2024), Risk-aware product decisions in A/B tests with multiple metrics, sec. 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from netlift.abtest.readout.arms import ArmsRead, Terms
from netlift.abtest.readout.comparison import contrast_arms
from netlift.abtest.readout.result import ALL_ARMS, Check, CheckStatus, MetricReadout, Verdict
from netlift.abtest.stats.adjustment import Adjustment
from netlift.abtest.stats.difference import money
from netlift.abtest.stats.moments import OUTCOMES, PROFIT, SPEND, Moments
from netlift.abtest.stats.simultaneous import critical_value
from netlift.abtest.stats.skew import critical
from netlift.config.own_parts import load_own, own_path
from netlift.config.readout import MetricSettings
from netlift.config.settings import did_you_mean
from netlift.errors import ConfigError
from netlift.features.own_features import aggregate_of, require_customer_rows

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from netlift.data.read import Tables

GUARDRAIL = "guardrail"


@dataclass(frozen=True, kw_only=True)
class OwnMetric:
    """A figure of one customer in his outcome window, from a user's package.

    Attributes:
        table: The table that it is made from: of the contract, or one that the config names under `data.own_tables`.
        unit: What one unit is, such as "visits".
        formula: How it is made, in a line.
        value: An aggregate over the rows that a customer has in his window; they have the columns of the table, and
            `window_start` and `window_end`.
        nothing: The figure of a customer without rows, or without a value of them: whoever was assigned counts.

    Examples:
        >>> visits = OwnMetric(table="events", unit="visits", formula="events of kind 'visit'",
        ...                    value=lambda seen: (seen.kind == "visit").sum())
        >>> visits.nothing
        0.0
    """

    table: str
    unit: str
    formula: str
    value: Callable[[ir.Table], ir.Value]
    nothing: float = 0.0


def read_metrics(
    tables: Tables,
    rows: ir.Table,
    metrics: Mapping[str, MetricSettings],
    read: Callable[[ir.Table, Sequence[str]], Mapping[str, Moments]],
    terms: Terms,
    *,
    until: datetime,
) -> Iterator[MetricReadout]:
    """The metrics of a config, each in a pass of its own over the rows.

    Args:
        tables: The tables of a business.
        rows: One row per assigned customer.
        metrics: What the config names.
        read: Moments of arms, control and its pictures, of such rows and some figures.
        terms: What was decided of the readout.
        until: First moment not seen.
    """
    for name, settings in metrics.items():
        metric = find_metric(tables, name, settings)
        cells = read(with_metric(tables, rows, metric, until=until), (*OUTCOMES, *terms.covariates))
        yield from read_metric(name, settings, metric.unit, cells, terms)


def find_metric(tables: Tables, name: str, settings: MetricSettings) -> OwnMetric:
    """The metric that a config names.

    Raises:
        ConfigError: An own metric that cannot be imported, or is no `OwnMetric`; a kind that no event is of.
    """
    if settings.events is not None:
        kind = settings.events
        _require_kind(tables, name, kind)
        return OwnMetric(
            table="events",
            unit="events",
            formula=f"events of kind {kind!r}",
            value=lambda seen: (seen.kind == kind).sum(),
        )  # fmt: skip
    path = own_path(str(settings.own), "metric") or str(settings.own)
    found = load_own(path, "metric")
    if not isinstance(found, OwnMetric):
        raise ConfigError(f"readout.metrics.{name}: {path} is a {type(found).__name__}; make it an OwnMetric")
    return found


def _require_kind(tables: Tables, name: str, kind: str) -> None:
    """Refuse a kind of which there never was an event: a guardrail by a misspelt one would always be kept."""
    kinds: list[str] = []
    if "events" in tables:
        events = tables["events"]
        kinds = events.filter(events.kind.notnull()).kind.as_table().distinct().to_pyarrow()["kind"].to_pylist()
    if kind not in kinds:
        there = f"there are {', '.join(sorted(kinds)[:20])}" if kinds else "there are no events"
        raise ConfigError(f"readout.metrics.{name}: no event is of kind {kind!r}{did_you_mean(kind, kinds)}; {there}")


def with_metric(tables: Tables, rows: ir.Table, metric: OwnMetric, *, until: datetime) -> ir.Table:
    """The rows of assigned customers with a metric in the place of the money.

    Args:
        tables: The tables of a business.
        rows: One row per assigned customer, as `assigned_outcomes` has them.
        metric: The metric.
        until: First moment not seen.

    Raises:
        ConfigError: A table that nobody names or that has no dated rows of customers, or no aggregate.
    """
    what = f"the metric {metric.formula!r}"
    require_customer_rows(tables, metric.table, what=what)
    if metric.table not in tables:
        raise ConfigError(f"{what} needs the table {metric.table}: name it in the config under data.tables")
    source = tables[metric.table]
    at = source[str(tables.known[metric.table].time)]
    asked = rows.select(campaign_="campaign_id", who_="customer_id", window_start="assigned_at", window_end="ends_at")
    seen = source.inner_join(
        asked, [source.customer_id == asked.who_, at >= asked.window_start, at < asked.window_end, at < until]
    )
    found = seen.group_by("campaign_", "who_").aggregate(metric_=aggregate_of(metric.value, seen, what=what))
    joined = rows.left_join(found, [rows.campaign_id == found.campaign_, rows.customer_id == found.who_])
    value = joined.metric_.coalesce(metric.nothing)
    nothing = value * 0.0
    placed = joined.mutate(
        **{"revenue": value, "margin": value, SPEND: value, "bought": value != 0},
        **dict.fromkeys(("reward", "contact_cost"), nothing),
    )
    return placed.drop("campaign_", "who_", "metric_")


def read_metric(
    name: str, settings: MetricSettings, unit: str, cells: Mapping[str, Moments], terms: Terms
) -> Iterator[MetricReadout]:
    """A metric of each arm against control, then of all arms together where there are several.

    Args:
        name: What the config calls it.
        settings: Its bound.
        unit: What one unit is.
        cells: Moments of arms, control and its pictures, the metric in the place of the money.
        terms: What was decided of the readout.
    """
    found, whole = contrast_arms(cells, covariates=terms.covariates)
    contrasts = [each.contrast for each in found.values()]
    z = terms.bound_of_arm if terms.bound is not None else critical_value(contrasts, level=terms.level)
    alone = terms.bound if terms.bound is not None else critical(terms.level)
    compared = [(arm, each, z) for arm, each in found.items()]
    for arm, each, bound in [*compared, *([(ALL_ARMS, whole, alone)] if len(found) > 1 else [])]:
        yield _read(name, arm, each, settings, terms=replace(terms, currency=unit, bound=bound))


def _read(name: str, arm: str, found: Adjustment, settings: MetricSettings, *, terms: Terms) -> MetricReadout:
    seen, raw = found.contrast, found.raw
    varies = seen.se(PROFIT) > 0
    z = terms.bound if varies else None  # what does not vary has no interval, however early the look
    each = money(seen, PROFIT, level=terms.level, currency=terms.currency, z=z)[1]
    place = raw.names.index("margin")
    status: CheckStatus = "not_checked"  # as where nothing happened to anybody, which rules nothing out
    if varies and settings.at_most is not None:
        status = _held(each.ci_lower - settings.at_most, each.ci_upper - settings.at_most)
    elif varies and settings.at_least is not None:
        status = _held(settings.at_least - each.ci_upper, settings.at_least - each.ci_lower)
    return MetricReadout(
        name=name, arm=arm, difference=each, treated_mean=float(raw.treated_mean[place]),
        control_mean=float(raw.control_mean[place]), at_most=settings.at_most, at_least=settings.at_least,
        status=status,
    )  # fmt: skip


def _held(best: float, worst: float) -> CheckStatus:
    """Whether a bound is kept, by how far beyond it the interval begins and ends; below zero is within."""
    return "passed" if worst <= 0 else "failed" if best > 0 else "warned"


def check_guardrails(metrics: Sequence[MetricReadout]) -> Iterator[Check]:
    """The guardrails among the metrics, an arm and a guardrail each; of all arms together where there are several."""
    for one in metrics:
        if one.is_guardrail:
            bound = one.at_most if one.at_most is not None else one.at_least
            figures = {
                "difference": one.difference.point, "lower": one.difference.ci_lower,
                "upper": one.difference.ci_upper, "bound": float(bound or 0.0),
            }  # fmt: skip
            yield Check(
                name=GUARDRAIL, status=one.status, blocking=True, figures=figures, where=f"{one.arm}: {one.name}",
                reason="" if one.at_most is not None else "least",
            )  # fmt: skip


def worst_guardrail(metrics: Sequence[MetricReadout], arm: str) -> CheckStatus:
    """How the guardrail of an arm ended that ended worst; passed where it has none."""
    order: tuple[CheckStatus, ...] = ("failed", "warned", "passed")
    of_arm = {one.status for one in metrics if one.is_guardrail and one.arm == arm}
    return next((status for status in order if status in of_arm), "passed")


def hold_guardrails(read: ArmsRead, metrics: Sequence[MetricReadout]) -> ArmsRead:
    """The arms, the verdict taken from those whose guardrail failed, and from the campaign where that of all failed."""
    arms = tuple(replace(arm, verdict=_take(arm.verdict, worst_guardrail(metrics, arm.arm))) for arm in read.arms)
    whole = ALL_ARMS if len(arms) > 1 else arms[0].arm
    return replace(
        read, arms=arms, metrics=tuple(metrics), verdict=_take(read.verdict, worst_guardrail(metrics, whole))
    )


def _take(verdict: Verdict, status: CheckStatus) -> Verdict:
    if status != "failed" or verdict.code in ("blocked", "observational"):
        return verdict
    return replace(verdict, code="guardrail", more_customers=None)


__all__ = [
    "OwnMetric", "check_guardrails", "find_metric", "hold_guardrails", "read_metric", "read_metrics", "with_metric",
    "worst_guardrail",
]  # fmt: skip
