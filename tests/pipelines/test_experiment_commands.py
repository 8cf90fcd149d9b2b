from __future__ import annotations

import json

import pytest
import typer
from campaign_world import make_world
from typer.testing import CliRunner

from netlift.cli import experiments
from netlift.errors import GateRefusedError, UsageError

pytestmark = pytest.mark.slow

DESIGN = (
    "design --campaign-id C12 --offers sms_bonus --start 2026-10-05 --outcome-days 28 --tolerance 500 --lang en "
    "--hypothesis bonus --expect 9 --reward 2 --config shop.yaml"
).split()


@pytest.fixture
def run(tmp_path, monkeypatch):
    make_world(tmp_path)
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    experiments.register(app)

    def invoke(*arguments):
        answer = CliRunner().invoke(app, list(arguments))
        if answer.exception is not None:
            raise answer.exception
        return answer.stdout

    return invoke


def test_a_newcomer_goes_from_design_to_a_list(run):
    assert "Next: netlift assign experiments/2026-10-c12/plan.yaml" in run(*DESIGN, "--control-share", "0.2")
    drawn = json.loads(run("assign", "experiments/2026-10-c12", "--config", "shop.yaml", "--json"))
    assert drawn["written"] and drawn["drawn"]["campaign_id"] == "C12"
    assert sum(arm["customers"] for arm in drawn["drawn"]["arms"]) == drawn["drawn"]["steps"]["taken"]


def test_json_is_one_document_and_a_refusal_leaves_no_plan(run, tmp_path):
    with pytest.raises(GateRefusedError, match="no plan was written"):
        run(*DESIGN, "--chance", "0.999", "--half-width", "0.1", "--json")
    assert not (tmp_path / "experiments").exists()


@pytest.mark.parametrize(("option", "value"), [("--reward-share", "sms_bonus=many"), ("--reward", "x")])
def test_a_cost_that_is_no_number_is_refused(run, option, value):
    with pytest.raises(UsageError, match="offer=number"):
        run(*DESIGN, "--control-share", "0.2", option, value)


@pytest.mark.parametrize("arguments", [(), ("K1", "--all")])
def test_a_readout_is_of_one_campaign_or_of_all(run, arguments):
    with pytest.raises(UsageError, match="or --all"):
        run("readout", *arguments, "--config", "shop.yaml")
