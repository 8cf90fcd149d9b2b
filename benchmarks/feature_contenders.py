"""The same 60 receipt features as of several cutoffs, by netlift and by its peers; one contender is one process.

Every contender reads the same Parquet file of receipts with one thread and writes one Parquet file: a row per customer
and cutoff, 60 float32 columns. Cutoffs lie at midnight, and the peers may use it: days and windows nest, so that each
receipt is summed once, into its interval between the ends of all windows, and windows are added up from intervals.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

WINDOWS = (("7d", 7), ("30d", 30), ("90d", 90), ("180d", 180), ("365d", 365), ("all", 730))
OBSERVATION_DAYS = 730
CHANNELS = ("store", "app", "web")
SUMMED = ("purchases", "purchase_days", "revenue", "margin")
ON_PURCHASES = ("mean_purchase", "largest_purchase", "sd_purchase")
NAMES = [
    *(f"{what}_{window}" for what in SUMMED + ON_PURCHASES for window, _ in WINDOWS),
    *("gap_mean_days", "gap_sd_days", "gap_last_days", "gap_max_days", "days_since_last_purchase"),
    *("days_since_first_purchase", "age_at_last_purchase_days", "days_since_last_purchase_over_gap"),
    *("promo_share_90d", "promo_share_365d", "weekend_share_365d"),
    *("returns_365d", "return_rate_365d", "returned_amount_365d"),
    *(f"share_channel_{channel}_365d" for channel in (*CHANNELS, "other")),
]


class Task:
    """What every contender is given.

    Attributes:
        receipts: The Parquet file of receipts.
        customers: The Parquet file of customers.
        out: The Parquet file to write.
        cutoffs: Midnights, ascending.
    """

    def __init__(self, folder: Path, out: Path, cutoffs: list[datetime]) -> None:
        self.receipts, self.customers = folder / "transactions.parquet", folder / "customers.parquet"
        self.out, self.cutoffs = out, cutoffs

    def ends(self) -> list[datetime]:
        """Where intervals end: the limits of all windows of all cutoffs."""
        lengths = [0, *(days for _, days in WINDOWS)]
        return sorted({cutoff - timedelta(days=days) for cutoff in self.cutoffs for days in lengths})

    def spans(self, cutoff: datetime) -> list[tuple[int, int]]:
        """Each window of a cutoff: intervals above the first number, up to the second."""
        ends = self.ends()
        return [(ends.index(cutoff - timedelta(days=days)), ends.index(cutoff)) for _, days in WINDOWS]


def prepare_netlift(task: Task) -> Callable[[], None]:
    import warnings
    from zoneinfo import ZoneInfo

    import ibis
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from netlift.data.read import conform
    from netlift.features.build import build_features, iterate_features
    from netlift.features.queries import queries_at
    from netlift.features.vocabulary import Vocabulary

    warnings.simplefilter("ignore")
    pa.set_cpu_count(1)
    vocabulary = Vocabulary(channels=CHANNELS, attributes={}, sources=("promo",))
    at = pd.Series(np.array(["2025-01-01"], dtype="datetime64[us]"))
    one = {
        "customers": pd.DataFrame({"customer_id": ["a"], "joined_at": at}),
        "transactions": pd.DataFrame(
            {"customer_id": ["a"], "occurred_at": at, "revenue": 1.0, "margin": 1.0, "channel": "app", "promo": True}
        ),
    }

    def open_tables(sources: Callable[[object], dict[str, object]]):
        connection = ibis.duckdb.connect(threads=1)
        return conform(connection, sources(connection), attributes=(), zone=ZoneInfo("UTC"))

    warm = open_tables(lambda connection: {name: ibis.memtable(frame) for name, frame in one.items()})
    build_features(warm, queries_at(["a"], task.cutoffs), vocabulary, observation_days=OBSERVATION_DAYS)

    def run() -> None:
        tables = open_tables(
            lambda connection: {
                "customers": connection.read_parquet(task.customers),
                "transactions": connection.read_parquet(task.receipts),
            }
        )
        schema = pa.schema(
            [("customer_id", pa.string()), ("cutoff", pa.timestamp("us")), *((name, pa.float32()) for name in NAMES)]
        )
        with pq.ParquetWriter(task.out, schema, compression="snappy", use_dictionary=["cutoff"]) as writer:
            for matrix in iterate_features(
                tables, task.cutoffs, vocabulary, observation_days=OBSERVATION_DAYS, names=NAMES
            ):
                columns = [pa.array(matrix.customer_id), pa.array(matrix.cutoff), *(pa.array(x) for x in matrix.X.T)]
                writer.write_table(pa.Table.from_arrays(columns, schema=schema))

    return run


def prepare_duckdb(task: Task) -> Callable[[], None]:
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set enable_progress_bar = false")
    return lambda: connection.execute(write_sql(task)).fetchall() and None


def write_sql(task: Task) -> str:
    """The best SQL form we know.

    Sums per customer and interval, where intervals are cut by the ends of all windows of all cutoffs (a third of the
    cost of sums per customer, cutoff and window); windows are added up from intervals in a second step. Gaps between
    purchase days are taken once for all cutoffs, each with the day it ends on.
    """
    ends = task.ends()
    interval = " ".join(f"when occurred_at < timestamp '{end}' then {i}" for i, end in enumerate(ends))
    bought = "not is_return"
    channels = {channel: f"channel = '{channel}'" for channel in CHANNELS}
    channels["other"] = f"coalesce(channel not in ({', '.join(map(repr, CHANNELS))}), true)"
    sums = [
        f"count(*) filter ({bought})::double as purchases",
        "sum(revenue) as revenue",
        "sum(margin) as margin",
        f"sum(revenue) filter ({bought}) as gross",
        f"sum(revenue * revenue) filter ({bought}) as squares",
        f"max(revenue) filter ({bought}) as largest",
        f"count(*) filter ({bought} and promo)::double as promos",
        f"count(*) filter ({bought} and isodow(occurred_at) >= 6)::double as weekends",
        "count(*) filter (is_return)::double as returns",
        "sum(revenue) filter (is_return) as returned",
        *(f"sum(revenue) filter ({bought} and {which}) as on_{name}" for name, which in channels.items()),
    ]
    features = " union all ".join(f"({select_sql(task, cutoff)})" for cutoff in task.cutoffs)
    return f"""
    copy (
    with receipts as (
        select customer_id, occurred_at, revenue, margin, channel, promo, is_return from '{task.receipts}'
        where occurred_at >= timestamp '{ends[0]}' and occurred_at < timestamp '{ends[-1]}'
    ),
    sums as materialized (
        select customer_id, case {interval} end as i, {", ".join(sums)} from receipts group by customer_id, i
    ),
    days as (select distinct customer_id, occurred_at::date as day from receipts where {bought}),
    gaps as materialized (
        select customer_id, day, lag(day) over (partition by customer_id order by day) as previous from days
    )
    {features}
    ) to '{task.out}' (format parquet, compression snappy)
    """


def select_sql(task: Task, cutoff: datetime) -> str:
    """The 60 features of one cutoff out of sums and gaps."""
    n = range(len(WINDOWS))
    spans = [f"case when i > {low} and i <= {high} then" for low, high in task.spans(cutoff)]
    added = ("purchases", "revenue", "margin", "gross", "squares")
    wide = [f"sum({spans[w]} {x} end) as {x}_{w}" for w in n for x in added]
    wide += [f"max({spans[w]} largest end) as largest_{w}" for w in n] + [f"sum({spans[2]} promos end) as promos_2"]
    yearly = ("promos", "weekends", "returns", "returned", *(f"on_{channel}" for channel in (*CHANNELS, "other")))
    wide += [f"sum({spans[4]} {x} end) as {x}_4" for x in yearly]
    c = f"timestamp '{cutoff}'::date"
    after = f"filter (previous >= {c} - {OBSERVATION_DAYS})"
    days = [f"count(*) filter (day >= {c} - {length}) as days_{w}" for w, (_, length) in enumerate(WINDOWS)]
    return f"""
    with wide as (select customer_id, {", ".join(wide)} from sums group by customer_id),
    rhythm as (
        select customer_id, min(day) as first_day, max(day) as last_day, max(day - previous) {after} as gap_max,
            sum((day - previous) * (day - previous)) {after} as gap_squares,
            arg_max(day - previous, day) {after} as gap_last, {", ".join(days)}
        from gaps where day < {c} and day >= {c} - {OBSERVATION_DAYS} group by customer_id
    )
    select customer_id, timestamp '{cutoff}' as cutoff, {name_sql(c)}
    from '{task.customers}' left join wide using (customer_id) left join rhythm using (customer_id)
    where joined_at < timestamp '{cutoff}'
    """


def name_sql(cutoff: str) -> str:
    n = range(len(WINDOWS))
    values = [f"coalesce({name}_{w}, 0)" for name in ("purchases", "days", "revenue", "margin") for w in n]
    values += [f"gross_{w} / nullif(purchases_{w}, 0)" for w in n] + [f"largest_{w}" for w in n]
    values += [
        f"case when purchases_{w} > 1 then sqrt(greatest(0, squares_{w} - gross_{w} * gross_{w} / purchases_{w}) "
        f"/ (purchases_{w} - 1)) end"
        for w in n
    ]
    age, gaps = "(last_day - first_day)", "nullif(days_5 - 1, 0)"
    values += [f"{age} / {gaps}"]
    values += [f"case when days_5 > 2 then sqrt((gap_squares - {age} * {age} / {gaps}) / (days_5 - 2)) end"]
    values += ["gap_last", "gap_max", f"{cutoff} - last_day", f"{cutoff} - first_day", age]
    values += [f"({cutoff} - last_day) / ({age} / {gaps})"]
    values += ["promos_2 / nullif(purchases_2, 0)", "promos_4 / nullif(purchases_4, 0)"]
    values += ["weekends_4 / nullif(purchases_4, 0)", "coalesce(returns_4, 0)", "returns_4 / nullif(purchases_4, 0)"]
    values += ["-coalesce(returned_4, 0)"]
    values += [f"case when gross_4 > 0 then coalesce(on_{x}_4, 0) / gross_4 end" for x in (*CHANNELS, "other")]
    return ", ".join(f"({value})::float as {name}" for value, name in zip(values, NAMES, strict=True))


def prepare_pandas(task: Task) -> Callable[[], None]:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    columns = ["customer_id", "occurred_at", "revenue", "margin", "channel", "promo", "is_return"]
    ends = np.array(task.ends(), dtype="datetime64[us]")

    def read(customers: pd.DataFrame) -> pd.DataFrame:
        within = [("occurred_at", ">=", task.ends()[0]), ("occurred_at", "<", task.ends()[-1])]
        r = pd.read_parquet(task.receipts, columns=columns, filters=within)
        r["customer"] = pd.Index(customers["customer_id"]).get_indexer(r.pop("customer_id"))
        back, revenue, channel = r.pop("is_return"), r["revenue"], r.pop("channel")
        bought = ~back
        r["purchases"] = bought.astype("int8")
        r["gross"] = revenue.where(bought, 0.0)
        r["squares"] = r["gross"] * r["gross"]
        r["largest"] = revenue.where(bought)
        r["promos"] = (r.pop("promo") & bought).astype("int8")
        r["day"] = r["occurred_at"].dt.floor("D")
        r["weekends"] = ((r["day"].dt.day_of_week >= 5) & bought).astype("int8")
        r["returns"] = back.astype("int8")
        r["returned"] = revenue.where(back, 0.0)
        for name in CHANNELS:
            r[f"on_{name}"] = r["gross"].where(channel == name, 0.0)
        return r

    def sum_up(r: pd.DataFrame, days: pd.DataFrame, customers: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Sums up to the end of each interval and largest of each interval, shape (customers, intervals)."""

        def spread(values: pd.Series, empty: float) -> np.ndarray:
            out = np.full(customers * len(ends), empty)
            out[values.index.to_numpy()] = values.to_numpy()
            return out.reshape(customers, len(ends))

        def key(rows: pd.DataFrame, at: str) -> np.ndarray:
            return rows["customer"].to_numpy() * len(ends) + np.searchsorted(ends, rows[at].to_numpy(), side="right")

        by = key(r, "occurred_at")
        grouped = r.drop(columns=["customer", "occurred_at", "day", "largest"]).groupby(by, sort=False).sum()
        sums = {name: spread(grouped[name], 0.0).cumsum(axis=1) for name in grouped}
        counted = days["customer"].groupby(key(days, "day"), sort=False).size()
        sums["purchase_days"] = spread(counted, 0.0).cumsum(axis=1)
        return sums, spread(r["largest"].groupby(by, sort=False).max(), np.nan)

    def describe_rhythm(days: pd.DataFrame, cutoff: np.datetime64, customers: int) -> list[np.ndarray]:
        oldest = cutoff - np.timedelta64(OBSERVATION_DAYS, "D")
        seen = days[(days["day"] < cutoff) & (days["day"] >= oldest)]
        first_last = seen.groupby("customer")["day"].agg(["min", "max"]).reindex(range(customers))
        gaps = seen[seen["previous"] >= oldest].groupby("customer")["gap"]
        g = gaps.agg(["mean", "std", "last", "max"]).reindex(range(customers))
        since = (cutoff - first_last["max"]).dt.days.to_numpy()
        age = (first_last["max"] - first_last["min"]).dt.days.to_numpy()
        mean = g["mean"].to_numpy()
        return [mean, *(g[name].to_numpy() for name in ("std", "last", "max")), since, since + age, age, since / mean]

    def run() -> None:
        customers = pd.read_parquet(task.customers)
        r = read(customers)
        days = r.loc[r["purchases"] > 0, ["customer", "day"]].drop_duplicates()
        days = days.sort_values(["customer", "day"], kind="stable")
        days["previous"] = days.groupby("customer")["day"].shift()
        days["gap"] = (days["day"] - days["previous"]).dt.days
        upto, tops = sum_up(r, days, len(customers))
        del r
        parts = []
        for instant in task.cutoffs:
            cutoff, spans = np.datetime64(instant, "us"), task.spans(instant)
            s = {name: [x[:, high] - x[:, low] for low, high in spans] for name, x in upto.items()}
            n = [np.where(x > 0, x, np.nan) for x in s["purchases"]]
            values = [x for name in SUMMED for x in s[name]]
            values += [gross / count for gross, count in zip(s["gross"], n, strict=True)]
            values += [np.fmax.reduce(tops[:, low + 1 : high + 1], axis=1) for low, high in spans]
            for count, gross, squares in zip(n, s["gross"], s["squares"], strict=True):
                values.append(
                    np.sqrt(np.maximum(squares - gross**2 / count, 0) / np.where(count > 1, count - 1, np.nan))
                )
            values += describe_rhythm(days, cutoff, len(customers))
            values += [s["promos"][2] / n[2], s["promos"][4] / n[4], s["weekends"][4] / n[4]]
            values += [s["returns"][4], s["returns"][4] / n[4], -s["returned"][4]]
            on = [s[f"on_{name}"][4] for name in CHANNELS]
            total = np.where(s["gross"][4] > 0, s["gross"][4], np.nan)
            values += [x / total for x in (*on, s["gross"][4] - sum(on))]
            part = pd.DataFrame({name: x.astype("float32") for name, x in zip(NAMES, values, strict=True)}, copy=False)
            part.insert(0, "cutoff", cutoff)
            part.insert(0, "customer_id", customers["customer_id"])
            parts.append(part[(customers["joined_at"] < cutoff).to_numpy()])
        pd.concat(parts).to_parquet(task.out, compression="snappy", use_dictionary=["cutoff"], index=False)

    return run


