"""The notebooks run as they stand, their pages are of this code, and what they find is so."""

import os
import runpy
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DATA = ROOT / "../shared/data"
TOOL = runpy.run_path(str(ROOT / "tools/notebooks.py"))


@pytest.fixture
def notebook(request, monkeypatch):
    """The names that a notebook leaves behind, once its page is what stands in docs, but for its output."""
    needs = {"uplift_hillstrom": "hillstrom", "ltv_cdnow": "cdnow_master"}.get(request.param)
    data = Path(os.environ.get("NETLIFT_DATA", DATA))
    if needs and not (data / f"{needs}.parquet").exists():
        pytest.skip(f"{data / needs}.parquet is not there")
    monkeypatch.setenv("NETLIFT_DATA", str(data))
    page, names = TOOL["render"](ROOT / f"notebooks/{request.param}.py")
    stands = (ROOT / f"docs/notebooks/{request.param}.md").read_text()
    assert TOOL["without_output"](page) == TOOL["without_output"](stands), "run `python tools/notebooks.py`"
    return names


@pytest.mark.parametrize("notebook", ["uplift_hillstrom"], indirect=True)
def test_uplift_orders_hillstroms_customers_and_gains_nothing_over_one_email_for_all(notebook):
    d, effect, model = notebook["d"], notebook["effect"], notebook["model"]
    none = d.visit[d.segment == "No E-Mail"].mean()
    for arm in ("Mens E-Mail", "Womens E-Mail"):
        assert effect[arm].mean() == pytest.approx(d.visit[d.segment == arm].mean() - none, abs=0.003)
    assert notebook["judged"].ci_lower > 0 and "apart" in str(model.summary())
    assert notebook["against_best"].ci_lower < 0 < notebook["against_best"].ci_upper
    assert notebook["choice"].spent == pytest.approx(1_000)


@pytest.mark.parametrize("notebook", ["readout"], indirect=True)
def test_the_readout_holds_the_money_that_was_put_in(notebook):
    profits = notebook["lines"].set_index("arm")
    for arm in ("sms", "email"):
        low, high = profits.loc[arm, ["per_customer_ci_lower", "per_customer_ci_upper"]]
        assert low < notebook["truth"][arm] - notebook["price"][arm] < high


@pytest.mark.parametrize("notebook", ["ltv_cdnow"], indirect=True)
def test_predicted_money_names_more_of_what_came_than_past_money_does(notebook):
    raw, predicted = notebook["raw"], notebook["predicted"]
    days = np.asarray(raw.date, dtype="datetime64[D]")
    inside = (days >= np.datetime64("1997-10-01")) & (days < np.datetime64("1997-10-01") + 7 * 39)
    assert notebook["came"].sum() == pytest.approx(raw.dollar_value[inside].sum())
    assert len(predicted) == 23_570 and abs(predicted.sum() / notebook["came"].sum() - 1) < 0.25
    share = notebook["share"]
    assert share["spent so far"] < share["model"] < share["at best"]


@pytest.mark.parametrize("notebook", ["allocation"], indirect=True)
def test_the_allocation_keeps_its_limits_and_earns_more_than_rules_of_thumb(notebook):
    value, found = notebook["value"], notebook["found"]
    choices = found.choices
    given = choices[choices != "none"]
    assert sum(value.at[who, offer] for who, offer in given.items()) == pytest.approx(found.profit)
    assert given.map(notebook["price"]).sum() <= 6_000 and (given == "call").sum() <= 300
    assert max(notebook["rules"].values()) < found.profit and found.gap < 1e-6
