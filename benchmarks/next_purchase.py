"""Next category and date of a purchase beside their baselines, out of time, and what 5 million receipts take.

    .venv/bin/python benchmarks/next_purchase.py [retailer complete_journey online_retail scale] [--data FOLDER]

Each shop is learned on one horizon and judged on the next. The public data sets are also cut into finer groups of goods
than their adapters': the aisle with the largest sales of a basket, and the last word of an invoice line's description.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from netlift.config.business import BusinessSettings, load
from netlift.config.next_purchase import NextPurchaseSettings
from netlift.data.read import open_tables
from netlift.next_purchase.evaluation import Evaluation
from netlift.next_purchase.fields import day_number, foretell_purchases
from netlift.next_purchase.model import learn_next_purchases
from netlift.next_purchase.purchases import Purchases, make_purchases, read_purchases
from netlift.simulation.simulate import SimulationSettings, simulate

ROOT = Path(__file__).parents[1]
END = date(2026, 10, 1)
HORIZONS = (28, 91)
GROUPS = 60
SIMULATED = {"seeds": (11, 12), "customers": 6000}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    kinds = {"retailer": retailers, "complete_journey": complete_journey, "online_retail": online_retail}
    parser.add_argument("shops", nargs="*", default=[*kinds, "scale"], help=f"of {', '.join(kinds)}, scale")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the public data")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.shops:
            if name == "scale":
                scale(Path(folder))
                continue
            for what, purchases, end in kinds[name](Path(folder), arguments.data):
                for horizon in HORIZONS:
                    model = learn_next_purchases(purchases, end=day_number(end), horizon=horizon, seed=1)
                    report(f"{what}, {horizon} days", purchases, model.evaluation)


def retailers(folder: Path, _: Path) -> Iterator[tuple[str, Purchases, date]]:
    for seed in SIMULATED["seeds"]:
        target = folder / f"retailer-{seed}"
        simulate(
            SimulationSettings(customers=SIMULATED["customers"], seed=seed, end=END), target=target / "var" / "demo"
        )
        yield f"retailer, seed {seed}", _read(_settings("demo", target, target), END), END


def complete_journey(folder: Path, data: Path) -> Iterator[tuple[str, Purchases, date]]:
    end = date(2018, 1, 1)
    yield "Complete Journey, departments", _read(_settings("complete_journey", folder, data), end), end
    lines = pd.read_parquet(data / "completejourney_transactions.parquet")
    products = pd.read_parquet(data / "completejourney_products.parquet")[["product_id", "product_category"]]
    lines = lines.merge(products, how="left", on="product_id").rename(columns={"household_id": "customer"})
    lines["at"] = lines["transaction_timestamp"] - pd.Timedelta(hours=5)
    lines = lines.rename(columns={"basket_id": "receipt", "sales_value": "money", "product_category": "group"})
    yield "Complete Journey, product groups", _by_largest(lines, end), end


def online_retail(folder: Path, data: Path) -> Iterator[tuple[str, Purchases, date]]:
    end = date(2011, 12, 1)
    yield "Online Retail, no categories", _read(_settings("online_retail", folder, data), end), end
    lines = pd.read_parquet(data / "online_retail.parquet").dropna(subset=["CustomerID", "Description"])
    lines = lines[(lines["Quantity"] > 0) & (lines["UnitPrice"] > 0)]
    word = (
        lines["Description"].str.extract(r"([A-Za-z]{3,})[^A-Za-z]*$")[0].str.upper().str.replace(r"S$", "", regex=True)
    )
    lines = lines.assign(group=word, money=lines["Quantity"] * lines["UnitPrice"])
    lines = lines.rename(columns={"CustomerID": "customer", "InvoiceNo": "receipt", "InvoiceDate": "at"})
    yield "Online Retail, last word of the goods", _by_largest(lines, end), end


def _settings(name: str, folder: Path, data: Path) -> BusinessSettings:
    content = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
    if "path" in content["data"]:
        content["data"]["path"] = str(data)
    content["models"] = {"churn": str(ROOT / "models" / "churn.yaml")}
    content["engine"]["threads"] = 1
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    path = folder / "configs" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True))
    return load(path)


def _read(settings: BusinessSettings, end: date) -> Purchases:
    with open_tables(settings) as tables:
        return read_purchases(tables, until=end, max_categories=GROUPS)


def _by_largest(lines: pd.DataFrame, end: date) -> Purchases:
    """A purchase per receipt, of the group with the largest sales; the most frequent groups are told apart."""
    lines = lines[lines["at"] < pd.Timestamp(end)]
    parts = lines.groupby(["customer", "receipt", "group"], as_index=False).agg(
        at=("at", "min"), money=("money", "sum")
    )
    parts = parts.sort_values(["customer", "receipt", "money", "group"], ascending=[True, True, False, True])
    receipts = parts.drop_duplicates(["customer", "receipt"]).sort_values(["customer", "at", "group"])
    known = receipts["group"].value_counts().index[:GROUPS]
    ids, customer = np.unique(receipts["customer"].to_numpy(), return_inverse=True)
    day = receipts["at"].to_numpy().astype("datetime64[D]").astype(np.int32)
    code = known.get_indexer(receipts["group"])
    return make_purchases(customer, day, code, ids=ids.astype(object), categories=tuple(known))


def report(what: str, purchases: Purchases, found: Evaluation) -> None:
    """One shop as rows of Markdown."""
    print(f"\n### {what}: {len(purchases.ids):,} customers, {len(purchases.day):,} purchases\n")
    judged = (("date", found.date), ("date by category", found.replenishment), ("category", found.category))
    print("| | rows | model | best baseline | | gain | used |\n|---|---|---|---|---|---|---|")
    for name, contest in (
        ("date", found.date),
        ("date by category", found.replenishment),
        ("category", found.category),
    ):
        if contest is not None:
            best = contest.baselines[contest.best]
            print(
                f"| {name} | {contest.rows:,} | {contest.model:.3f} | {best:.3f} | {contest.best} | "
                f"{contest.gain} | {contest.chosen} |"
            )
    for name, contest in judged:
        if contest is not None:
            print(f"\n{name}: {', '.join(f'{rule} {score:.3f}' for rule, score in contest.baselines.items())}")
    print(f"\n80% intervals cover: date {found.date_coverage}; by category {found.replenishment_coverage}")
    print(f"probability of a purchase within {found.horizon} days is off by {found.returns.error:.3f} on average")
    if found.category_probability is not None:
        print(f"of the category named by {found.category_probability.error:.3f}; log loss {found.category_log_loss}")


def scale(folder: Path, *, customers: int = 200_000, receipts: int = 5_000_000) -> None:
    """Seconds and memory of 200,000 customers with 5 million receipts, made by another process."""
    place = folder / "large"
    maker = multiprocessing.get_context("spawn").Process(target=_make_large, args=(place, customers, receipts))
    maker.start()
    maker.join()
    settings = _settings("demo", place, place)
    kept = {name: settings.data.tables[name] for name in ("customers", "transactions")}
    data = settings.data.model_copy(update={"tables": kept, "attributes": ()})
    settings = settings.model_copy(update={"data": data})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    with open_tables(settings) as tables:
        started, used = time.perf_counter(), time.process_time()
        told = foretell_purchases(tables, NextPurchaseSettings(), as_of=END, seed=1)
        told.columns(told.purchases.ids)
    print(
        f"\n### scale: {customers:,} customers, {len(told.purchases.day):,} purchases: "
        f"{time.perf_counter() - started:.1f} s ({time.process_time() - used:.1f} s of CPU), peak "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB (before {before:,.0f} MB)"
    )


def _make_large(place: Path, customers: int, receipts: int) -> None:
    rng = np.random.default_rng(1)
    (place / "var" / "demo").mkdir(parents=True)
    ids = np.array([f"c{i:07}" for i in range(customers)])
    moments = np.datetime64("2023-10-01", "us") + rng.integers(0, 1096 * 86_400, receipts) * np.timedelta64(1, "s")
    frame = pd.DataFrame(
        {
            "customer_id": ids[np.minimum((customers * rng.random(receipts) ** 1.5).astype(int), customers - 1)],
            "occurred_at": moments,
            "revenue": 100.0,
            "margin": 30.0,
            "category": np.array([f"group {k:02}" for k in range(40)])[rng.zipf(1.4, receipts) % 40],
        }
    )
    frame.to_parquet(place / "var" / "demo" / "transactions.parquet")
    people = pd.DataFrame({"customer_id": ids, "joined_at": np.datetime64("2023-09-30", "us")})
    people.to_parquet(place / "var" / "demo" / "customers.parquet")


if __name__ == "__main__":
    main()
