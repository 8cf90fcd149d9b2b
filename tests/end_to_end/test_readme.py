"""The commands that the README shows do what it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from end_to_end.conftest import Workshop, make_workshop, readme_commands

pytestmark = pytest.mark.slow

Ran = tuple[Workshop, dict[str, subprocess.CompletedProcess[str]]]
PLAIN_MLFLOW = ".venv/bin/python -c"


def test_every_command_of_the_readme_ends_well(trained: Ran) -> None:
    _, ran = trained
    failed = {command: run.stderr[-2000:] for command, run in ran.items() if run.returncode}
    assert failed == {}


def test_make_test_is_a_command_that_runs_the_tests(tmp_path: Path) -> None:
    assert "make test" in readme_commands()
    dry = make_workshop(tmp_path).run("make --dry-run test")
    assert dry.returncode == 0
    assert "pytest" in dry.stdout


def test_training_ends_with_four_champions_and_says_what_they_earn(trained: Ran) -> None:
    _, ran = trained
    told = ran["make train"].stdout
    for task in ("churn", "ltv", "ltv_year", "uplift"):
        assert f"{task}: champion v1" in told
    assert "RUB" in told
    assert "make score AS_OF=2026-10-01" in told


def test_every_customer_is_scored_once(trained: Ran) -> None:
    workshop, _ = trained
    folder = workshop.folder / "var" / "out" / "scores" / "2026-10-01"
    scores = pd.read_parquet(folder / "scores.parquet")
    customers = pd.read_parquet(workshop.folder / "var" / "demo" / "customers.parquet", columns=["customer_id"])
    assert sorted(scores.customer_id) == sorted(customers.customer_id)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["rows"] == manifest["customers"] == len(scores)
    asked = scores.p_churn.notna()
    assert int((~asked).sum()) == manifest["outside_population"]["churn"]
    assert scores.p_churn[asked].between(0, 1).all()
    assert {"ltv_182d", "uplift_push_reminder", "churn_version"} <= set(scores.columns)


def test_scores_know_the_truth_that_training_never_read(trained: Ran) -> None:
    workshop, _ = trained
    scores = pd.read_parquet(workshop.folder / "var/out/scores/2026-10-01/scores.parquet").set_index("customer_id")
    truth = pd.read_parquet(workshop.folder / "var/demo/truth/customers.parquet").set_index("customer_id")
    both = scores.join(truth).dropna(subset=["p_churn"])
    assert both.p_churn.corr(both.p_lost_90d, method="spearman") > 0.8
    assert abs(both.p_churn.mean() - both.p_lost_90d.mean()) < 0.03
    for offer in ("email_discount_10", "call_advice"):
        cost = both[f"reward_cost_{offer}"] + both[f"contact_cost_{offer}"]
        effect = both[f"margin_28d_{offer}"] - both.margin_28d - cost
        assert both[f"uplift_{offer}"].corr(effect, method="spearman") > 0.3


def test_value_and_risk_are_near_the_truth_that_training_never_read(trained: Ran) -> None:
    workshop, _ = trained
    scores = pd.read_parquet(workshop.folder / "var/out/scores/2026-10-01/scores.parquet").set_index("customer_id")
    asked = scores.dropna(subset=["ltv_182d"])
    assert (asked.ltv_182d_lower <= asked.ltv_182d_upper).all()
    assert asked.ltv_182d_sd.gt(0).all()
    assert asked.ltv_1092d_extrapolated.sum() > 2 * asked.ltv_182d.sum()
    both = asked.dropna(subset=["p_churn"])
    assert (both.money_at_risk - both.p_churn * both.ltv_182d.clip(lower=0)).abs().max() < 1e-6
    assert ((both.retention_profit > 0) == (both.p_churn > both.churn_threshold)).mean() > 0.9999


def test_segments_divide_all_customers_and_the_scorecard_is_written_whole(trained: Ran) -> None:
    workshop, ran = trained
    out = workshop.folder / "var" / "out"
    (folder,) = (out / "segments").iterdir()
    customers = pd.read_parquet(folder / "customers.parquet")
    assert customers.customer_id.is_unique and customers.segment.notna().all()
    told = next(run.stdout for command, run in ran.items() if "segments" in command)
    assert "Champions" in told and "RUB" in told
    assert {"segments.json", "segments.md", "segments.html", "segments.xlsx"} <= {
        path.name for path in folder.iterdir()
    }
    (design,) = (out / "designs").iterdir()
    assert "What the test will tell" in (design / "design.html").read_text()
    (card,) = (out / "scorecard").iterdir()
    assert {"scorecard.json", "scorecard.md", "scorecard.html", "scorecard.xlsx"} <= {
        path.name for path in card.iterdir()
    }
    page = (card / "scorecard.html").read_text()
    assert "Где деньги?" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_decisions_reach_nobody_without_consent_and_earn_and_cost_what_they_say(trained: Ran) -> None:
    workshop, ran = trained
    folder = workshop.folder / "var/out/decisions/2026-10-01"
    log = pd.read_parquet(folder / "decisions.parquet").set_index("customer_id")
    people = pd.read_parquet(workshop.folder / "var/demo/customers.parquet").set_index("customer_id")
    assert sorted(log.index) == sorted(people.index)
    for channel in ("email", "sms", "push", "call"):
        listed = pd.read_parquet(folder / f"export_{channel}.parquet").customer_id
        assert len(listed) and people.loc[listed, f"consent_{channel}"].all()
        assert (log.loc[listed, "arm"] != "holdout").all()
    truth = pd.read_parquet(workshop.folder / "var/demo/truth/customers.parquet").set_index("customer_id")
    truth = truth.loc[log.index]
    profit, cost = 0.0, 0.0
    for offer in set(log.offer_id) - {"none"}:
        given = truth[log.offer_id == offer]
        paid = (given[f"reward_cost_{offer}"] + given[f"contact_cost_{offer}"]).sum()
        cost += paid
        profit += (given[f"margin_28d_{offer}"] - given.margin_28d).sum() - paid
    summary = json.loads((folder / "manifest.json").read_text())["summary"]
    forecast = summary["forecast"]["profit"]
    assert forecast["ci_lower"] < profit < forecast["ci_upper"]
    assert 0.7 * cost < summary["spend"] <= summary["budget"]
    told = next(run.stdout for command, run in ran.items() if "netlift decide" in command)
    assert "Before launch" in told and "nothing pays" in told


def test_plain_mlflow_loads_the_champion(trained: Ran) -> None:
    _, ran = trained
    run = next(run for command, run in ran.items() if command.startswith(PLAIN_MLFLOW))
    assert "p_churn" in run.stdout


def test_the_same_key_gives_the_same_bytes(trained: Ran) -> None:
    workshop, _ = trained
    again = workshop.netlift("score --as-of 2026-10-01")
    assert again.returncode == 0
    assert "already written" in again.stdout
    anew = workshop.netlift("score --as-of 2026-10-01 --run-key anew")
    assert anew.returncode == 0
    scores = workshop.folder / "var/out/scores"
    first, second = (scores / key / "scores.parquet" for key in ("2026-10-01", "anew"))
    assert first.read_bytes() == second.read_bytes()


def test_training_again_gives_the_same_model_byte_for_byte(trained: Ran) -> None:
    workshop, _ = trained
    again = workshop.netlift("train churn --json")
    assert again.returncode == 0, again.stderr[-2000:]
    report = json.loads(again.stdout)
    assert report["outcomes"][0]["standing"] == "already champion"
    assert report["outcomes"][0]["version"] == 1


def test_the_champion_moves_by_hand_only_from_the_one_expected(trained: Ran) -> None:
    workshop, _ = trained
    command = "promote ltv --version {} --expect-current {} --reason 'see the card'"
    already = workshop.netlift(command.format(1, 1))
    assert (already.returncode, "champion already" in already.stderr) == (2, True)
    unknown = workshop.netlift(command.format(7, 1))
    assert (unknown.returncode, "no version 7" in unknown.stderr) == (2, True)


def test_a_changed_byte_of_a_champion_is_refused(trained: Ran) -> None:
    workshop, _ = trained
    model = next((workshop.folder / "var" / "artifacts").rglob("churn.txt"))
    whole = model.read_bytes()
    model.write_bytes(whole.replace(b"leaf_value=", b"leaf_value= ", 1))
    try:
        run = workshop.netlift("score --as-of 2026-10-01 --run-key tampered")
    finally:
        model.write_bytes(whole)
    assert run.returncode == 4
    assert "churn" in run.stderr
    assert not (workshop.folder / "var/out/scores/tampered").exists()


def test_a_column_of_training_that_is_gone_is_named_with_its_nearest(trained: Ran, tmp_path: Path) -> None:
    workshop, _ = trained
    data = tmp_path / "data"
    shutil.copytree(workshop.folder / "var" / "demo", data)
    receipts = pd.read_parquet(data / "transactions.parquet").rename(columns={"promo": "promotion"})
    receipts.to_parquet(data / "transactions.parquet")
    config = workshop.folder / "configs" / "drifted.yaml"
    config.write_text((workshop.folder / "configs" / "demo.yaml").read_text().replace("../var/demo", str(data)))
    run = workshop.netlift("score --as-of 2026-10-01 --run-key drifted --config configs/drifted.yaml")
    assert run.returncode == 3
    assert "transactions.promo" in run.stderr
    assert "did you mean promotion?" in run.stderr


def test_no_customer_is_named_in_any_output_or_record(trained: Ran) -> None:
    workshop, ran = trained
    customers = pd.read_parquet(workshop.folder / "var/demo/customers.parquet", columns=["customer_id", "name"])
    said = "".join(run.stdout + run.stderr for run in ran.values())
    kept = b"".join(
        path.read_bytes()
        for path in sorted((workshop.folder / "var").rglob("*"))
        if path.is_file()
        and path.suffix in {".json", ".jsonl", ".md", ".txt", ".svg", ".db", ".log"}
        and "demo" not in path.relative_to(workshop.folder / "var").parts[0]
    )
    drawn = customers.sample(200, random_state=1)
    ids = "|".join(re.escape(customer) for customer in drawn.customer_id)
    assert re.search(rf"(?<![\d.])(?:{ids})(?!\d)", said) is None
    assert re.search(rf"(?<![\d.])(?:{ids})(?!\d)".encode(), kept) is None
    for name in drawn.name:
        assert name not in said
        assert name.encode() not in kept
