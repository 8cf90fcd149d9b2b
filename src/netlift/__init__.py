"""Customer value management measured in money.

A notebook reaches what the verbs do by these names; everything else by its module.

Examples:
    >>> import netlift
    >>> sorted(netlift.__all__)[:3]
    ['BusinessSettings', 'Estimate', 'Table']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlift.config.business import BusinessSettings, load
    from netlift.data.read import Tables, open_tables
    from netlift.features.build import build_features
    from netlift.features.catalogue import build_catalogue
    from netlift.pipelines.check import check_business as check
    from netlift.pipelines.score import score_business as score
    from netlift.pipelines.scorecard import make_scorecard as scorecard
    from netlift.pipelines.segments import segment_business as segments
    from netlift.pipelines.simulate import simulate_business as simulate
    from netlift.pipelines.train import train_business as train
    from netlift.results import Estimate, Table

_PLACES = {
    "BusinessSettings": ("netlift.config.business", "BusinessSettings"),
    "load": ("netlift.config.business", "load"),
    "Tables": ("netlift.data.read", "Tables"),
    "open_tables": ("netlift.data.read", "open_tables"),
    "build_features": ("netlift.features.build", "build_features"),
    "build_catalogue": ("netlift.features.catalogue", "build_catalogue"),
    "check": ("netlift.pipelines.check", "check_business"),
    "score": ("netlift.pipelines.score", "score_business"),
    "scorecard": ("netlift.pipelines.scorecard", "make_scorecard"),
    "segments": ("netlift.pipelines.segments", "segment_business"),
    "simulate": ("netlift.pipelines.simulate", "simulate_business"),
    "train": ("netlift.pipelines.train", "train_business"),
    "Estimate": ("netlift.results", "Estimate"),
    "Table": ("netlift.results", "Table"),
}

__all__ = [
    "BusinessSettings",
    "Estimate",
    "Table",
    "Tables",
    "build_catalogue",
    "build_features",
    "check",
    "load",
    "open_tables",
    "score",
    "scorecard",
    "segments",
    "simulate",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for, so that `import netlift` costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"netlift has no {name!r}; it has {', '.join(__all__)}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)
