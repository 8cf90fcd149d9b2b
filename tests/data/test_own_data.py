"""The how-to of own data: its config is read, its files pass the check, and it names every column of the contract."""

import re
from pathlib import Path

import pytest

from netlift.config.business import load
from netlift.config.definitions import FlagDefinition, load_definition
from netlift.data.checks.check import check_tables
from netlift.data.contract import CONTRACT, SNAPSHOT
from netlift.data.read import open_tables

HOUSE = Path(__file__).parents[2]
PAGE = (HOUSE / "docs" / "how-to" / "own-data.md").read_text(encoding="utf-8")
PEOPLE = range(1, 61)
FILES = {
    "clients.csv": ["client,since,region,points,consent_sms"]
    + [f'{n},01.03.2025,Тверь,"{n},5",{"yes" if n % 2 else "no"}' for n in PEOPLE],
    "receipts.csv": ["client,paid_at,amount,margin,transaction_id"]
    + [f"{n},2026-01-{n % 28 + 1:02d} 10:00,100.5,30.1,R{n}" for n in PEOPLE],
    "campaigns.csv": ["campaign_id,started_at,outcome_days,randomized", "C1,2026-01-05,14,yes"],
    "contacts.csv": ["campaign_id,customer_id,assigned_at,offer_id,propensity"]
    + [f"C1,{n},2026-01-05 06:00,{'control' if n % 2 else 'sms_300'},0.5" for n in PEOPLE],
    "offers.csv": ["offer_id,channel,contact_cost", "sms_300,sms,3.5"],
    "events.csv": ["customer_id,occurred_at,kind", "7,2026-02-03 12:00,open"],
    "extract.csv": ["client,tariff,months,bill,left"]
    + [f"{n},{'home' if n % 2 else 'work'},{n},{500 + n},{'yes' if n % 3 else 'no'}" for n in PEOPLE],
}


def copy_config(folder, name):
    """The page's config of that name beside its files."""
    (example,) = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.S) if block.startswith(f"name: {name}")]
    for file, lines in FILES.items():
        encoding = "cp1251" if file == "clients.csv" else "utf-8"
        (folder / file).write_text("\n".join(lines) + "\n", encoding=encoding)
    example = example.replace(f"../var/{name}", "state").replace("../models", str(HOUSE / "models"))
    (folder / f"{name}.yaml").write_text(example, encoding="utf-8")
    return load(folder / f"{name}.yaml")


@pytest.fixture
def settings(tmp_path):
    return copy_config(tmp_path, "shop")


def test_the_config_of_the_page_reads_its_files_without_an_error(settings):
    with open_tables(settings) as tables:
        report = check_tables(tables, settings, as_of=None)
        people = tables["customers"].order_by("customer_id").select("region", "points", "joined_at").to_pyarrow()
        assigned = tables["contacts"].assigned_at.min().to_pyarrow().as_py()
        end = tables.complete_end
    assert [finding for finding in report.findings if finding.severity != "info"] == []
    assert people.to_pylist()[0]["region"] == "Тверь" and people.to_pylist()[0]["points"] == 1.5
    assert f"{people.to_pylist()[0]['joined_at']:%Y-%m-%d}" == "2025-03-01"
    assert f"{assigned:%H:%M}" == "09:00"  # Moscow's time of 06:00 UTC
    assert f"{end:%Y-%m-%d}" == "2026-02-04"  # the event of the 3rd closes its day


@pytest.mark.parametrize("table", CONTRACT)
def test_every_column_of_the_contract_stands_on_the_page(table):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{table}` |"))
    assert CONTRACT[table].columns
    for column in CONTRACT[table].columns:
        assert f"`{column.name}`{'*' if column.required else ''}" in row


def test_the_extract_of_the_page_is_read_without_an_error_and_its_columns_stand_there(tmp_path):
    settings = copy_config(tmp_path, "telecom")
    assert isinstance(load_definition(settings.models["churn"], "churn"), FlagDefinition)
    with open_tables(settings) as tables:
        report = check_tables(tables, settings, as_of=None)
        first = tables["customers"].order_by("customer_id").to_pyarrow().to_pylist()[0]
    assert [finding for finding in report.findings if finding.severity != "info"] == []
    assert (first["churned"], first["months"], first["monthly_revenue"]) == (True, 1.0, 501.0)
    own = {column.name for column in SNAPSHOT["customers"].columns} - {c.name for c in CONTRACT["customers"].columns}
    assert own and all(f"`{name}`" in PAGE for name in own)
