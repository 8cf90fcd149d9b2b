"""Drivers: planted traits found again, by features alone, and the same numbers where a stored model is served."""

import json
from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pytest
from contact_world import SEARCH
from purchase_world import draw_purchases, draw_spend

from netlift.estimators.rows import ContactRows
from netlift.estimators.stored import StoredModel
from netlift.estimators.uplift.fit import fit_uplift
from netlift.estimators.uplift.pairwise.drivers import learn_drivers, population_share
from netlift.estimators.value.btyd import add_expressions, evaluate_expressions
from netlift.features.matrix import Feature

CUSTOMERS = 6_000
TRUE = {"r": 0.9, "alpha": 8.0, "a": 0.7, "b": 3.0}
NAMES = (
    "purchase_days_all", "purchases_365d", "age_at_last_purchase_days", "days_since_first_purchase",
    "days_since_last_purchase", "margin_all", "promo_share_365d", "contacts_365d", "openings_365d", "tenure_days",
)  # fmt: skip


@pytest.fixture(scope="module")
def planted():
    """Contacts of customers whose rhythm, departure, promo share and openings are known; letters move hunters."""
    seen = draw_purchases(customers=CUSTOMERS, family="mbg_nbd", weeks=52, weeks_after=13, seed=4, **TRUE)
    rng = np.random.default_rng(5)
    days = seen.x + 1
    promo, opens = rng.beta(1.5, 4.5, CUSTOMERS), rng.beta(0.8, 1.2, CUSTOMERS)
    contacts = rng.poisson(3.0, CUSTOMERS)
    margin = draw_spend(count=days, p=6.0, q=4.0, gamma=40.0, seed=6) * days
    bargains = rng.binomial(days.astype(int), promo) / days
    columns = [
        days, days, 7 * seen.t_x, 7 * seen.T, 7 * (seen.T - seen.t_x), margin, bargains, contacts,
        rng.binomial(contacts, opens), 7 * seen.T,
    ]  # fmt: skip
    arm = rng.integers(0, 2, CUSTOMERS)
    buys = rng.random(CUSTOMERS) < np.where(seen.later > 0, 0.5, 0.2) + arm * 0.3 * (promo > 0.3)
    money = np.where(buys, rng.lognormal(3.0, 0.5, CUSTOMERS), 0.0)
    rows = ContactRows(
        X=np.asfortranarray(np.column_stack(columns), dtype=np.float32),
        features=tuple(Feature(name=name, unit="any", source="made up", formula="drawn") for name in NAMES),
        y=money,
        margin=money,
        offers=("letter",),
        arm=arm,
        propensity=np.full(CUSTOMERS, 0.5),
        available=np.ones((CUSTOMERS, 2), dtype=bool),
        customer=np.arange(CUSTOMERS),
        campaign=np.zeros(CUSTOMERS, dtype=np.int64),
    )
    return rows, seen, promo, opens


@pytest.fixture(scope="module")
def found(planted):
    return evaluate_expressions(planted[0], learn_drivers(planted[0]).columns)


def test_who_left_is_told_by_the_posterior(planted, found):
    _, seen, _, _ = planted
    alive = found["posterior_alive"]
    parts = np.digitize(alive, np.quantile(alive, (0.2, 0.4, 0.6, 0.8)))
    for part in range(5):
        assert alive[parts == part].mean() == pytest.approx(seen.alive[parts == part].mean(), abs=0.05)
    assert alive.max() - alive.min() > 0.5


def test_a_year_of_purchases_and_silence_is_told_in_the_own_rhythm(planted, found):
    rows, seen, _, _ = planted
    rate, n, days = found["posterior_purchases_365d"], seen.x + 1, np.minimum(7 * seen.T, 365)
    mean, k = population_share(n, days)
    assert np.allclose(rate, (k * mean + n) / (k + days), rtol=0.02)
    assert np.allclose(found["posterior_late"], rate * rows.column("days_since_last_purchase"))