def prepare_polars(task: Task) -> Callable[[], None]:
    import polars as pl

    c, n = pl.col, range(len(WINDOWS))
    yearly = ("promos", "weekends", "returns", "returned", *(f"on_{name}" for name in CHANNELS))

    def sum_by_interval(r: pl.LazyFrame) -> pl.LazyFrame:
        bought, revenue = ~c("is_return"), c("revenue")
        i = sum((c("occurred_at") >= end).cast(pl.Int8) for end in task.ends())
        gross = pl.when(bought).then(revenue)
        on = {name: bought & (c("channel") == name) for name in CHANNELS}
        return (
            r.with_columns(i.alias("i"))
            .group_by("customer", "i")
            .agg(
                bought.sum().alias("purchases"),
                revenue.sum(),
                c("margin").sum(),
                gross.sum().alias("gross"),
                (gross * gross).sum().alias("squares"),
                gross.max().alias("largest"),
                (bought & c("promo")).sum().alias("promos"),
                (bought & (c("day").dt.weekday() >= 6)).sum().alias("weekends"),
                c("is_return").sum().alias("returns"),
                pl.when(c("is_return")).then(revenue).sum().alias("returned"),
                *(pl.when(which).then(revenue).sum().alias(f"on_{name}") for name, which in on.items()),
            )
        )

    def sum_by_window(sums: pl.LazyFrame, cutoff: datetime) -> pl.LazyFrame:
        inside = [(c("i") > low) & (c("i") <= high) for low, high in task.spans(cutoff)]
        added = ("purchases", "revenue", "margin", "gross", "squares")
        return sums.group_by("customer").agg(
            *(c(name).filter(inside[w]).sum().alias(f"{name}_{w}") for name in added for w in n),
            *(c("largest").filter(inside[w]).max().alias(f"largest_{w}") for w in n),
            c("promos").filter(inside[2]).sum().alias("promos_2"),
            *(c(name).filter(inside[4]).sum().alias(f"{name}_4") for name in yearly),
        )

    def describe_rhythm(days: pl.LazyFrame, cutoff: datetime) -> pl.LazyFrame:
        gap = c("gap").filter(c("previous") >= since(cutoff, OBSERVATION_DAYS))
        seen = days.filter(c("day") < cutoff, c("day") >= since(cutoff, OBSERVATION_DAYS))
        return seen.group_by("customer").agg(
            c("day").min().alias("first_day"),
            c("day").max().alias("last_day"),
            gap.mean().alias("gap_mean"),
            gap.std().alias("gap_sd"),
            gap.last().alias("gap_last"),
            gap.max().alias("gap_max"),
            *(
                (c("day") >= since(cutoff, length)).sum().alias(f"purchase_days_{w}")
                for w, (_, length) in enumerate(WINDOWS)
            ),
        )

    def describe(cutoff: datetime) -> list[pl.Expr]:
        bought = [pl.when(c(f"purchases_{w}") > 0).then(c(f"purchases_{w}")) for w in n]
        values = [c(f"{name}_{w}").fill_null(0) for name in SUMMED for w in n]
        values += [c(f"gross_{w}") / bought[w] for w in n] + [c(f"largest_{w}") for w in n]
        for w in n:
            spread = (c(f"squares_{w}") - c(f"gross_{w}") ** 2 / bought[w]).clip(0)
            values.append(pl.when(c(f"purchases_{w}") > 1).then((spread / (bought[w] - 1)).sqrt()))
        since_last = (pl.lit(cutoff).dt.date() - c("last_day")).dt.total_days()
        age = (c("last_day") - c("first_day")).dt.total_days()
        values += [c(f"gap_{name}") for name in ("mean", "sd", "last", "max")]
        values += [since_last, since_last + age, age, since_last / c("gap_mean")]
        values += [c("promos_2") / bought[2], c("promos_4") / bought[4], c("weekends_4") / bought[4]]
        values += [c("returns_4").fill_null(0), c("returns_4") / bought[4], -c("returned_4").fill_null(0)]
        total = pl.when(c("gross_4") > 0).then(c("gross_4"))
        on = [c(f"on_{name}_4") for name in CHANNELS]
        values += [x / total for x in (*on, c("gross_4") - pl.sum_horizontal(on))]
        return [value.cast(pl.Float32).alias(name) for value, name in zip(values, NAMES, strict=True)]

    def since(cutoff: datetime, days: int) -> pl.Expr:
        return pl.lit(cutoff) - pl.duration(days=days)

    def run() -> None:
        customers = pl.scan_parquet(task.customers).with_row_index("customer")
        r = pl.scan_parquet(task.receipts).filter(
            c("occurred_at") >= task.ends()[0], c("occurred_at") < task.ends()[-1]
        )
        r = r.join(customers.select("customer", "customer_id"), on="customer_id")
        r = r.select("customer", "occurred_at", "revenue", "margin", "channel", "promo", "is_return")
        r = r.with_columns(c("occurred_at").dt.date().alias("day")).collect(engine="streaming").lazy()
        sums = sum_by_interval(r).collect(engine="streaming").lazy()
        days = r.filter(~c("is_return")).select("customer", "day").unique().sort("customer", "day")
        same = c("customer") == c("customer").shift()
        days = days.with_columns(pl.when(same).then(c("day").shift()).alias("previous"))
        days = days.with_columns((c("day") - c("previous")).dt.total_days().alias("gap")).collect().lazy()
        parts = [
            customers.filter(c("joined_at") < cutoff)
            .join(sum_by_window(sums, cutoff), on="customer", how="left")
            .join(describe_rhythm(days, cutoff), on="customer", how="left")
            .select("customer_id", pl.lit(cutoff).cast(pl.Datetime("us")).alias("cutoff"), *describe(cutoff))
            for cutoff in task.cutoffs
        ]
        pl.concat(pl.collect_all(parts, engine="streaming")).write_parquet(task.out, compression="snappy")

    return run


PREPARE = {
    "netlift": prepare_netlift,
    "pandas": prepare_pandas,
    "polars": prepare_polars,
    "best SQL (DuckDB)": prepare_duckdb,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", choices=PREPARE)
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("cutoffs", nargs="+", type=datetime.fromisoformat)
    asked = parser.parse_args()
    try:
        run = PREPARE[asked.contender](Task(asked.folder, asked.out, asked.cutoffs))
    except ImportError as error:
        print(json.dumps({"error": str(error)}))
        return
    cpu, wall = time.process_time(), time.perf_counter()
    run()
    print(json.dumps({"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}))


if __name__ == "__main__":
    main()
