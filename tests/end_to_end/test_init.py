"""`netlift init` as a newcomer runs it: from the wheel, in an empty folder, on his own files, up to a trained model."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CALL = "from netlift.cli import main; main()"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder of installed packages that holds netlift from its wheel."""
    built = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(built)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = built.glob("netlift-*.whl")
    zipfile.ZipFile(wheel).extractall(built / "site")
    return built / "site"


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    """Customers who buy less and less, and receipts of three years."""
    rng = np.random.default_rng(5)
    joined = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 700, 600), unit="D")
    customers = pd.DataFrame({"client": [f"{n:06d}" for n in range(600)], "joined": joined})
    customers["city"] = rng.choice(["Тверь", "Орёл"], 600)
    rate, leaves = rng.gamma(1.0, 0.03, 600), rng.exponential(500, 600)
    rows = []
    for n in range(600):
        days = np.cumsum(rng.exponential(1 / max(rate[n], 0.004), 200))
        own = days[days < min(leaves[n], (pd.Timestamp("2025-06-01") - joined[n]).days)]
        rows += [
            (f"{n:06d}", joined[n] + pd.Timedelta(days=int(day), hours=12), round(rng.gamma(2, 300), 2)) for day in own
        ]
    receipts = pd.DataFrame(rows, columns=["client", "bought", "amount"]).sort_values("bought")
    receipts["profit"] = (receipts.amount * 0.3).round(2)
    return {"customers": customers, "receipts": receipts}


def run(site: Path, folder: Path, arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW", "NETLIFT"))}
    environment |= {"PYTHONPATH": str(site), "MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CALL, *arguments.split()]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )


def begin(site: Path, folder: Path, tables: str) -> str:
    """Init, check, and a short training in the new folder; what the training said."""
    made = run(site, folder, f"init shop --tables {tables} --currency EUR")
    assert made.returncode == 0, made.stderr
    for definition in (folder / "shop" / "models").glob("churn*.yaml"):
        text = re.sub(r"trials: \d+", "trials: 1", definition.read_text())
        text = re.sub(r"candidates: .*logistic, lightgbm", "candidates: [logistic", text)
        definition.write_text(re.sub(r"cutoffs: \d+", "cutoffs: 3", text))
    checked = run(site, folder / "shop", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    trained = run(site, folder / "shop", "train churn")
    assert trained.returncode in (0, 4), trained.stderr  # a small shop's model may be refused, never for its files
    assert "EUR" in trained.stdout
    return trained.stdout


def test_the_demo_has_a_folder_of_its_own_where_every_verb_finds_its_config(site, tmp_path):
    assert run(site, tmp_path, "init my-shop").returncode == 0
    assert "configs/demo.yaml" in (tmp_path / "my-shop" / "Makefile").read_text()
    made = run(site, tmp_path / "my-shop", "simulate --customers 300")
    assert made.returncode == 0, made.stderr
    assert run(site, tmp_path / "my-shop", "check").returncode == 0
    again = run(site, tmp_path, "init my-shop")
    assert (again.returncode, "stands already" in again.stderr) == (2, True)


def test_files_from_excel_with_russian_names(site, tables, tmp_path):
    people = tables["customers"].rename(
        columns={"client": "Код клиента", "joined": "Дата регистрации", "city": "Город"}
    )
    russian = {"client": "Код клиента", "bought": "Дата чека", "amount": "Сумма", "profit": "Маржа"}
    how = {"sep": ";", "decimal": ",", "encoding": "cp1251", "index": False, "date_format": "%d.%m.%Y"}
    (tmp_path / "выгрузка").mkdir()
    people.to_csv(tmp_path / "выгрузка" / "Клиенты.csv", **how)
    tables["receipts"].rename(columns=russian).to_csv(tmp_path / "выгрузка" / "Чеки.csv", **how)
    begin(site, tmp_path, "выгрузка")
    config = (tmp_path / "shop" / "configs" / "shop.yaml").read_text()
    assert "encoding: cp1251" in config
    assert "%d.%m.%Y" in config


def test_a_folder_of_parquet_without_margin(site, tables, tmp_path):
    (tmp_path / "lake" / "sales").mkdir(parents=True)
    tables["customers"].to_parquet(tmp_path / "lake" / "clients.parquet")
    for year, own in tables["receipts"].drop(columns="profit").groupby(tables["receipts"].bought.dt.year):
        own.to_parquet(tmp_path / "lake" / "sales" / f"{year}.parquet")
    assert "revenue" in begin(site, tmp_path, "lake")


def test_one_extract_with_a_flag(site, tables, tmp_path):
    rng = np.random.default_rng(3)
    extract = tables["customers"][["client", "city"]].assign(
        MonthlyCharges=rng.uniform(10, 100, 600).round(2), tenure=rng.integers(1, 60, 600)
    )
    leaves = rng.uniform(size=600) < 1 / (1 + np.exp((extract.tenure - 20) / 10))
    extract.assign(Churn=np.where(leaves, "Yes", "No")).to_csv(tmp_path / "extract.csv", index=False)
    begin(site, tmp_path, "extract.csv")
