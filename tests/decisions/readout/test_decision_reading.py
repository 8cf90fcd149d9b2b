"""A run of netlift decide comes back with its contacts and is read by its key."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from decide_world import configure, decide, make_deciders, make_world, read_run, rewrite, table, touch
from segment_world import MARGIN
from typer.testing import CliRunner

from netlift.cli import experiments
from netlift.config.business import load
from netlift.data.read import open_tables
from netlift.decisions.readout import challengers as decision_challengers
from netlift.decisions.readout import find as decision_reading
from netlift.decisions.readout.challengers import find_challengers
from netlift.decisions.readout.record import load_decisions
from netlift.errors import DataError, UsageError
from netlift.estimators.expression import constant, linear
from netlift.pipelines.decision_readout import is_run, make_decision_readout
from netlift.pipelines.readout import ReadoutOrder
from netlift.progress import Silent

pytestmark = pytest.mark.slow

DAY, THEN = date(2026, 7, 1), datetime(2026, 7, 1, 6, 0, tzinfo=UTC)


def much_chance(decision):
    decision["explore"]["epsilon"] = 0.4


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder, customers=300)
    touch(folder, THEN)
    config = configure(folder, much_chance)
    with pytest.MonkeyPatch.context() as patch:
        run = decide(config, patch, as_of=DAY, now=THEN)
    return folder, config, read_run(run)


def read(config, key="2026-07-01", **asked):
    settings = load(config)
    with open_tables(settings) as tables:
        return decision_reading.read_run(settings, tables, key, **asked)


def test_a_run_whose_contacts_did_not_come_back_is_not_read(shop):
    _, config, _ = shop
    with pytest.raises(DataError, match="no row of the campaign 2026-07-01"):
        read(config)
    with pytest.raises(UsageError, match="no log"):
        read(config, key="2026-01-01")


def test_a_run_is_read_by_its_key_from_raw_receipts(shop):
    folder, config, wrote = shop
    for name in ("contacts", "campaigns"):
        rewrite(folder, name, lambda old, name=name: pd.concat([old, wrote[name]], ignore_index=True))
    found = read(config)
    log = wrote["decisions"]
    days = int(wrote["campaigns"]["outcome_days"].iloc[0])
    receipts = table(folder, "transactions")
    at, start = receipts["occurred_at"], pd.Timestamp(DAY)
    inside = receipts[(at >= start) & (at < start + pd.Timedelta(days=days))]
    margin = inside.groupby("customer_id")["margin"].sum().reindex(log["customer_id"]).fillna(0.0).to_numpy()
    cost = wrote["contacts"].set_index("customer_id")["contact_cost"].reindex(log["customer_id"]).fillna(0.0)
    profit = margin - cost.to_numpy()
    out = (log["arm"] == "holdout").to_numpy()
    line = found.groups.rows[0]
    assert line.customers == (~out).sum() and line.others == out.sum() > 0
    assert line.per_customer.point == pytest.approx(profit[~out].mean() - profit[out].mean())
    assert found.customers == len(log) and found.explored == (log["arm"] == "explore").sum()
    assert np.isfinite(found.replay.rows[0].value.point) and found.is_sound


def test_no_date_closes_a_window_that_receipts_do_not_cover(shop):
    """After the test above, whose contacts have come back."""
    _, config, wrote = shop
    settings, days = load(config), int(wrote["campaigns"]["outcome_days"].iloc[0])
    with open_tables(settings) as tables:
        receipts = tables["transactions"]
        cut = datetime(2026, 7, 1) + timedelta(days=days - 2)
        short = tables.replace(transactions=receipts.filter(receipts.occurred_at < cut))
        for until in (None, datetime(2031, 1, 1)):
            with pytest.raises(DataError, match=rf"{days - 2} of the window's {days} days are covered by receipts"):
                decision_reading.read_run(settings, short, "2026-07-01", until=until)


def test_rules_that_have_changed_since_do_not_change_the_reading_of_a_run(shop):
    folder, config, _ = shop
    later = configure(folder, lambda decision: decision["explore"].update(epsilon=0.3), "other")
    assert read(later).groups == read(config).groups


def test_everybody_one_offer_and_the_model_that_leads_now_are_replayed(shop, monkeypatch):
    _, config, wrote = shop
    log = wrote["decisions"]
    found = {row.policy: row for row in read(config).replay}
    offers = [name.removeprefix("p_") for name in log if name.startswith("p_") and name != "p_none"]
    assert {f"everybody {offer}" for offer in offers} <= set(found)
    dearer = {offer: linear(2.0 + j, [0.01], [MARGIN]) for j, offer in enumerate(offers)}
    (leads,) = make_deciders(dearer)[0].values()
    monkeypatch.setattr(decision_challengers, "find_champions", lambda *_: ([replace(leads, version=7)], ()))
    now = {row.policy: row for row in read(config).replay}["now netlift-uplift v7"]
    assert 0 < now.contacted <= 1 and now.ours_above is not None
    monkeypatch.setattr(decision_challengers, "find_champions", lambda *_: ([leads], ()))
    assert not any(row.policy.startswith("now ") for row in read(config).replay), (
        "the model of the run is no challenger"
    )


def test_the_challenger_chooses_at_the_prices_of_the_run_among_what_was_open(shop, monkeypatch):
    _, config, wrote = shop
    log, settings = wrote["decisions"], load(config)
    record = load_decisions(Path(settings.state) / "out" / "decisions" / "2026-07-01" / "decisions.parquet")
    (leads,) = make_deciders({name: constant(50.0) for name in record.offers})[0].values()
    monkeypatch.setattr(decision_challengers, "find_champions", lambda *_: ([replace(leads, version=7)], ()))
    closed = [{"name": f"offer {name}", "side": "most", "price": 1e9} for name in record.offers[:-1]]
    with open_tables(settings) as tables:
        summary = {"versions": {"uplift": 1}, "prices": closed}
        chosen = find_challengers(settings, tables, record, summary).options["now netlift-uplift v7"]
        dear = {"versions": {"uplift": 1}, "prices": [*closed, {"name": "budget", "side": "most", "price": 1e9}]}
        nothing = find_challengers(settings, tables, record, dear).options["now netlift-uplift v7"]
    last = np.nan_to_num(log[f"p_{record.offers[-1]}"].to_numpy()) > 0
    assert (chosen == np.where(last, len(record.offers) - 1, -1)).all() and last.any()
    assert (nothing == -1).all()


def test_a_model_that_leads_now_and_cannot_be_replayed_is_told_with_the_reason(shop, monkeypatch):
    """After the tests above, whose contacts have come back."""
    folder, config, _ = shop
    (leads,) = make_deciders({"call_advice": constant(50.0)})[0].values()
    monkeypatch.setattr(decision_challengers, "find_champions", lambda *_: ([replace(leads, version=7)], ()))
    assert read(config).left_out is None

    def without(decision):
        decision["offers"].pop("email_discount_10")
        decision["triggers"] = []

    fewer = read(configure(folder, without, "fewer")).left_out
    assert (fewer.model, fewer.why, fewer.offers) == ("netlift-uplift v7", "offers", ("email_discount_10",))

    def refuse(*_, **__):
        raise DataError("no past contacts")

    monkeypatch.setattr(decision_challengers, "read_past_costs", refuse)
    found = read(config)
    assert found.left_out.why == "costs" and not any(row.policy.startswith("now ") for row in found.replay)


def test_the_verb_writes_the_readout_of_a_run_once_and_names_it_again(shop):
    """After the test above, whose contacts have come back."""
    _, config, _ = shop
    settings = load(config)
    order = ReadoutOrder(target="2026-07-01", language="en")
    asked = {"progress": Silent(), "now": THEN, "lock_timeout": 0.0}
    assert is_run(settings, "2026-07-01")
    assert not is_run(settings, "K1")
    first = make_decision_readout(settings, order, **asked)
    again = make_decision_readout(settings, order, **asked)
    assert first.written
    assert not again.written
    assert first.text == again.text
    assert first.readout["run_key"] == "2026-07-01"
    folder = Path(first.path)
    names = {path.name for path in folder.iterdir()}
    assert names == {"decisions.json", "decisions.md", "decisions.html", "manifest.json"}


def test_the_command_line_reads_a_run_of_decisions_by_its_key_and_not_as_a_campaign(shop):
    """After the tests above: the run's campaign is in the tables as well."""
    _, config, _ = shop
    app = typer.Typer()
    experiments.register(app)

    def invoke(*more):
        return CliRunner().invoke(app, ["readout", "2026-07-01", "--lang", "en", "--config", str(config), *more])

    told = invoke()
    assert told.exit_code == 0, told.exception
    assert "global control group" in told.stdout and "What another rule would have earned" in told.stdout
    assert "chance of luck" not in told.stdout and "p-value" not in told.stdout
    refused = invoke("--by", "region", "--pdf")
    assert isinstance(refused.exception, UsageError) and "--by, --pdf" in str(refused.exception)
