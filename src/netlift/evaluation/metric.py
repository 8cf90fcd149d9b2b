"""One figure of a model on held-out rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from netlift.results import Estimate, Table


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure by name.

    Attributes:
        metric: Its name, such as "roc_auc".
        value: The figure.
    """

    metric: str
    value: Estimate


def tabulate_metrics(name: str, metrics: Mapping[str, Estimate]) -> Table[Metric]:
    """Figures by name as a table, in their order."""
    return Table(name=name, rows=tuple(Metric(metric=metric, value=value) for metric, value in metrics.items()))
