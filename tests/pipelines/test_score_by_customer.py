"""Scores worked out in parts of customers, as a cluster does: the same bytes, counts and refusals as on one machine."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from decide_world import NOW, configure, decide, make_world, read_run
from scoring_world import AS_OF, LocalCluster, at_spark, make_scorers, make_strange

from netlift.config.business import load
from netlift.data import read
from netlift.errors import ConfigError, GateRefusedError, ResourceError, UsageError
from netlift.estimators.expression import column, constant, ratio, write_files
from netlift.estimators.stored import StoredModel
from netlift.features.catalogue import build_catalogue
from netlift.pipelines import score
from netlift.pipelines.score import score_business
from netlift.progress import Silent
from netlift.results import to_plain

pytestmark = pytest.mark.slow
REMOTE = "sc://nowhere:1"
OF_THE_RUN = {"run_key", "path", "seconds", "digests", "written"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    make_world(folder, customers=300)
    make_strange(folder)
    return folder


@pytest.fixture(scope="module")
def scorers(shop):
    return make_scorers(configure(shop))


@pytest.fixture
def run(shop, scorers, monkeypatch):
    """How to score the shop, on this machine or in parts."""
    monkeypatch.setattr(score, "load_champions", lambda _: scorers)
    monkeypatch.setattr(read, "open_spark", lambda _: LocalCluster())

    def with_config(config, key):
        return score_business(load(config), as_of=AS_OF, run_key=key, progress=Silent(), now=NOW, lock_timeout=0)

    return with_config


def rows_of(summary) -> pd.DataFrame:
    return pd.read_parquet(summary.path).sort_values("customer_id", ignore_index=True)


def told(summary):
    return {name: value for name, value in to_plain(summary).items() if name not in OF_THE_RUN}


def test_scores_and_counts_are_those_of_one_machine_however_many_parts(shop, run):
    here = run(configure(shop), "here")
    whole = rows_of(here)
    assert {"p_churn", "ltv_182d", "uplift_call_advice", "money_at_risk"} <= set(whole) and whole.ltv_182d.sum() > 0
    assert 0 < here.outside_population["churn"] < here.rows and here.unseen["uplift"]["region"] > 0
    for parts in (1, 5):
        there = run(at_spark(shop, REMOTE, partitions=parts), f"parts-{parts}")
        pd.testing.assert_frame_equal(rows_of(there), whole, check_exact=True)
        assert told(there) == told(here)
        files = sorted(Path(there.path).glob("part-*.parquet"))
        assert len(files) == parts and pq.read_schema(files[0]).names == list(whole.columns)


def test_rows_held_at_once_change_no_byte(shop, run):
    """1,000 receipts at once are a dozen partitions; a sum in BLAS's order depends on who shares the block."""

    def digest(rows):
        config = configure(shop, more=lambda content: content["engine"].update(rows_per_partition=rows))
        return run(config, f"rows-{rows}").digests["scores"]

    assert len({digest(rows) for rows in (1000, 3000, 4_000_000)}) == 1


def test_the_same_key_is_the_same_folder_and_one_that_was_changed_is_refused(shop, run):
    config = at_spark(shop, REMOTE)
    first = run(config, "again")
    assert not run(config, "again").written
    part = min(Path(first.path).glob("*.parquet"))
    part.chmod(0o600)
    pq.write_table(pq.read_table(part).slice(1), part)
    with pytest.raises(GateRefusedError, match="is not what was written"):
        run(config, "again")


def test_gates_hold_over_all_parts_and_leave_nothing(shop, run, scorers):
    with pytest.raises(GateRefusedError) as here:
        run(configure(shop, more=lambda c: c["score"].update(max_drifted_share=1e-6)), "strict")
    with pytest.raises(GateRefusedError) as there:
        run(at_spark(shop, REMOTE, more=lambda c: c["score"].update(max_drifted_share=1e-6)), "strict")
    assert str(there.value) == str(here.value)
    assert not [*(shop / "var" / "out" / "scores").glob("*strict*")] and not [*(shop / "var").glob("**/.staging-*")]


def test_decisions_of_parts_are_those_of_one_machine(shop, monkeypatch):
    monkeypatch.setattr(read, "open_spark", lambda _: LocalCluster())
    runs = []
    for config in (configure(shop), at_spark(shop, REMOTE, partitions=4)):
        shutil.rmtree(shop / "var" / "out" / "decisions", ignore_errors=True)
        runs.append(read_run(decide(config, monkeypatch, tasks=("uplift", "churn", "ltv"))))
    assert len(runs[0]["lists"]) > 30 and runs[0]["decisions"].churn_version.notna().all()
    for name, whole in runs[0].items():
        pd.testing.assert_frame_equal(runs[1][name], whole, check_exact=True)


def test_parts_that_are_not_to_be_seen_here_are_refused_with_the_setting_that_helps(shop, run, monkeypatch):
    monkeypatch.setattr(LocalCluster, "loses", 1)
    with pytest.raises(ResourceError, match=r"engine\.staging: 2 of 3 parts"):
        run(at_spark(shop, REMOTE), "lost")
    assert not (shop / "var" / "out" / "scores" / "lost").exists()


def test_scores_that_are_not_finite_are_counted_over_all_parts(shop, run, scorers, monkeypatch):
    churn = scorers[0][0]
    files = write_files(
        task="churn",
        features=build_catalogue(churn.contract.vocabulary),
        outputs=[("p_churn", "share", ratio(column("margin_365d"), constant(0.0), fallback=np.inf))],
        boosters={},
    )
    broken = replace(churn, model=StoredModel(files))
    monkeypatch.setattr(score, "load_champions", lambda _: ([broken], ()))
    told = []
    for config in (configure(shop), at_spark(shop, REMOTE)):
        with pytest.raises(GateRefusedError, match=r"p_churn: \d+ of 300 scores are not finite") as refused:
            run(config, "infinite")
        told.append(str(refused.value))
    assert told[0] == told[1]


def test_a_table_is_where_the_engine_reads(shop):
    def alone(content):
        content["data"]["tables"]["customers"] = {"table": "crm.customers"}

    assert load(at_spark(shop, REMOTE, more=alone)).data.tables["customers"].table == "crm.customers"
    with pytest.raises(ConfigError, match=r"customers: table needs path, url_env, or engine\.kind: spark"):
        load(configure(shop, more=alone))
    with pytest.raises(ConfigError, match=r"kind: spark needs remote"):
        load(configure(shop, more=lambda content: content["engine"].update(kind="spark")))
    with pytest.raises(ConfigError, match=r"partitions: is of kind: spark"):
        load(configure(shop, more=lambda content: content["engine"].update(partitions=3)))


def test_a_verb_that_spark_does_not_have_names_those_that_it_has(shop):
    settings = load(at_spark(shop, REMOTE))
    with pytest.raises(UsageError, match=r"netlift train does not run on Spark.*score.*engine\.kind: duckdb"):
        with read.open_tables(settings, verb="train"):
            pass
