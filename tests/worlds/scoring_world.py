"""A small retailer with champions of every kind of arithmetic, for tests of where scores are worked out."""

from __future__ import annotations

import os
import pickle
import signal
import time
from datetime import date, datetime
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from decide_world import configure, rewrite

from netlift.config.business import load
from netlift.data.engines.duckdb import DuckDBEngine
from netlift.data.read import open_tables
from netlift.decisions.run.scores import _score_part as predictions
from netlift.estimators.expression import booster, linear, product, purchase_process, spend, write_files
from netlift.estimators.process_formulas import PurchaseMixture, SpendMixture
from netlift.estimators.stored import StoredModel
from netlift.features.build import build_features
from netlift.features.profile import Profile
from netlift.features.queries import queries_of_joined
from netlift.features.vocabulary import learn_vocabulary
from netlift.pipelines.score import _score_part
from netlift.registry.champions import Champion
from netlift.registry.scoring_contract import ScoringContract, present_columns

AS_OF = date(2026, 10, 1)
KILLED_ONCE = "NETLIFT_TEST_KILLED"
LEARNED = datetime(2026, 7, 1)
PROCESS = PurchaseMixture(family="mbg_nbd", r=0.6, alpha=5.0, a=0.8, b=2.5, unit_days=7.0)


def make_strange(folder: Path) -> None:
    """Ids of 20 digits and of other alphabets, missing categories, and rows in no order."""

    def strange(ids: pd.Series) -> pd.Series:
        number = pd.util.hash_array(ids.to_numpy(dtype=object)).astype(str)
        odd = np.char.add("клиент-é ", number.astype("U20"))
        return pd.Series(np.where(ids.str[-1].isin(["1", "3"]), odd, np.char.zfill(number.astype("U20"), 20)))

    for table in ("customers", "transactions", "contacts", "events", "surveys"):

        def change(frame):
            frame["customer_id"] = strange(frame["customer_id"]).to_numpy()
            if "category" in frame:
                frame.loc[frame.index % 7 == 0, "category"] = None
            return frame.sample(frac=1, random_state=len(frame)).reset_index(drop=True)

        rewrite(folder, table, change)


def at_spark(folder: Path, remote: str, *, partitions: int = 3, name: str = "spark", more=lambda content: None) -> Path:
    """The config of the retailer's tables, read by Spark."""

    def both(content):
        content["engine"] |= {"kind": "spark", "remote": remote, "partitions": partitions}
        more(content)

    return configure(folder, name=name, more=both)


def make_scorers(config: Path) -> tuple[list[Champion], tuple[str, ...]]:
    """Champions with trees, a purchase process and sums, that learned on the retailer's earlier days."""
    with open_tables(load(config)) as tables:
        words = learn_vocabulary(tables, before=LEARNED, most=3, least_customers=5)
        seen = build_features(tables, queries_of_joined(tables, [LEARNED]), words, observation_days=365)
        columns = present_columns(tables)
    X, rng = np.nan_to_num(seen.X), np.random.default_rng(1)
    trees = {}
    for name in ("lost.txt", "effect.txt"):
        target = X @ rng.normal(size=X.shape[1]) / (1 + np.abs(X).sum(axis=1))
        data = lgb.Dataset(seen.X, target, params={"verbose": -1})
        trees[name] = lgb.train({"verbose": -1, "num_threads": 1, "min_data_in_leaf": 5}, data, 12).model_to_string()
    money = product(
        [purchase_process(PROCESS, "purchases", to_days=182), spend(SpendMixture(p=6.0, q=4.0, gamma=15.0))]
    )
    margin = {"op": "column", "name": "margin_365d"}
    outputs = {
        "churn": [("p_churn", "share", booster("lost.txt", link="sigmoid"))],
        "ltv": [("ltv_182d", "RUB", money)],
        "uplift": [("uplift_call_advice", "RUB", linear(1.0, [2.0, 0.01], [booster("effect.txt"), margin]))],
    }
    used = {"churn": ["lost.txt"], "ltv": [], "uplift": ["effect.txt"]}
    champions = [
        Champion(
            task=task,
            version=number,
            digest=task,
            model=StoredModel(
                write_files(
                    task=task,
                    features=seen.features,
                    outputs=own,
                    boosters={name: trees[name] for name in used[task]},
                )
            ),
            contract=ScoringContract(
                task=task,
                vocabulary=words,
                observation_days=365,
                active_within_days=None if task == "uplift" else 200,
                columns=columns,
            ),
            profile=Profile.of(seen.X, seen.features, seen.cutoff),
        )
        for number, (task, own) in enumerate(outputs.items(), start=1)
    ]
    return champions, ()


class LocalCluster(DuckDBEngine):
    """A cluster in this process: the work travels by pickle, parts by a hash of the key, their rows in no order."""

    loses = 0  # parts that nobody sees afterwards

    def map_rows(self, rows, key, work, *, schema, partitions, place):
        sent, folder = pickle.dumps(work), Path(place.removeprefix("file://"))
        folder.mkdir()
        for part in range(partitions - self.loses):
            of_part = rows.filter((self.hash_id(rows[key]).cast("decimal(38,0)") % partitions).cast("int64") == part)
            found = of_part.to_pyarrow()
            mixed = found.take(np.random.default_rng(part).permutation(len(found)))
            made = pickle.loads(sent)(iter(mixed.to_batches(max_chunksize=1000)))
            pq.write_table(pa.Table.from_batches(made, schema=schema), folder / f"part-{part}.parquet")


def score_on_a_lost_executor(*arguments):
    """The work of a part for `score`, one of whose executors is killed when the part has made its first rows."""
    return (yield from _losing_its_executor(_score_part(*arguments)))


def predict_on_a_lost_executor(*arguments):
    """The same for `decide`."""
    return (yield from _losing_its_executor(predictions(*arguments)))


def _losing_its_executor(made):
    """Python on a worker is a child of a daemon, and the daemon of the executor."""
    from pyspark import TaskContext

    yield next(made)
    if TaskContext.get() is not None:
        try:
            os.close(os.open(Path(os.environ[KILLED_ONCE]) / "killed", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            executor = int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])
            os.kill(executor, signal.SIGKILL)
            time.sleep(60)  # nothing more of this try
    return (yield from made)


def score_at_the_second_try(champions, settings, as_of, tables):
    """The work of a part on Spark, whose first try is lost when it has made its rows."""
    from pyspark import TaskContext

    made = _score_part(champions, settings, as_of, tables)
    yield next(made)
    context = TaskContext.get()
    if context is not None and context.attemptNumber() == 0:
        raise RuntimeError("the worker is lost")
    return (yield from made)


def quote_a_row(batches):
    """Work that fails however often it is tried, and says on what."""
    raise ValueError(f"cannot do {next(iter(batches)).to_pylist()[0]}")
    yield
