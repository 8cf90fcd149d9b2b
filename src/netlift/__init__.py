"""Customer value management measured in money.

A notebook reaches what the verbs do by these names, and everything else by its module. A result shows itself; its
fields are the numbers, and tables have `to_frame()`. Time, seed and settings are always passed in:

    import netlift
    from datetime import UTC, date, datetime
    from pathlib import Path
    shop, quiet, now = netlift.load(Path("configs/demo.yaml")), netlift.Silent(), datetime.now(tz=UTC)

On plain frames (pandas, polars, Arrow) and arrays, with scikit-learn's conventions and without a config; `UpliftModel`,
`Experiment`, `LtvModel` and `ChurnModel` show their use:

    y, treatment, effect = [0.0, 1.0, 3.0, 2.0], ["control", "mail"] * 2, [0.1, 0.2, 0.3, 0.4]
    netlift.qini(y, treatment, effect, propensity=0.5)
    netlift.policy_value(y, treatment, "mail", propensity=0.5, against="control")
    netlift.allocate([[3.0, 5.0], [2.0, 4.5]], [0.1, 2.0], budget=3.0).choices
    receipts = {"customer_id": ["a"], "occurred_at": ["2026-05-01"], "margin": [10.0]}
    netlift.rfm(receipts, as_of=date(2026, 10, 1))

Data and what is known of customers:

    netlift.simulate(shop, customers=20_000, seed=7, end=date(2026, 10, 1), progress=quiet)
    netlift.check(shop).findings.to_frame()
    with netlift.open_tables(shop) as tables:
        tables["customers"].count().to_pyarrow()
    from netlift.features.queries import queries_at
    from netlift.features.vocabulary import Vocabulary
    words = Vocabulary(attributes={}, sources=())
    [feature.name for feature in netlift.build_catalogue(words)]
    asked = queries_at(["0000000001"], [datetime(2026, 9, 1)])
    netlift.build_features(tables, asked, words, observation_days=365).to_frame()

Models, scores and decisions:

    netlift.train(shop, tasks=["uplift"], progress=quiet, now=now, lock_timeout=0)
    netlift.promote(
        shop, task="uplift", version=1, expect_current=2, reason="as before the sale", now=now, lock_timeout=30
    )
    netlift.score(shop, as_of=date(2026, 10, 1), run_key="", progress=quiet, now=now, lock_timeout=0)
    from netlift.decisions.run.decide import DecideRequest
    request = DecideRequest(as_of=date(2026, 10, 1), language="en")
    netlift.decide(shop, request, progress=quiet, now=now, lock_timeout=0).summary
    netlift.doctor(shop, fix=False, now=now)

Customers as a whole:

    from netlift.pipelines.segments import SegmentRequest
    days = SegmentRequest(as_of=date(2026, 10, 1), previous=date(2026, 9, 1), language="en")
    netlift.segment(shop, days, progress=quiet, now=now, lock_timeout=0)
    from netlift.pipelines.scorecard import Request
    months = Request(months=12, until=None, language="en")
    netlift.scorecard(shop, months, readouts=(), progress=quiet, now=now, lock_timeout=0)

Experiments:

    from netlift.abtest.design.request import DesignRequest
    request = DesignRequest(
        campaign_id="C20", hypothesis="A bonus brings sleepers back", offers=("sms_bonus_300",),
        start=datetime(2026, 10, 5), outcome_days=28, expected=60, chance=0.8,
    )
    plans = Path("experiments")
    netlift.design(shop, request, experiments=plans, progress=quiet, now=now, lock_timeout=0)
    netlift.assign(shop, plans / "2026-10-c20", progress=quiet, now=now, lock_timeout=0)
    from netlift.pipelines.readout import ReadoutOrder
    netlift.readout(shop, ReadoutOrder(target="C08", language="en"), progress=quiet, now=now, lock_timeout=0)
    from netlift.pipelines.portfolio import PortfolioRequest
    netlift.portfolio(
        shop, PortfolioRequest(language="en"), plans=sorted(plans.glob("*/plan.yaml")), progress=quiet, now=now,
        lock_timeout=0,
    )

What results are made of: `BusinessSettings`, `Tables`, `Table`, and a number that a person sees:

    netlift.Estimate(point=1.84, ci_lower=0.61, ci_upper=3.07, level=0.95, unit="EUR/customer", method="DR")

Examples:
    >>> import netlift
    >>> sorted(netlift.__all__)[:3]
    ['BusinessSettings', 'ChurnModel', 'Estimate']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from netlift.config.business import BusinessSettings, load
    from netlift.data.read import Tables, open_tables
    from netlift.features.build import build_features
    from netlift.features.catalogue import build_catalogue
    from netlift.frames.allocation import allocate
    from netlift.frames.experiment import Experiment
    from netlift.frames.judging import policy_value, qini
    from netlift.frames.receipts import rfm
    from netlift.frames.uplift import UpliftModel
    from netlift.frames.value import ChurnModel, LtvModel
    from netlift.pipelines.assign import assign_campaign as assign
    from netlift.pipelines.check import check_business as check
    from netlift.pipelines.decide import decide_business as decide
    from netlift.pipelines.design import design_campaign as design
    from netlift.pipelines.doctor import examine_business as doctor
    from netlift.pipelines.portfolio import make_portfolio as portfolio
    from netlift.pipelines.promote import promote_version as promote
    from netlift.pipelines.readout import make_readout as readout
    from netlift.pipelines.score import score_business as score
    from netlift.pipelines.scorecard import make_scorecard as scorecard
    from netlift.pipelines.segments import segment_business as segment
    from netlift.pipelines.simulate import simulate_business as simulate
    from netlift.pipelines.train import train_business as train
    from netlift.progress import Silent
    from netlift.results import Estimate, Table

_PLACES = {
    "BusinessSettings": ("netlift.config.business", "BusinessSettings"),
    "load": ("netlift.config.business", "load"),
    "Tables": ("netlift.data.read", "Tables"),
    "open_tables": ("netlift.data.read", "open_tables"),
    "build_features": ("netlift.features.build", "build_features"),
    "build_catalogue": ("netlift.features.catalogue", "build_catalogue"),
    "ChurnModel": ("netlift.frames.value", "ChurnModel"),
    "Experiment": ("netlift.frames.experiment", "Experiment"),
    "LtvModel": ("netlift.frames.value", "LtvModel"),
    "UpliftModel": ("netlift.frames.uplift", "UpliftModel"),
    "allocate": ("netlift.frames.allocation", "allocate"),
    "policy_value": ("netlift.frames.judging", "policy_value"),
    "qini": ("netlift.frames.judging", "qini"),
    "rfm": ("netlift.frames.receipts", "rfm"),
    "assign": ("netlift.pipelines.assign", "assign_campaign"),
    "check": ("netlift.pipelines.check", "check_business"),
    "decide": ("netlift.pipelines.decide", "decide_business"),
    "design": ("netlift.pipelines.design", "design_campaign"),
    "doctor": ("netlift.pipelines.doctor", "examine_business"),
    "portfolio": ("netlift.pipelines.portfolio", "make_portfolio"),
    "Silent": ("netlift.progress", "Silent"),
    "promote": ("netlift.pipelines.promote", "promote_version"),
    "readout": ("netlift.pipelines.readout", "make_readout"),
    "score": ("netlift.pipelines.score", "score_business"),
    "scorecard": ("netlift.pipelines.scorecard", "make_scorecard"),
    "segment": ("netlift.pipelines.segments", "segment_business"),
    "simulate": ("netlift.pipelines.simulate", "simulate_business"),
    "train": ("netlift.pipelines.train", "train_business"),
    "Estimate": ("netlift.results", "Estimate"),
    "Table": ("netlift.results", "Table"),
}

__all__ = [
    "BusinessSettings",
    "ChurnModel",
    "Estimate",
    "Experiment",
    "LtvModel",
    "Silent",
    "Table",
    "Tables",
    "UpliftModel",
    "allocate",
    "assign",
    "build_catalogue",
    "build_features",
    "check",
    "decide",
    "design",
    "doctor",
    "load",
    "open_tables",
    "policy_value",
    "portfolio",
    "promote",
    "qini",
    "readout",
    "rfm",
    "score",
    "scorecard",
    "segment",
    "simulate",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for, so that `import netlift` costs nothing."""
    if name == "__version__":
        from importlib.metadata import version

        return version("netlift")
    if name not in _PLACES:
        raise AttributeError(f"netlift has no {name!r}; it has {', '.join(__all__)}")
    module, attribute = _PLACES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    """What there is, imported or not."""
    return [*__all__, "__version__"]