@pytest.mark.parametrize(("name", "trials", "truth"), [("promo_share_365d", 1, 2), ("openings_365d", 7, 3)])
def test_a_share_is_nearer_the_truth_than_what_was_counted(planted, found, name, trials, truth):
    rows, n = planted[0], planted[0].X[:, trials]
    raw = rows.column(name) / (np.maximum(n, 1) if name == "openings_365d" else 1.0)
    error = [np.mean((share - planted[truth])[n > 0] ** 2) for share in (found[f"posterior_{name}"], raw)]
    assert error[0] < 0.75 * error[1]
    few = (n > 0) & (n <= 2)
    assert found[f"posterior_{name}"][few].mean() == pytest.approx(planted[truth][few].mean(), abs=0.03)


@pytest.mark.parametrize(("a", "b"), [(1.5, 4.5), (4.0, 4.0), (0.3, 0.6)])
def test_the_prior_of_shares_is_recovered(a, b):
    rng = np.random.default_rng(8)
    n = rng.poisson(4.0, 40_000)
    mean, prior = population_share(rng.binomial(n, rng.beta(a, b, len(n))), n)
    assert mean == pytest.approx(a / (a + b), rel=0.03)
    assert prior == pytest.approx(a + b, rel=0.15)


def test_the_prior_of_counts_that_may_outnumber_trials_is_recovered():
    rng = np.random.default_rng(9)
    n = rng.poisson(4.0, 40_000)
    mean, prior = population_share(rng.poisson(n * rng.gamma(2.0, 1.0, len(n))), n)
    assert mean == pytest.approx(2.0, rel=0.03)
    assert prior == pytest.approx(1.0, rel=0.1)


def test_no_outcome_is_looked_at(planted):
    rows, rng = planted[0], np.random.default_rng(1)
    other = replace(rows, y=rng.normal(size=len(rows)), margin=rng.normal(size=len(rows)), arm=1 - rows.arm)
    assert learn_drivers(rows) == learn_drivers(other)


def test_what_features_cannot_tell_is_left_out(planted):
    rows = planted[0]
    alike = rows.X.copy(order="F")
    alike[:, NAMES.index("openings_365d")] = alike[:, NAMES.index("contacts_365d")]
    alike[:, NAMES.index("purchase_days_all")] = 1
    alike[:, NAMES.index("purchases_365d")] = np.minimum(alike[:, NAMES.index("tenure_days")], 365)
    drivers = learn_drivers(replace(rows, X=alike))
    assert list(drivers.columns) == ["posterior_promo_share_365d"]
    assert "bought on a second day" in drivers.notes[0]


def test_a_served_model_computes_the_columns_it_was_taught_and_fits_nothing(planted):
    rows = planted[0]
    learnt, fresh = rows.take(np.arange(CUSTOMERS) % 3 > 0), rows.take(np.arange(CUSTOMERS) % 3 == 0)
    candidate = fit_uplift(
        "paired_effects", learnt, search=SEARCH, folds=3, seed=1, threads=1, progress=lambda share, words: None
    )
    drivers = learn_drivers(learnt)
    spec = json.loads(candidate.files["model.json"])
    assert [feature["name"] for feature in spec["features"]] == list(NAMES)
    boosters = [node for node in _nodes(spec["outputs"]) if node.get("op") == "booster"]
    assert boosters and all(node["extra"] == list(drivers.columns.values()) for node in boosters)
    taught = add_expressions(fresh, drivers.columns)
    links = {"identity": lambda s: s, "exp": np.exp, "sigmoid": lambda s: 1 / (1 + np.exp(-s))}
    for node in boosters:
        alone = json.dumps(spec | {"outputs": [{"name": "trees", "expression": node}]}).encode()
        served = StoredModel(candidate.files | {"model.json": alone}).predict_matrix(fresh.X)["trees"]
        score = lgb.Booster(model_str=candidate.files[node["file"]].decode()).predict(taught.X, raw_score=True)
        assert np.allclose(served, links[node["link"]](score + node["init"]), rtol=1e-12)
    model = StoredModel(candidate.files)
    few, all_of_them = model.predict_matrix(fresh.X[:50]), model.predict_matrix(fresh.X)
    assert np.array_equal(few["uplift_letter"], all_of_them["uplift_letter"][:50])


def _nodes(node):
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _nodes(value)
    elif isinstance(node, list):
        for value in node:
            yield from _nodes(value)
